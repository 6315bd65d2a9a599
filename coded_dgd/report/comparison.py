"""What a comparison has found: ``compare --json`` prints it and ``comparison.json`` holds it."""

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
"""Figures of a summary that are about all schemes together."""
OF_A_RUN = ("run_folder", "planned")
"""Figures of a summary that no comparison has."""


@dataclass(frozen=True)
class SpeedUp:
    """How many times as fast as the first scheme a scheme is, by means over all iterations."""

    over: str
    measured: float | None
    interval: Interval | None
    ideal: float | None
    """In virtual time."""
    expected: float | None


@dataclass(frozen=True)
class SchemeResult:
    """What is told of a scheme."""

    summary: Summary
    completion_time_interval: Interval | None
    """Of the mean completion time, in seconds."""
    speed_up: SpeedUp

    def to_json(self) -> dict[str, Any]:
        """Return what ``run --json`` prints but for the figures of the whole job, and the rest."""
        left_out = (*OF_THE_JOB, *OF_A_RUN)
        told = self.summary.to_json()
        return {
            **{name: value for name, value in told.items() if name not in left_out},
            "completion_time_interval": self.completion_time_interval,
            "speed_up": asdict(self.speed_up),
        }


@dataclass(frozen=True)
class Description:
    """What is told of a comparison. Times in seconds."""

    parameters: Mapping[str, Any]
    """Options of the command."""
    results: list[SchemeResult]
    """In the order in which the schemes were named."""
    left_out: Mapping[str, str]
    """Why other schemes are not among them, by name."""
    training_time: float
    drained_messages: int
    out: Path
    confidence: float = CONFIDENCE
    """Of the intervals."""

    @property
    def job(self) -> Summary:
        """A summary with the figures of all schemes together."""
        return self.results[0].summary

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        told = self.job.to_json()
        told["closing_time"] = self.results[-1].summary.closing_time  # which was summed up last
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
    """Sum up every scheme, and hold it against the first one."""
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
    """Return the mean where there are any times."""
    return None if times is None else times.mean


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Return their ratio where both are known and it exists."""
    return numerator / denominator if numerator is not None and denominator else None
