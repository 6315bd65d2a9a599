"""This module formats a plan: the table, the reasons for the choice, and the command to copy."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import asdict

from coded_dgd.config import RunConfig
from coded_dgd.delays import per_of
from coded_dgd.delays.base import SHARE
from coded_dgd.engine.job import Outcome
from coded_dgd.planner.convergence import Outlook
from coded_dgd.planner.judging import Entry
from coded_dgd.planner.planning import Plan
from coded_dgd.planner.verdict import ratio
from coded_dgd.report.columns import line, number
from coded_dgd.runs.summarizing import mean
from coded_dgd.runs.summary import Planned, PlannedLoad, PlannedRatio, PlannedTime
from coded_dgd.schemes import BASELINE

COLUMNS = ("job s", "iteration s", "+-", "messages", "once s", "iterations", "worker GB")
WIDTHS = (50, *[13] * len(COLUMNS))
REASONS = 6
"""Maximum number of reasons that are shown, the most frequent first."""


def format_plan(plan: Plan) -> str:
    """Format the ranking of the best variant of each scheme."""
    measured, nearest, *_ = plan.fits
    off = f"off by {nearest.distance:.3f}, Kolmogorov-Smirnov"
    lines = [f"task times: {measured.text} ({off})"]
    network = plan.measured.network
    lines.append(
        f"messages: {1e3 * network.latency[-1]:.2f} ms there and back, "
        f"{1e6 * network.service[-1]:.0f} us each at the master"
    )
    if len(plan.outlooks) > 1:
        lines.append(
            f"iterations until the gradient is {plan.target:g} of the first: "
            f"{', '.join(_outlook(each) for each in plan.outlooks)}"
        )
    if plan.injected and per_of(plan.config.delay) == SHARE:
        lines.append(f"delays: {plan.config.delay}: any number N of blocks is the same work")
    lines.append("")
    lines.append(line(["", *COLUMNS], WIDTHS))
    lines += [_row(entry) for entry in plan.finalists if not entry.refusal]
    lines.append("")
    reasons = Counter(each.refusal for each in plan.entries if each.refusal)
    for reason, count in reasons.most_common(REASONS):
        lines.append(f"{count} left out: {reason}")
    if len(reasons) > REASONS:
        lines.append(f"{len(reasons) - REASONS} more reasons are in --json")
    lines += [
        f"optimizer {each.optimizer} is left out: {each.reason}"
        for each in plan.outlooks
        if each.iterations is None
    ]
    lines += ["", why(plan), "", f"    {command(plan)}"]
    return "\n".join(lines)


def why(plan: Plan) -> str:
    """Return sentences that say what pays, and why the scheme was chosen."""
    choice = plan.choice
    found, scheme = choice.iteration, choice.candidate.scheme
    assert found is not None and scheme is not None
    text = (
        f"{plan.verdict.words}. {choice.candidate.name}, load {scheme.load}: "
        f"{found.total:.4g} s per iteration, of which {found.ideal:.4g} s are for tasks"
    )
    extra = {
        "messages": found.communication,
        "the guard": found.guard,
        "decoding": found.weights + found.decode,
    }
    told = [f"{1e3 * value:.2g} ms for {name}" for name, value in extra.items() if value >= 1e-6]
    text += f", {', '.join(told)}" if told else ""
    others = [each for each in plan.finalists[1:] if not each.refusal and each.iteration]
    if not others:
        return f"{text}. Nothing else can be run."
    second = others[0]
    text += f". Next is {_name(second)}, {_compare(second, choice)}"
    baseline = next((each for each in others[1:] if each.candidate.name == BASELINE), None)
    if baseline is not None:
        text += f"; {BASELINE}, which waits for everybody, is {_compare(baseline, choice)}"
    return text + "."


def beside(plan: Plan, outcome: Outcome) -> Planned:
    """Compare the prediction for the choice with the measurement; times are in seconds."""
    found = plan.choice.iteration
    assert found is not None
    return Planned(
        PlannedTime(found.total, plan.choice.uncertainty, _seconds(outcome)),
        PlannedLoad(found.messages, mean(outcome.log, "messages_used")),
        plan.verdict.words,
        None if plan.verdict.ratio is None else PlannedRatio(*plan.verdict.ratio),
    )


def _seconds(outcome: Outcome) -> float:
    """Return the mean time of an iteration, without checks, checkpoints and advice in between."""
    if outcome.setup.config.transport == "simulated":  # nothing else takes time
        return mean(outcome.log, "completion_time")
    own = outcome.log[outcome.resumed_at :]
    check_time = sum(record.check_time + record.validation_time for record in own)
    beside = check_time + outcome.checkpoint_time + outcome.advice_time
    return (outcome.training_time - beside) / len(own)


def command(plan: Plan) -> str:
    """Return the command line that runs the choice."""
    config = plan.configured(plan.choice)
    default = asdict(RunConfig())
    options = []
    for key, value in asdict(config).items():
        if key != "workers" and value is not None and (value != default[key] or key == "scheme"):
            flag = f"--{key.replace('_', '-')}"
            options.append(flag if value is True else f"{flag} {shlex.quote(str(value))}")
    ranks = plan.workers + 1 + config.spare
    launched = f"mpiexec -n {ranks} " if config.transport == "mpi" else ""
    workers = "" if launched else f"--workers {plan.workers} "
    return f"{launched}coded-dgd run {workers}{' '.join(options)}"


def _outlook(outlook: Outlook) -> str:
    return f"{outlook.optimizer} {number(outlook.iterations, 'd')}"


def _row(entry: Entry) -> str:
    found, once = entry.iteration, entry.once
    assert found is not None and once is not None
    values = (
        entry.job,
        found.total,
        entry.uncertainty,
        found.messages,
        once.total,
        entry.iterations,
        entry.worker_memory / 1e9,
    )
    name = entry.candidate.arguments.removeprefix("--scheme ")
    return line([name, *(number(value, ".4g") for value in values)], WIDTHS)


def _name(entry: Entry) -> str:
    return entry.candidate.arguments.removeprefix("--scheme ").replace("--", "")


def _compare(entry: Entry, choice: Entry) -> str:
    """Return how much longer the whole job takes, and whether that difference is certain."""
    found = ratio(entry, choice)
    percent = 100 * (found.value - 1)
    text = f"{abs(percent):.1f} % {'longer' if percent >= 0 else 'shorter'}"
    if found.value >= 2:
        text = f"{found.value:.1f} times as long"
    return f"{text} (no certain difference)" if abs(found.value - 1) < found.error else text
