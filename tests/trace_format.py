"""The trace event format, as its description has it ("Trace Event Format", Google), strictly."""

import json
from collections import defaultdict
from math import isfinite

TOP = {"traceEvents", "displayTimeUnit", "otherData"}
COMMON = {"ph", "pid", "tid", "name", "args"}
KEYS = {
    "X": COMMON | {"cat", "ts", "dur"},  # complete events: slices
    "i": COMMON | {"cat", "ts", "s"},  # instants
    "M": COMMON,  # metadata
}
METADATA = {"process_name": ("name", str), "thread_name": ("name", str)}
METADATA["thread_sort_index"] = ("sort_index", int)


def load(text):
    """Parse the text of a trace file, and hold the whole of it against the format."""

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    trace = json.loads(text, parse_constant=refuse)
    assert set(trace) <= TOP
    assert trace["displayTimeUnit"] in ("ms", "ns")
    check(trace["traceEvents"])
    return trace["traceEvents"]


def check(events):
    """Every event has what its phase asks for; slices of a track nest or do not overlap."""
    named, used, slices = set(), set(), defaultdict(list)
    for event in events:
        assert set(event) == KEYS[event["ph"]]
        assert type(event["pid"]) is type(event["tid"]) is int
        assert event["name"]
        assert isinstance(event["name"], str)
        track = event["pid"], event["tid"]
        if event["ph"] == "M":
            key, kind = METADATA[event["name"]]
            assert set(event["args"]) == {key}
            assert type(event["args"][key]) is kind
            assert (*track, event["name"]) not in named
            named.add((*track, event["name"]))
            continue
        assert isinstance(event["cat"], str)
        assert isfinite(event["ts"])
        assert event["ts"] >= 0
        if event["ph"] == "X":
            assert isfinite(event["dur"])
            assert event["dur"] >= 0
            slices[track].append(event)
        else:
            assert event["s"] in ("g", "p", "t")
        used.add((*track, "thread_name"))
    assert used <= named
    for track in slices.values():
        ends = []
        for event in sorted(track, key=lambda event: (event["ts"], -event["dur"])):
            while ends and ends[-1] <= event["ts"]:
                ends.pop()
            assert not ends or event["ts"] + event["dur"] <= ends[-1]
            if event["dur"]:
                ends.append(event["ts"] + event["dur"])
