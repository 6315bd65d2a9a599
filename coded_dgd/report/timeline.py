"""This module writes ``--timeline``: the work of every rank as a trace for Perfetto or Chrome.

The file is JSON in the trace event format: a track per rank (``tid``), slices (``ph`` X) that nest
or do not overlap, and instants (``ph`` i). Times are in microseconds since the first beta_t left,
on the clock of the master. https://ui.perfetto.dev opens the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from coded_dgd._version import __version__
from coded_dgd.engine.events import WORKER_EVENTS, Activity, TimelineEvent
from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.observer import Observer
from coded_dgd.engine.protocol import Floats
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import StorageError, UsageError
from coded_dgd.files import writing
from coded_dgd.schemes.dynamic import DynamicScheme

TICKS = 8
"""Ticks per microsecond: a binary fraction, so that a slice ends exactly where the next begins."""
Event = dict[str, Any]
Key = tuple[int, int, int]
"""Code id, iteration and number of a message."""


Tasks = dict[tuple[int, int], list[tuple[int, int]]]
"""Block of each task and rank of the block's owner, by code id and peer, in dynamic schemes."""


class TimelineFile(Observer):
    """A timeline file is written to `path` when the run has ended, successfully or not.

    No file is written if the run ends before the first beta_t leaves.

    Raises
    ------
    UsageError
        If the file cannot be written there.
    """

    def __init__(self, path: Path, transport: Transport) -> None:
        self._path, self._transport = path, transport
        try:
            known = path.parent.is_dir()
            bad = path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK)
        except (OSError, ValueError):  # not a valid path
            known, bad = True, True
        if not known:
            raise UsageError(f"--timeline {path}: there is no folder {path.parent}: make it")
        if bad:
            raise UsageError(f"--timeline {path} cannot be written: name another file")
        self._tasks: Tasks = {}
        transport.record_events()

    def distributing(self, group: WorkerGroup) -> None:
        if isinstance(group.scheme, DynamicScheme):
            self._tasks |= _tasks(group, group.scheme)

    def end(self, error: BaseException | None) -> None:
        assert self._transport.events is not None
        rows = self._transport.events.close()
        if not (rows[:, 1] == Activity.BROADCAST).any():
            return
        try:
            found = events(self._transport, rows, self._tasks)
            write(self._path, found, self._transport.host)
        except StorageError:
            if error is None:  # an earlier error takes precedence
                raise


def write(path: Path, found: Iterable[Event], host: str) -> None:
    """Write trace events, one per line.

    Raises
    ------
    StorageError
        If the disk is full or fails.
    """
    with writing(path), path.open("w", encoding="utf-8") as file:
        about = {"program": "coded-dgd", "version": __version__, "host": host}
        file.write(
            f'{{"displayTimeUnit": "ms", "otherData": {json.dumps(about)},\n"traceEvents": ['
        )
        separator = "\n"
        for event in found:
            file.write(separator + json.dumps(event))
            separator = ",\n"
        file.write("\n]}\n")


class Slice(NamedTuple):
    """A slice is one activity of a rank between two instants in seconds."""

    activity: Activity
    begin: float
    end: float
    code_id: int
    iteration: int
    message: int

    @property
    def key(self) -> Key:
        return self.code_id, self.iteration, self.message


class DrawnArrival(NamedTuple):
    """A drawn arrival is the time at which the master got a message, and whether it was used."""

    time: float
    used: bool


def slices(rows: Floats) -> list[Slice]:
    """Turn the events of a rank into slices; instants are left out."""
    events = [
        TimelineEvent(time, Activity(what), *numbers) for time, what, *numbers in _plain(rows)
    ]
    states = [mark for mark in events if mark.activity < Activity.USED]
    found: list[Slice] = []
    for now, then in pairwise(states):
        if now.activity is Activity.IDLE:
            continue
        each = Slice(now.activity, now.time, then.time, now.code_id, now.iteration, now.message)
        if found and (found[-1].activity, found[-1].end, found[-1].key) == (
            each.activity,
            each.begin,
            each.key,
        ):
            each = each._replace(begin=found.pop().begin)
        found.append(each)
    return found


def _plain(rows: Floats) -> Iterator[tuple[float, int, int, int, int, int]]:
    times = rows[:, 0].tolist()
    for time, numbers in zip(times, rows[:, 1:].astype(np.int64).tolist(), strict=True):
        yield (time, *numbers)


def clock_offset(
    departures: dict[tuple[int, int], float],
    arrivals: dict[Key, DrawnArrival],
    work: Sequence[Slice],
) -> float:
    """Return the seconds by which a worker's clock is ahead of the master's.

    No point is received before it leaves and no message arrives before it is sent, which bounds the
    offset from both sides. Clocks on one host agree, and zero is between the bounds. Otherwise the
    result is the middle, off by at most half of the shortest round trip.

    Parameters
    ----------
    departures : dict
        Time at which beta_t left, on the master's clock, by code id and iteration.
    arrivals : dict
        Times at which messages of this worker arrived, on the master's clock.
    work : sequence of Slice
        Slices of the worker, on its own clock.
    """
    high, low = inf, -inf
    for each in work:
        if (each.code_id, each.iteration) in departures:
            high = min(high, each.begin - departures[each.code_id, each.iteration])
        if each.activity is Activity.SEND and each.key in arrivals:
            low = max(low, each.begin - arrivals[each.key].time)
    if low <= 0 <= high:
        return 0.0
    if inf in (high, -low):
        return high if low == -inf else low
    return (low + high) / 2


def _tasks(group: WorkerGroup, scheme: DynamicScheme) -> Tasks:
    """Return the block of each task, and the rank whose own task it is, else 0."""
    owner = {
        block: peer + 1
        for worker, peer in enumerate(group.members)
        for block in scheme.held(worker)[scheme.own_tasks(worker)].tolist()
    }
    return {
        (group.code_id, peer): [
            (block, owner.get(block, 0)) for block in scheme.held(worker).tolist()
        ]
        for worker, peer in enumerate(group.members)
    }


def events(transport: Transport, rows: Floats, tasks: Tasks | None = None) -> Iterator[Event]:
    """Yield the trace events of a run whose workers have stopped.

    Parameters
    ----------
    rows : (n, 6) array
        Events of the master; the transport holds those of the workers.
    tasks : Tasks, optional
        What tells whose blocks the workers of dynamic schemes compute.
    """
    tasks = tasks or {}
    master = slices(rows)
    workers = {peer: slices(each.rows) for peer, each in transport.worker_events.items()}
    arrivals: dict[int, dict[Key, DrawnArrival]] = {}
    instants = []
    for time, what, code_id, iteration, message, peer in _plain(rows):
        activity = Activity(what)
        if activity in (Activity.USED, Activity.WASTED):
            arrival = DrawnArrival(time, activity is Activity.USED)
            arrivals.setdefault(peer, {})[code_id, iteration, message] = arrival
        elif activity in (Activity.DECODABLE, Activity.LOST):
            instants.append(TimelineEvent(time, activity, code_id, iteration, message, peer))
    begun = {
        (each.code_id, each.iteration): each.begin
        for each in master
        if each.activity is Activity.BROADCAST
    }
    offsets = {
        peer: clock_offset(begun, arrivals.get(peer, {}), work) for peer, work in workers.items()
    }
    origin = _origin(transport, begun.values(), offsets)
    yield _named("process_name", 0, f"coded-dgd, master on {transport.host}")
    yield from _track(0, f"rank 0, master on {transport.host}")
    yield from _slices(0, "master", master, origin, {}, {})
    for mark in (mark for mark in instants if mark.time >= origin):
        rank = mark.peer + 1
        name = mark.activity.name.lower()
        yield _instant(rank, name, mark.time - origin, {"iteration": mark.iteration})
    for peer in sorted({*workers, *arrivals, *transport.lost}):
        host = transport.lost[peer].host if peer in transport.lost else ""
        if peer in transport.worker_events:
            host = transport.worker_events[peer].host
        lost = ", lost" if peer in transport.lost else ""
        yield from _track(peer + 1, f"rank {peer + 1} on {host or 'unknown host'}{lost}")
        came = arrivals.get(peer, {})
        if peer in workers:
            yield from _slices(
                peer + 1, "worker", workers[peer], origin + offsets[peer], came, tasks
            )
            continue
        for (_, iteration, message), arrival in came.items():
            if arrival.time < origin:
                continue
            args = {"iteration": iteration, "message": message, "used": arrival.used}
            yield _instant(peer + 1, "arrived", arrival.time - origin, args)


def _origin(transport: Transport, departures: Iterable[float], offsets: dict[int, float]) -> float:
    """Return the first departure of a beta_t after which every rank still has all its events."""
    known = [-inf]
    for peer, offset in offsets.items():
        rows = transport.worker_events[peer].rows
        if len(rows) >= WORKER_EVENTS:
            known.append(rows[0, 0] - offset)
    return min((time for time in departures if time >= max(known)), default=0.0)


def _slices(
    rank: int,
    kind: str,
    work: Sequence[Slice],
    origin: float,
    arrivals: dict[Key, DrawnArrival],
    tasks: Tasks,
) -> Iterator[Event]:
    """Yield the slices of a track; one slice spans each iteration, except the check after it."""
    sent = {each.key for each in work if each.activity is Activity.SEND}
    whole = [each for each in work if each.begin >= origin]
    for (checks, _, iteration), group in groupby(
        whole, lambda each: (each.activity is Activity.CHECK, each.code_id, each.iteration)
    ):
        parts = list(group)
        if not checks:
            begin, end = parts[0].begin - origin, parts[-1].end - origin
            yield _slice(rank, kind, f"iteration {iteration}", begin, end, {"iteration": iteration})
        known = tasks.get((parts[0].code_id, rank - 1), [])
        for message, of_task in groupby(parts if known else [], lambda each: each.message):
            task = list(of_task)
            begin, end = task[0].begin - origin, task[-1].end - origin
            if message >= 0 and _ticks(begin) < _ticks(end):
                block, owner = known[message]
                whose = "own" if owner == rank else f"of rank {owner}" if owner else "of nobody"
                args: Event = {"iteration": iteration, "block": block, "owner": owner}
                yield _slice(rank, kind, f"block {block}, {whose}", begin, end, args)
        for part in parts:
            args = {"iteration": iteration}
            name = part.activity.name.lower()
            if part.message >= 0:
                args["message"] = part.message
                if known:
                    args["block"], args["owner"] = known[part.message]
                if part.activity is Activity.SEND and part.key in arrivals:
                    arrival = arrivals[part.key]
                    args["used"] = arrival.used
                elif part.key not in sent:
                    args["instead_of"], name = name, "cancelled"
            if name == "send" or _ticks(part.begin - origin) < _ticks(part.end - origin):
                yield _slice(rank, kind, name, part.begin - origin, part.end - origin, args)


def _ticks(seconds: float) -> int:
    return round(seconds * 1e6 * TICKS)


def _slice(rank: int, kind: str, name: str, begin: float, end: float, args: Event) -> Event:
    ticks = _ticks(begin)
    duration = (_ticks(end) - ticks) / TICKS
    event = {"ph": "X", "pid": 0, "tid": rank, "ts": ticks / TICKS, "dur": duration}
    return {**event, "name": name, "cat": kind, "args": args}


def _instant(rank: int, name: str, seconds: float, args: Event) -> Event:
    event = {"ph": "i", "pid": 0, "tid": rank, "ts": _ticks(seconds) / TICKS, "s": "t"}
    return {**event, "name": name, "cat": "instant", "args": args}


def _named(what: str, rank: int, name: str) -> Event:
    return {"ph": "M", "pid": 0, "tid": rank, "name": what, "args": {"name": name}}


def _track(rank: int, name: str) -> Iterator[Event]:
    yield _named("thread_name", rank, name)
    order = {"ph": "M", "pid": 0, "tid": rank, "name": "thread_sort_index"}
    yield {**order, "args": {"sort_index": rank}}
