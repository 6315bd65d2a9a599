"""This module reads the folder of a run that continues, was stopped, or was killed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.config import RunConfig
from coded_dgd.delays.trace import in_order
from coded_dgd.engine.iteration import Iteration
from coded_dgd.engine.job import gradient_norm_ratio
from coded_dgd.engine.stage import PLANS
from coded_dgd.errors import UsageError, one_line
from coded_dgd.runs import log_file
from coded_dgd.runs.recorded import RecordedRun, StageArrivals
from coded_dgd.runs.run_folder import ITERATIONS, read_record, stage_number
from coded_dgd.runs.status import duration
from coded_dgd.runs.summarizing import mean
from coded_dgd.runs.summary import Distribution, Spread, Summary

Plan = dict[str, NDArray[Any]]
"""Arrays that describe a stage, as `Stage.describe` writes them."""


def read_unfinished(path: Path, config: RunConfig) -> RecordedRun:
    """Read the iterations that are complete so far.

    Raises
    ------
    UsageError
        If no iteration is complete yet, or the folder cannot be read.
    """
    try:
        log = _records(path)
        plans = [_plan(file) for file in _plans(path)]
        ends = [min(int(plan["first"]), len(log)) for plan in plans[1:]] + [len(log)]
        stages = [_stage(path, plan, end) for plan, end in zip(plans, ends, strict=True)]
        sizes = {name: plans[0][name].item() for name in ("scheme", "workers", "blocks", "load")}
        hosts = _by_host(plans)
    except Exception as error:  # json, numpy and zipfile raise many types
        raise UsageError(
            f"{path} cannot be read ({one_line(error)}): name another run folder"
        ) from None
    if not log:
        raise UsageError(
            f"{path}: no iteration of this run is done yet: coded-dgd watch {path} follows it"
        )
    summary = Summary(
        **sizes,
        iterations=len(log),
        status=_status(path),
        stop_reason=_stop_reason(path),
        converged=False if config.stop_at else None,
        gradient_norm_ratio=gradient_norm_ratio(log, exact=False),
        transport=config.transport,
        completion_time=Distribution.of([record.completion_time for record in log]),
        ideal_completion_time=None,
        expected_completion_time=None,
        communication_load=mean(log, "messages_used"),
        wasted_messages=sum(record.wasted_messages for record in log),
        weights_time=mean(log, "weights_time"),
        decode_time=mean(log, "decode_time"),
        update_time=mean(log, "update_time"),
        error_amplification=Spread.of([record.error_amplification for record in log]),
        warnings=[],
        hosts=hosts,
    )
    complete = [stage for stage in stages if len(stage.arrival)]
    run = RecordedRun(path, config, summary, log, complete, None, finished=False)
    if run.prediction is None:
        return run
    return replace(run, summary=replace(summary, expected_completion_time=run.prediction.mean))


def _records(path: Path) -> list[Iteration]:
    """Return the records of iterations, up to the first that is incomplete."""
    found: list[Iteration] = []
    with (path / ITERATIONS).open(encoding="utf-8") as lines:
        for line in lines:
            try:
                record = read_record(line)
            except ValueError:
                break
            if record.iteration != len(found):
                break
            found.append(record)
    return found


def _plans(path: Path) -> list[Path]:
    """Return the files that describe the stages, in order."""
    return sorted(path.glob(PLANS.format("*")), key=stage_number)


def _plan(file: Path) -> Plan:
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def _stage(path: Path, plan: Plan, end: int) -> StageArrivals:
    """Return the arrivals of a stage, up to the next stage or the end of what is recorded."""
    done, first = plan["tasks_done"], int(plan["first"])
    rows = np.fromfile(path / f"arrivals-{plan['number']}.f8")
    whole = max(0, min(len(rows) // max(1, done.size), end - first))
    arrival = rows[: whole * done.size].reshape(whole, *done.shape)
    if plan.get("dynamic"):
        arrival = in_order(arrival)
    return StageArrivals(first, arrival, done, plan["ranks"])


def _by_host(plans: list[Plan]) -> dict[str, list[int]]:
    hosts: dict[str, set[int]] = {}
    for plan in plans:
        for rank, host in zip(plan["ranks"].tolist(), plan["hosts"].tolist(), strict=True):
            hosts.setdefault(host, set()).add(rank)
    return {host: sorted(ranks) for host, ranks in hosts.items()}


def _ended(path: Path) -> str:
    """Return how the run has ended, from its log; empty if it continues or was killed."""
    ended = ""
    for line in log_file.lines(path):
        ended = log_file.ending(line, ended)
    return ended


def _stop_reason(path: Path) -> str | None:
    """Return why the run has ended early, or None if that is not known."""
    found = re.search(r"\(stop_reason (\w+)\)$", _ended(path))
    return found[1] if found else None


def _status(path: Path) -> str:
    """Return how the run has ended, or how long ago its newest iteration was recorded."""
    ended = _ended(path)
    silence = duration(max(0.0, time() - (path / ITERATIONS).stat().st_mtime))
    return ended or f"not finished: goes on, or was killed ({silence} since its newest iteration)"
