"""A timeline of real ranks."""

import json
from collections import Counter, defaultdict

import pytest
import trace_format
from launching import mpirun

pytestmark = pytest.mark.mpi


def test_every_rank_has_a_track_that_agrees_with_the_records(tmp_path):
    done = mpirun(
        5, "--load", "3", "--iterations", "20", "--check-gradient", "--out", "run",
        "--timeline", "run.json", cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    found = trace_format.load((tmp_path / "run.json").read_text())
    lines = (tmp_path / "run" / "iterations.jsonl").read_text().splitlines()
    log = [json.loads(line) for line in lines]
    tracks, names, delayed = defaultdict(list), defaultdict(Counter), Counter()
    for event in found:
        if event["ph"] == "X":
            tracks[event["tid"]].append(event)
            names[event["tid"]][event["name"]] += event["dur"] * 1e-6
            if "delay" in (event["name"], event["args"].get("instead_of")):
                delayed[event["tid"]] += event["dur"] * 1e-6
    assert sorted(tracks) == [0, 1, 2, 3, 4]
    sent = [event["args"] for event in found if event["name"] == "send"]
    assert sum(args.get("used", False) for args in sent) == sum(r["messages_used"] for r in log)
    total = {key: sum(record[key] for record in log) for key in log[0] if key.endswith("_time")}
    master = names[0]
    taken = master["broadcast"] + master["wait"] + master["weights"]
    assert taken >= total["completion_time"] + total["weights_time"] - 1e-3
    assert taken <= total["completion_time"] + total["weights_time"] + 20 * 5e-3
    for name in ("weights", "decode", "update", "check"):
        assert total[f"{name}_time"] - 1e-5 <= master[name] <= total[f"{name}_time"] + 20 * 2e-3
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    ideal = 20 * summary["ideal_completion_time"]["mean"]  # a busy machine takes longer
    for rank in range(1, 5):
        assert delayed[rank] > 0.8 * ideal  # whether or not the results were in time
        assert 0 < names[rank]["compute"] < names[rank]["delay"]
    assert any(names[rank]["cancelled"] for rank in range(1, 5))
    departures = {e["args"]["iteration"]: e["ts"] for e in tracks[0] if e["name"] == "broadcast"}
    for event in tracks[1]:
        assert event["ts"] >= departures[event["args"]["iteration"]]
