"""This module sums up a comparison, for ``compare --json`` and ``comparison.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coded_dgd.engine.comparison import Comparison
from coded_dgd.engine.job import Outcome
from coded_dgd.report.intervals import CONFIDENCE, Interval, mean_interval, ratio_interval
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
    """A speed-up is the first scheme's mean time over all iterations divided by this scheme's."""

    over: str
    measured: float | None
    interval: Interval | None
    ideal: float | None
    """Speed-up in virtual time."""
    expected: float | None


@dataclass(frozen=True)
class SchemeResult:
    """A scheme result holds what a comparison reports about one scheme."""

    summary: Summary
    completion_time_interval: Interval | None
    """Confidence interval of the mean completion time, in seconds."""
    speed_up: SpeedUp

    def to_json(self) -> dict[str, Any]:
        """Return the keys of ``run --json``, without those of the whole job, and further ones."""
        left_out = (*OF_THE_JOB, *OF_A_RUN)
        told = self.summary.to_json()
        return {
            **{name: value for name, value in told.items() if name not in left_out},
            "completion_time_interval": self.completion_time_interval,
            "speed_up": asdict(self.speed_up),
        }


@dataclass(frozen=True)
class Description:
    """A description holds everything that a comparison reports; times are in seconds."""

    parameters: Mapping[str, Any]
    """Options of the command and their values."""
    results: list[SchemeResult]
    """Results of the schemes, in the order in which the schemes were named."""
    left_out: Mapping[str, str]
    """Reason why a scheme was left out, by its name."""
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


def describe(comparison: Comparison, parameters: Mapping[str, Any], out: Path) -> Description:
    """Sum up every scheme and compare it with the first one."""
    outcomes = comparison.outcomes
    summaries = [summarize(outcome, None) for outcome in outcomes]
    base = outcomes[0], summaries[0]
    return Description(
        parameters,
        [
            SchemeResult(
                summary, mean_interval(_measured(outcome)), _speed_up(*base, outcome, summary)
            )
            for outcome, summary in zip(outcomes, summaries, strict=True)
        ],
        comparison.left_out,
        comparison.training_time,
        comparison.ending.drained,
        out,
    )


def _measured(outcome: Outcome) -> list[float]:
    return [record.completion_time for record in outcome.log]


def _speed_up(base: Outcome, first: Summary, outcome: Outcome, summary: Summary) -> SpeedUp:
    return SpeedUp(
        first.scheme,
        ratio(first.completion_time.mean, summary.completion_time.mean),
        ratio_interval(_measured(base), _measured(outcome)),
        ratio(mean(first.ideal_completion_time), mean(summary.ideal_completion_time)),
        ratio(first.expected_completion_time, summary.expected_completion_time),
    )


def mean(times: Distribution | None) -> float | None:
    """Return the mean of the times, or None if there are no times."""
    return None if times is None else times.mean


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Return the ratio, or None if a value is unknown or the denominator is zero."""
    return numerator / denominator if numerator is not None and denominator else None
