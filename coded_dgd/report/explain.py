"""This module explains a run: slow and lost workers, wasted messages, and time saved by coding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coded_dgd.engine.losses import ranks
from coded_dgd.report import metrics
from coded_dgd.report.pace import STATISTIC, Pace, latest_paces, outliers
from coded_dgd.report.table import describe_stop
from coded_dgd.runs import log_file
from coded_dgd.runs.log_file import ABOUT_THE_RUN
from coded_dgd.runs.recorded import RecordedRun
from coded_dgd.schemes import BASELINE

Explanation = list[tuple[str, str]]
"""Pairs of a topic and its explanation, which has one or more lines."""
NAMED = 10
"""Maximum number of slow workers that are described one by one."""


def headline(run: RecordedRun) -> str:
    """Return one line that says what was run."""
    it = run.summary
    so_far = "" if run.finished else f"of {run.config.iterations} "
    partly = it.epochs is not None and it.epochs < it.iterations
    epochs = f" ({it.epochs:.4g} epochs)" if partly else ""
    return (
        f"{it.scheme} on {it.workers} workers, N = {it.blocks} blocks, "
        f"load r = {it.load}, {it.iterations} {so_far}iterations{epochs}, {it.status}"
    )


def explain(run: RecordedRun) -> Explanation:
    """Return the explanation of a run, topic by topic."""
    found = [
        ("completion time", _completion(run)),
        ("slow throughout", _slow(run)),
        ("lost", _lost(run)),
        ("wasted", _wasted(run)),
        ("coding saved", _saved(run)),
    ]
    if text := describe_stop(run.summary):
        found.append(("gradient norm", text))
    if run.summary.validation:
        figures = metrics.on_held_out(run.summary.validation)
        found.append(("held-out rows", "\n".join(f"{name}: {told}" for name, told in figures)))
    if run.summary.warnings:
        found.append(("warnings", "\n".join(run.summary.warnings)))
    return found


def format_text(run: RecordedRun) -> str:
    """Format the explanation for a terminal."""
    lines = [f"{run.path}: {headline(run)}"]
    for topic, text in explain(run):
        first, *others = text.split("\n")
        lines += [f"  {topic:<18}{first}", *(f"  {'':<18}{line}" for line in others)]
    return "\n".join(lines)


def _completion(run: RecordedRun) -> str:
    measured, ideal = run.summary.completion_time, run.summary.ideal_completion_time
    text = f"mean {measured.mean:.4f} s, median {measured.p50:.4f} s, p99 {measured.p99:.4f} s"
    if ideal and ideal.mean > 0:
        text += f"; {measured.mean / ideal.mean:.3f} times the ideal on the same delays"
    if run.summary.expected_completion_time is not None:
        text += f"; expected {run.summary.expected_completion_time:.4f} s"
    return text


def _slow(run: RecordedRun) -> str:
    found = latest_paces(run)
    if not found:
        return "not known: no arrivals are recorded"
    slow = outliers(found)
    if not slow:
        return f"nobody ({STATISTIC})"
    median = float(np.median([pace.seconds for pace in found]))
    lines = [_describe(pace, median, _host(run, pace.rank)) for pace in slow[:NAMED]]
    if len(slow) > NAMED:
        lines.append(f"and rank {ranks(pace.rank for pace in slow[NAMED:])}")
    lines += _whole_hosts(run, found)
    return "\n".join([*lines, f"({STATISTIC})"])


def _describe(pace: Pace, median: float, host: str) -> str:
    where = f"rank {pace.rank}" + (f" on {host}" if host else "")
    if np.isinf(pace.seconds):
        return f"{where}: nothing ever came from it"
    text = (
        f"{where}: {pace.seconds:.4f} s of work per finished task, "
        f"{pace.seconds / median:.1f} times the median"
    )
    if pace.silent > 0:
        text += f"; nothing in time in {pace.silent:.0%} of the iterations"
    return text


def _whole_hosts(run: RecordedRun, found: Sequence[Pace]) -> list[str]:
    """Return a line for each host on which all workers are outliers, if there are several hosts."""
    hosts: dict[str, list[str]] = {}
    for pace in found:
        hosts.setdefault(_host(run, pace.rank), []).append("slow" if pace.slow else "")
    several = len(hosts) > 1
    return [
        f"every worker on host {host} is slow"
        for host, states in hosts.items()
        if several and host and all(states)
    ]


def _host(run: RecordedRun, rank: int) -> str:
    if run.config.transport == "simulated":
        return ""
    return next((host for host, here in run.summary.hosts.items() if rank in here), "")


def _lost(run: RecordedRun) -> str:
    if not run.finished:
        said = log_file.lines(run.path)
        told = [line for line in said if not log_file.said(line).startswith(ABOUT_THE_RUN)]
        return "\n".join(told) or "nobody so far"
    losses = run.summary.losses
    if not losses:
        return "nobody"
    return "\n".join(
        f"rank {loss.rank}{' on ' + loss.host if loss.host else ''} in iteration "
        f"{loss.iteration}: {loss.cause}"
        for loss in losses
    )


def _wasted(run: RecordedRun) -> str:
    used, wasted = int(run.column("messages_used").sum()), run.summary.wasted_messages
    share = wasted / max(used + wasted, 1)
    text = f"{wasted} of {used + wasted} messages came too late ({share:.1%})"
    extra = int(run.column("extra_messages").sum())
    return text + (f"; the guard waited for {extra} of those used" if extra else "")


def _saved(run: RecordedRun) -> str:
    """Compare the run with uncoded computation, both in virtual time, without the cost of
    measuring.
    """
    if not run.finished:
        return "not known before the run is finished"
    if run.uncoded is None or run.ideal is None:
        return "not known: no delays were injected that could be replayed without coding"
    if run.summary.scheme == BASELINE:
        return "nothing: this is without coding"
    without, coded = float(run.uncoded.mean()), float(run.ideal.mean())
    if not np.isfinite(without):
        return f"everything: on the same delays {BASELINE} computation never ends"
    total = (without - coded) * len(run.log)
    return (
        f"{total:.2f} s in {len(run.log)} iterations: on the same delays {BASELINE} computation "
        f"takes {without:.4f} s per iteration, {without / coded:.2f} times as long (both in "
        "virtual time)"
    )
