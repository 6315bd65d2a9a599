"""This module sums up a comparison, for ``compare --json`` and ``comparison.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from coded_dgd.engine.comparison import Comparison
from coded_dgd.engine.job import Outcome
from coded_dgd.report.intervals import CONFIDENCE, Interval, mean_interval, ratio_interval
from coded_dgd.report.time_to_target import TimeToTarget, time_to_target
from coded_dgd.runs.summarizing import summarize
from coded_dgd.runs.summary import Distribution, Summary

OF_THE_JOB = (
    *("startup_time", "shutdown_time", "wall_time", "closing_time"),
    *("first_point_at", "worker_cpu"),
)
"""Keys of a summary that concern the whole job, that is, all schemes together."""
OF_A_RUN = ("run_folder", "planned")
"""Keys of a summary that a comparison leaves out."""


@dataclass(frozen=True)
class SpeedUp:
    """A speed-up is the first contender's time divided by this one's.

    The time is the mean over all iterations, or the time to the target if there is one.
    """

    over: str
    measured: float | None
    interval: Interval | None
    ideal: float | None
    """Speed-up in virtual time."""
    expected: float | None


@dataclass(frozen=True)
class SchemeResult:
    """A scheme result holds what a comparison reports about one contender."""

    name: str
    optimizer: str
    summary: Summary
    completion_time_interval: Interval | None
    """Confidence interval of the mean completion time, in seconds."""
    speed_up: SpeedUp
    to_target: TimeToTarget | None
    """Time to the target, if there is one."""

    def to_json(self) -> dict[str, Any]:
        """Return the keys of ``run --json``, without those of the whole job, and further ones.

        Name and optimizer are among them only where several optimizers are compared.
        """
        left_out = (*OF_THE_JOB, *OF_A_RUN)
        told = self.summary.to_json()
        whose = {"name": self.name, "optimizer": self.optimizer}
        return {
            **(whose if self.name != self.summary.scheme else {}),
            **{name: value for name, value in told.items() if name not in left_out},
            "completion_time_interval": self.completion_time_interval,
            "speed_up": asdict(self.speed_up),
            **({} if self.to_target is None else {"to_target": asdict(self.to_target)}),
        }


@dataclass(frozen=True)
class Description:
    """A description holds everything that a comparison reports; times are in seconds."""

    parameters: Mapping[str, Any]
    """Options of the command and their values."""
    results: list[SchemeResult]
    """Results of the contenders, in the order in which they were named."""
    left_out: Mapping[str, str]
    """Reason why a contender was left out, by its name."""
    training_time: float
    drained_messages: int
    out: Path
    confidence: float = CONFIDENCE
    """Confidence level of the intervals."""

    @property
    def job(self) -> Summary:
        """Summary that holds the figures of the whole job."""
        return self.results[0].summary

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain values that JSON can hold."""
        told = self.job.to_json()
        told["closing_time"] = self.results[-1].summary.closing_time  # the last one summed up
        return {
            "parameters": self.parameters,
            "results": [result.to_json() for result in self.results],
            "left_out": [
                {"scheme": name, "reason": reason} for name, reason in self.left_out.items()
            ],
            "confidence": self.confidence,
            "training_time": self.training_time,
            "drained_messages": self.drained_messages,
            **{name: told[name] for name in OF_THE_JOB},
            "out": str(self.out),
        }


class _Run(NamedTuple):
    """What a contender did."""

    name: str
    outcome: Outcome
    summary: Summary
    to_target: TimeToTarget | None


def describe(comparison: Comparison, parameters: Mapping[str, Any], out: Path) -> Description:
    """Sum up every contender and compare it with the first one."""
    runs = [
        _Run(name, each, summarize(each, None), time_to_target(each))
        for name, each in comparison.outcomes.items()
    ]
    return Description(
        parameters,
        [
            SchemeResult(
                run.name,
                run.outcome.setup.config.optimizer,
                run.summary,
                mean_interval(_measured(run.outcome)),
                _speed_up(runs[0], run),
                run.to_target,
            )
            for run in runs
        ],
        comparison.left_out,
        comparison.training_time,
        comparison.ending.drained,
        out,
    )


def _measured(outcome: Outcome) -> list[float]:
    return [record.completion_time for record in outcome.log]


def _speed_up(base: _Run, run: _Run) -> SpeedUp:
    if base.to_target and run.to_target:
        return SpeedUp(
            base.name,
            ratio(base.to_target.seconds, run.to_target.seconds),
            None,
            ratio(base.to_target.ideal_seconds, run.to_target.ideal_seconds),
            None,
        )
    first, summary = base.summary, run.summary
    return SpeedUp(
        base.name,
        ratio(first.completion_time.mean, summary.completion_time.mean),
        ratio_interval(_measured(base.outcome), _measured(run.outcome)),
        ratio(mean(first.ideal_completion_time), mean(summary.ideal_completion_time)),
        ratio(first.expected_completion_time, summary.expected_completion_time),
    )


def mean(times: Distribution | None) -> float | None:
    """Return the mean of the times, or None if there are no times."""
    return None if times is None else times.mean


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Return the ratio, or None if a value is unknown or the denominator is zero."""
    return numerator / denominator if numerator is not None and denominator else None
