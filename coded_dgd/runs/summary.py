"""The object that ``run --json`` prints and ``summary.json`` of the run folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.engine.job import Outcome
from coded_dgd.engine.process import peak_memory
from coded_dgd.planner.memory import Peaks
from coded_dgd.problems.norms import norm
from coded_dgd.runs.environment import environment
from coded_dgd.theory import predict

REALISATIONS = 10_000
"""Of Monte Carlo, where the expected completion time has no closed form."""


def distribution(times: Sequence[float] | NDArray[np.float64]) -> dict[str, float]:
    """Mean, standard deviation, quantiles and maximum."""
    p50, p95, p99 = np.quantile(times, [0.5, 0.95, 0.99]).tolist()
    return {
        "mean": float(np.mean(times)),
        "std": float(np.std(times)),
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "max": float(np.max(times)),
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and maximum."""
    return {"median": float(np.median(values)), "max": float(np.max(values))}


def summarize(
    outcome: Outcome, run_folder: Path | None, memory: Peaks | None = None
) -> dict[str, Any]:
    """Build the object; times in seconds, memory in bytes.

    Parameters
    ----------
    memory : Peaks, optional
        As predicted before the run.
    """
    setup, log, start, stop = outcome.setup, outcome.log, outcome.start, outcome.stop
    scheme, delay, ending = setup.scheme, setup.delay, outcome.ending
    expected = None
    if delay.injects and not outcome.adaptations:
        expected = predict(scheme, delay, realisations=REALISATIONS)
    if expected and not np.isfinite(expected.mean):
        expected = None
    optimum, classes = start.problem.optimum(), start.problem.source.classes
    checked = [record.gradient_error for record in log if record.gradient_error is not None]
    shares = [report.cpu_seconds / report.seconds for report in ending.reports if report.seconds]
    completion = [record.completion_time for record in log]
    totals = {
        name: float(sum(getattr(record, name) for record in log[outcome.resumed_at :]))
        for name in ("completion_time", "weights_time", "decode_time", "update_time", "check_time")
    }
    return {
        "scheme": scheme.name,
        "workers": scheme.workers,
        "blocks": scheme.blocks,
        "load": scheme.load,
        "iterations": len(log),
        "status": outcome.status,
        "stop_reason": stop.reason,
        "converged": stop.converged,
        "gradient_norm_ratio": stop.gradient_norm_ratio,
        "transport": setup.config.transport,
        "completion_time": distribution(completion),
        "ideal_completion_time": None if outcome.ideal is None else distribution(outcome.ideal),
        "expected_completion_time": expected and expected.mean,
        "expected_standard_error": expected and expected.standard_error,
        "expected_method": expected and expected.method,
        "communication_load": float(np.mean([record.messages_used for record in log])),
        "extra_messages": float(np.mean([record.extra_messages for record in log])),
        "wasted_messages": sum(record.wasted_messages for record in log) + ending.drained,
        "compute_time": float(np.mean([record.compute_time for record in log])),
        **{
            name: float(np.mean([getattr(record, name) for record in log]))
            for name in ("weights_time", "decode_time", "update_time")
        },
        "gradient_error": spread(checked) if checked else None,
        "error_amplification": spread([record.error_amplification for record in log]),
        "overrun": max(record.overrun for record in log),
        "straggler_probability": outcome.stages[0].master.decoder.learnt.straggler_probability,
        "loss": start.problem.loss(outcome.beta),
        **start.problem.scores(outcome.beta),
        "classes": classes and list(classes),
        "distance_to_optimum": (None if optimum is None else norm(outcome.beta - optimum)),
        "step_size": start.step,
        "kernel": start.kernel,
        "dtype": setup.config.dtype,
        "startup_time": start.startup_time,
        "training_time": outcome.training_time,
        "check_time": totals["check_time"],
        "checkpoint_time": outcome.checkpoint_time,
        "resumed_at": outcome.resumed_at,
        "other_time": (
            outcome.training_time
            - outcome.checkpoint_time
            - outcome.advice_time
            - sum(totals.values())
            if setup.config.transport == "mpi"
            else None
        ),
        "shutdown_time": ending.shutdown_time,
        "wall_time": ending.wall_time,
        "first_point_at": start.left_at,
        "memory": {
            "predicted": None if memory is None else memory._asdict(),
            "measured": {
                "worker": max((report.memory for report in ending.reports), default=0) or None,
                "workers": sum(report.memory for report in ending.reports) or None,
                "master": peak_memory() if setup.config.transport == "mpi" else None,
            },
        },
        "worker_cpu": spread(shares) if any(shares) else None,
        "warnings": [*start.cautions, *filter(None, [outcome.not_converged])],
        "workers_lost": sorted(report.peer + 1 for report in outcome.losses),
        "losses": [
            {
                "rank": report.peer + 1,
                "host": report.host,
                "iteration": report.iteration,
                "cause": report.failure,
            }
            for report in outcome.losses
        ],
        "refused_messages": [
            {"rank": peer + 1, "reason": reason, "messages": count}
            for (peer, reason), count in sorted(outcome.refused.items())
        ],
        "adaptations": [each.to_json() for each in outcome.adaptations],
        "advice_time": outcome.advice_time,
        "hosts": {
            host: sorted(each.peer + 1 for each in outcome.ending.reports if each.host == host)
            for host in sorted({each.host for each in outcome.ending.reports})
        },
        "environment": environment(setup.config.transport),
        "run_folder": None if run_folder is None else str(run_folder),
    }
