"""Timelines: valid trace files whose slices agree with the records of the run."""

import json
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import trace_format
from hypothesis import given, settings
from hypothesis import strategies as st

from coded_dgd import schemes
from coded_dgd.cli import run_command_line
from coded_dgd.config import RunConfig
from coded_dgd.engine import events as events_module
from coded_dgd.engine import job
from coded_dgd.engine.events import Activity, EventRecorder, RankEvents, TimelineEvent
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.report import gantt, timeline
from coded_dgd.report.timeline import DrawnArrival, Slice, clock_offset, events, slices

DATA = "synthetic:rows=61,features=8"


def recorded(workers=5, losses=None, **options):
    """A run in virtual time: its outcome and the events of its timeline."""
    options = {"data": DATA, "iterations": 6} | options
    setup = prepare(RunConfig(workers=workers, transport="simulated", **options), None)
    transport = SimulatedTransport(workers, losses=losses)
    transport.record_events()
    outcome = job.run(setup, transport)
    return outcome, list(events(transport, transport.events.close()))


def tracks(found):
    """Slices by rank, outer ones first."""
    by_rank = defaultdict(list)
    for event in found:
        if event["ph"] == "X":
            by_rank[event["tid"]].append(event)
    for track in by_rank.values():
        track.sort(key=lambda event: (event["ts"], -event["dur"]))
    return by_rank


def seconds(found, rank, *names, **args):
    """Sum over the slices of a rank with these names."""
    return 1e-6 * sum(
        event["dur"]
        for event in tracks(found)[rank]
        if event["name"] in names and event["args"].items() >= args.items()
    )


@given(
    scheme=st.sampled_from(["lcc-mmc", "uc-mmc", "gc", "uncoded", "sgc", "mds-mmc", "uc-dynamic"]),
    workers=st.integers(2, 7),
    load=st.integers(1, 3),
    seed=st.integers(0, 99),
    loss=st.none() | st.floats(0.0, 1.0),
)
@settings(max_examples=25, deadline=None)
def test_every_timeline_is_valid_and_agrees_with_the_records(scheme, workers, load, seed, loss):
    sizes = {} if scheme in ("uncoded", "sgc") else {"load": load}
    if scheme == "uc-dynamic":
        sizes["blocks"] = workers
    losses = {0: loss} if loss is not None else None
    try:
        outcome, found = recorded(workers, losses, scheme=scheme, seed=seed, **sizes)
    except Exception as error:  # infeasible sizes, or too few workers left
        assert type(error).__name__ in ("Infeasible", "TooFewWorkers")
        return
    trace_format.check(found)
    named = {e["tid"]: e["args"]["name"] for e in found if e["name"] == "thread_name"}
    assert sorted(named) == list(range(workers + 1))
    for record in outcome.log:
        waited = seconds(found, 0, "wait", iteration=record.iteration)
        assert waited == pytest.approx(record.completion_time, abs=2e-7)
    sent = [e["args"] for e in found if e["name"] in ("send", "arrived")]
    used = [args for args in sent if args.get("used")]
    assert len(used) == sum(record.messages_used for record in outcome.log)
    wasted = [args for args in sent if args.get("used") is False]
    assert len(wasted) == sum(record.wasted_messages for record in outcome.log)


@pytest.fixture
def of_dynamic_scheme(tmp_path):
    """The timeline file of a run of 2 iterations in which rank 2 is slow."""
    path = tmp_path / "t.json"
    code = run_command_line(
        ["run", "--transport", "simulated", "--workers", "5", "--scheme", "uc-dynamic",
         "--delay", "persistent:ranks=2,factor=9,mu=10", "--iterations", "2", "--timeline",
         str(path), "--out", str(tmp_path / "r"), "--quiet"]
    )  # fmt: skip
    assert code == 0
    return path


def test_tasks_of_dynamic_schemes_tell_whose_block_they_are(of_dynamic_scheme):
    found = json.loads(of_dynamic_scheme.read_text())["traceEvents"]
    trace_format.check(found)
    scheme = schemes.create("uc-dynamic", 5)
    work = [e for e in found if e["name"].startswith("block ")]
    owner = {
        block: worker + 1
        for worker in range(5)
        for block in scheme.held(worker)[scheme.own_tasks(worker)].tolist()
    }
    for each in work:
        block, rank = each["args"]["block"], each["tid"]
        whose = "own" if owner[block] == rank else f"of rank {owner[block]}"
        assert (each["args"]["owner"], each["name"]) == (owner[block], f"block {block}, {whose}")
    assert any(e["args"]["owner"] == 2 != e["tid"] for e in work)
    for args, rank in ((e["args"], e["tid"]) for e in found if e["name"] == "send"):
        assert args["block"] == scheme.held(rank - 1)[args["message"]]
    numbers = {(e["args"]["iteration"], e["args"]["block"]) for e in work}
    assert {(t, block) for t in range(2) for block in range(20)} <= numbers


def test_a_picture_shows_the_blocks_that_workers_take_from_others(of_dynamic_scheme, tmp_path):
    chart = gantt.read(of_dynamic_scheme, (0, 1))
    taken = [bar for bar in chart.bars if bar.what == gantt.TAKEN]
    assert taken
    assert not [bar for bar in taken if bar.rank in (0, 2)]
    assert not [bar for bar in chart.bars if bar.what.startswith("block")]
    gantt.draw(chart, [tmp_path / "t.svg"])
    assert (tmp_path / "t.svg").stat().st_size > 1000


def test_what_a_worker_did_adds_up():
    outcome, found = recorded(4, scheme="lcc-mmc", load=3)
    total = sum(record.completion_time for record in outcome.log)
    for rank in range(1, 5):
        busy = seconds(found, rank, "delay", "cancelled", "compute", "send")
        whole = sum(
            e["dur"] for e in tracks(found)[rank] if e["name"].startswith("iteration")
        ) / 1e6  # fmt: skip
        assert busy == pytest.approx(whole, abs=1e-6)
        assert busy <= total + 1e-6
    assert any(e["name"] == "cancelled" for e in found)


def test_a_lost_worker_keeps_its_track_and_the_instant_is_shown():
    outcome, found = recorded(5, {2: 0.2}, scheme="gc", load=3, iterations=8)
    assert [report.peer for report in outcome.losses] == [2]
    (lost,) = [e for e in found if e["name"] == "lost"]
    assert (lost["tid"], lost["ts"]) == (3, pytest.approx(2e5, abs=1))
    assert any(e["tid"] == 3 and "lost" in e["args"].get("name", "") for e in found)


def test_nothing_is_taken_down_where_no_timeline_is_wanted():
    setup = prepare(RunConfig(workers=3, load=2, transport="simulated", iterations=2), None)
    transport = SimulatedTransport(3)
    job.run(setup, transport)
    assert transport.events is None
    assert not transport.worker_events


def test_of_a_long_run_the_newest_iterations_are_kept(monkeypatch):
    for module in (events_module, timeline):
        monkeypatch.setattr(module, "WORKER_EVENTS", 60)
    monkeypatch.setattr(EventRecorder.__init__, "__defaults__", (60,))
    outcome, found = recorded(4, scheme="uc-mmc", load=2, iterations=40)
    trace_format.check(found)
    kept = sorted({e["args"]["iteration"] for e in tracks(found)[0] if e["dur"]})
    assert kept == list(range(kept[0], 40))
    assert 5 < len(kept) < 20
    first = min(e["ts"] for e in found if e["ph"] == "X")
    assert first == 0
    record = outcome.log[kept[0]]
    waited = seconds(found, 0, "wait", iteration=kept[0])
    assert waited == pytest.approx(record.completion_time, abs=2e-7)


# Marks and slices


def test_marks_are_kept_in_a_ring():
    now = iter(range(100))
    events = EventRecorder(lambda: next(now), limit=4)
    for iteration in range(6):
        events.add(Activity.COMPUTE, 0, iteration)
    rows = events.close()
    assert rows[:, 0].tolist() == [3, 4, 5, 6]
    assert [Activity(what) for what in rows[:, 1]] == [Activity.COMPUTE] * 3 + [Activity.IDLE]


def test_what_goes_on_is_one_slice():
    rows = np.array(
        [
            TimelineEvent(1.0, Activity.COMPUTE, 0, 0, 0, -1),
            TimelineEvent(2.0, Activity.COMPUTE, 0, 0, 0, -1),
            TimelineEvent(2.5, Activity.USED, 0, 0, 0, 3),
            TimelineEvent(3.0, Activity.SEND, 0, 0, 0, -1),
            TimelineEvent(3.5, Activity.IDLE, -1, -1, -1, -1),
            TimelineEvent(9.0, Activity.COMPUTE, 0, 1, 0, -1),
            TimelineEvent(9.5, Activity.IDLE, -1, -1, -1, -1),
        ]
    )
    assert slices(rows) == [
        Slice(Activity.COMPUTE, 1.0, 3.0, 0, 0, 0),
        Slice(Activity.SEND, 3.0, 3.5, 0, 0, 0),
        Slice(Activity.COMPUTE, 9.0, 9.5, 0, 1, 0),
    ]


# Clocks

LATENCY = st.floats(1e-5, 1e-2)


@given(st.floats(-1e4, 1e4), st.lists(st.tuples(LATENCY, LATENCY), min_size=1, max_size=20))
def test_the_offset_of_another_clock_is_known_to_half_a_round_trip(offset, latencies):
    departures, arrivals, work = {}, {}, []
    for t, (there, back) in enumerate(latencies):
        received, sent = t + there + offset, t + there + 0.1 + offset
        departures[0, t] = float(t)
        arrivals[0, t, 0] = DrawnArrival(sent - offset + back, True)
        work += [
            Slice(Activity.COMPUTE, received, sent, 0, t, 0),
            Slice(Activity.SEND, sent, sent, 0, t, 0),
        ]
    round_trip = min(there for there, _ in latencies) + min(back for _, back in latencies)
    found = clock_offset(departures, arrivals, work)
    assert abs(found - offset) <= round_trip + 1e-9
    if found:
        assert abs(found - offset) <= round_trip / 2 + 1e-9


def test_clocks_that_agree_are_not_corrected():
    work = [Slice(Activity.COMPUTE, 1.001, 2.0, 0, 0, 0), Slice(Activity.SEND, 2.0, 2.0, 0, 0, 0)]
    assert clock_offset({(0, 0): 1.0}, {(0, 0, 0): DrawnArrival(2.5, True)}, work) == 0
    assert clock_offset({(0, 0): 1.0}, {}, work) == 0
    assert clock_offset({(0, 0): 5.0}, {}, work) == pytest.approx(-3.999)
    assert clock_offset({}, {}, work) == 0


def test_tracks_of_another_host_are_on_the_clock_of_the_master():
    def shifted(by):
        rows = [(1.1, Activity.COMPUTE), (1.5, Activity.SEND), (1.6, Activity.IDLE)]
        return np.array([TimelineEvent(time + by, what, 0, 0, 0, -1) for time, what in rows])

    master = np.array(
        [
            TimelineEvent(1.0, Activity.BROADCAST, 0, 0, -1, -1),
            TimelineEvent(1.01, Activity.WAIT, 0, 0, -1, -1),
            *(TimelineEvent(1.6, Activity.USED, 0, 0, 0, peer) for peer in range(2)),
            TimelineEvent(1.7, Activity.IDLE, -1, -1, -1, -1),
        ]
    )
    transport = SimpleNamespace(
        host="a",
        lost={},
        worker_events={0: RankEvents("a", shifted(0)), 1: RankEvents("b", shifted(500))},
    )
    found = list(events(transport, master))
    trace_format.check(found)
    (here,), (there,) = (
        [e["ts"] for e in tracks(found)[rank] if e["name"] == "compute"] for rank in (1, 2)
    )
    assert there == pytest.approx(here, abs=1)


# The option


def test_the_file_is_a_trace(tmp_path, capsys):
    path = tmp_path / "run.json"
    arguments = ("--transport", "simulated", "--workers", "3", "--load", "2", "--iterations", "4")
    folder = ("--out", str(tmp_path / "run"), "--quiet")
    assert run_command_line(["run", *arguments, *folder, "--timeline", str(path)]) == 0
    trace = json.loads(path.read_text())
    assert trace["otherData"]["program"] == "coded-dgd"
    trace_format.load(path.read_text())
    assert len(tracks(trace["traceEvents"])) == 4
    assert "timeline" not in (tmp_path / "run" / "config.toml").read_text()


@pytest.mark.parametrize("name", ["missing/run.json", "."])
def test_a_file_that_cannot_be_written_is_refused_before_the_run(tmp_path, capsys, name):
    arguments = ["run", "--transport", "simulated", "--out", str(tmp_path / "run")]
    assert run_command_line([*arguments, "--timeline", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--timeline" in error
    assert not (tmp_path / "run").exists()


def test_a_run_that_never_starts_has_no_timeline(tmp_path, capsys):
    path = tmp_path / "run.json"
    arguments = ["--transport", "simulated", "--data", "none.npy", "--out", str(tmp_path / "run")]
    assert run_command_line(["run", *arguments, "--timeline", str(path)]) == 2
    assert not path.exists()
