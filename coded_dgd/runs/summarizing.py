"""This module sums up a run that has ended successfully."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from coded_dgd.engine.iteration import Iteration, first_norm
from coded_dgd.engine.job import Outcome
from coded_dgd.host.process import peak_memory, process_age
from coded_dgd.planner.memory import Peaks
from coded_dgd.problems.norms import norm
from coded_dgd.runs.environment import environment
from coded_dgd.runs.summary import (
    Combining,
    Distribution,
    LostWorker,
    MeasuredMemory,
    Memory,
    Planned,
    PredictedMemory,
    RefusedMessages,
    Spread,
    Summary,
    Validated,
)
from coded_dgd.schemes.dynamic import LARGE, DynamicScheme
from coded_dgd.theory import Prediction, expected


def summarize(
    outcome: Outcome,
    run_folder: Path | None,
    memory: Peaks | None = None,
    planned: Planned | None = None,
) -> Summary:
    """Sum up a run and its costs.

    Parameters
    ----------
    memory : Peaks, optional
        Peak memory as predicted before the run.
    planned : Planned, optional
        Predictions of the plan that chose the scheme, and their measured counterparts.
    """
    setup, log, start, stop = outcome.setup, outcome.log, outcome.start, outcome.stop
    scheme, ending = setup.scheme, outcome.ending
    forecast = _forecast(outcome)
    optimum, classes = start.problem.optimum(), start.problem.source.class_labels
    checked = [record.gradient_error for record in log if record.gradient_error is not None]
    shares = [report.cpu_seconds / report.seconds for report in ending.reports if report.seconds]
    real = setup.config.transport == "mpi"
    totals = {
        name: float(sum(getattr(record, name) for record in log[outcome.resumed_at :]))
        for name in (
            "completion_time",
            "weights_time",
            "decode_time",
            "update_time",
            "check_time",
            "validation_time",
        )
    }
    summary = Summary(
        scheme=scheme.name,
        workers=scheme.workers,
        blocks=scheme.blocks,
        load=scheme.load,
        iterations=len(log),
        epochs=outcome.epochs,
        status=outcome.status,
        stop_reason=stop.reason,
        converged=stop.converged,
        gradient_norm_ratio=stop.gradient_norm_ratio,
        transport=setup.config.transport,
        completion_time=Distribution.of([record.completion_time for record in log]),
        ideal_completion_time=None if outcome.ideal is None else Distribution.of(outcome.ideal),
        expected_completion_time=None if forecast is None else forecast.mean,
        expected_standard_error=None if forecast is None else forecast.standard_error,
        expected_method=None if forecast is None else forecast.method,
        communication_load=mean(log, "messages_used"),
        extra_messages=mean(log, "extra_messages"),
        wasted_messages=sum(record.wasted_messages for record in log) + ending.drained,
        combining=_combining(outcome),
        words=mean(log, "words") if scheme.dynamic else None,
        task_results=mean(log, "results") if scheme.dynamic else None,
        own_tasks=outcome.stages[-1].master.own_tasks(),
        compute_time=mean(log, "compute_time"),
        weights_time=mean(log, "weights_time"),
        decode_time=mean(log, "decode_time"),
        update_time=mean(log, "update_time"),
        gradient_error=Spread.of(checked) if checked else None,
        error_amplification=Spread.of([record.error_amplification for record in log]),
        overrun=max(record.overrun for record in log),
        straggler_probability=outcome.stages[0].master.decoder.learnt.straggler_probability,
        loss=start.problem.loss(outcome.beta),
        final_gradient_norm_ratio=_final_ratio(outcome),
        scores=start.problem.scores(outcome.beta),
        validation=_validated(outcome, totals["validation_time"]),
        classes=None if classes is None else classes.tolist(),
        distance_to_optimum=None if optimum is None else norm(outcome.beta - optimum),
        step_size=start.step,
        kernel=start.kernel,
        dtype=setup.config.dtype,
        startup_time=start.startup_time,
        training_time=outcome.training_time,
        check_time=totals["check_time"],
        checkpoint_time=outcome.checkpoint_time,
        resumed_at=outcome.resumed_at,
        other_time=_other_time(outcome, sum(totals.values())) if real else None,
        shutdown_time=ending.shutdown_time,
        wall_time=ending.wall_time,
        first_point_at=start.left_at,
        memory=Memory(
            None if memory is None else PredictedMemory(*memory),
            MeasuredMemory(
                worker=max((report.memory for report in ending.reports), default=0) or None,
                workers=sum(report.memory for report in ending.reports) or None,
                master=peak_memory() if real else None,
            ),
        ),
        worker_cpu=Spread.of(shares) if any(shares) else None,
        warnings=[*start.cautions, *filter(None, [outcome.not_converged])],
        workers_lost=sorted(report.peer + 1 for report in outcome.losses),
        losses=[
            LostWorker(report.peer + 1, report.host, report.iteration, report.failure)
            for report in outcome.losses
        ],
        refused_messages=[
            RefusedMessages(peer + 1, reason, count)
            for (peer, reason), count in sorted(outcome.refused.items())
        ],
        adaptations=[each.to_json() for each in outcome.adaptations],
        advice_time=outcome.advice_time,
        hosts={
            host: sorted(each.peer + 1 for each in ending.reports if each.host == host)
            for host in sorted({each.host for each in ending.reports})
        },
        environment=environment(setup.config.transport),
        run_folder=None if run_folder is None else str(run_folder),
        planned=planned,
    )
    return replace(summary, closing_time=process_age() - ending.wall_time)


def _forecast(outcome: Outcome) -> Prediction | None:
    """Return the theoretical prediction, or None without injected delays or a finite mean."""
    setup = outcome.setup
    known = setup.delay.injects and not outcome.adaptations
    return expected(setup.scheme, setup.delay) if known else None


def _validated(outcome: Outcome, seconds: float) -> Validated | None:
    """Return the figures of the final model on held-out rows, if there are any."""
    validation = outcome.validation
    if validation is None:
        return None
    figures = validation.figures(outcome.beta)
    return Validated(validation.held_out.source.rows, figures, validation.best_iteration, seconds)


def _combining(outcome: Outcome) -> Combining | None:
    """Return what the workers of the first stage send if its scheme is dynamic."""
    group = outcome.stages[0].master.group
    if not isinstance(group.scheme, DynamicScheme):
        return None
    option, size = group.scheme.combine, group.layout.payload_bytes
    compared = "at least" if group.combines else "below"
    reason = f"--combine {option}"
    if option == "auto":
        reason += f": {compared} {LARGE} bytes"
    return Combining(group.combines, size, reason)


def _final_ratio(outcome: Outcome) -> float | None:
    """Return the ratio of the exact gradient norm at the end to the first one recorded."""
    first = first_norm(outcome.log)
    return norm(outcome.start.problem.gradient(outcome.beta)) / first if first else None


def mean(log: Sequence[Iteration], figure: str) -> float:
    """Return the mean of a figure over the iterations."""
    return float(np.mean([getattr(record, figure) for record in log]))


def _other_time(outcome: Outcome, within_iterations: float) -> float:
    """Return the training time in seconds that no other figure accounts for."""
    between_them = outcome.training_time - outcome.checkpoint_time - outcome.advice_time
    return between_them - within_iterations
