"""This module formats the table that is printed after a run."""

from __future__ import annotations

from coded_dgd.engine.job import Outcome
from coded_dgd.engine.losses import describe
from coded_dgd.report import metrics
from coded_dgd.report.columns import line, number
from coded_dgd.runs.summary import Distribution, Memory, Spread, Summary

GONE = 1e-8
"""Fraction of the first gradient norm up to which the final norm is not worth a line."""
COLUMNS = ("mean", "std", "p50", "p95", "p99")
WIDTHS = (28, *[10] * len(COLUMNS))


def format_table(result: Summary, outcome: Outcome) -> str:
    """Format the summary of a run."""
    lines = [line(["seconds per iteration", *COLUMNS], WIDTHS)]
    measured, ideal = result.completion_time, result.ideal_completion_time
    lines.append(_row("completion time", measured))
    if ideal:
        lines.append(_row("ideal on the same delays", ideal))
        if ideal.mean > 0:
            ratio = number(measured.mean / ideal.mean, ".3f")
            lines.append(line(["measured / ideal", ratio], WIDTHS))
    if result.expected_completion_time is not None:
        expected = number(result.expected_completion_time)
        if result.expected_method == "exact":
            lines.append(line(["expected (exact)", expected], WIDTHS))
        else:
            error = f"   +- {result.expected_standard_error:.4f}"
            lines.append(line(["expected (Monte Carlo)", expected], WIDTHS) + error)
    if result.planned:
        planned = result.planned.iteration_time
        lines.append(
            line(["planned, with all else", number(planned.predicted)], WIDTHS)
            + f"   +- {planned.standard_error:.4f}, measured {planned.measured:.4f}"
        )
    for name in ("weights", "decode", "update"):
        lines.append(line([name, number(getattr(result, f"{name}_time"), ".6f")], WIDTHS))
    lines.append("")
    lines.append(
        _item(
            "communication load",
            f"{result.communication_load:.2f} messages per iteration "
            f"({result.extra_messages:.2f} for the guard), "
            f"{result.wasted_messages} wasted in all",
        )
    )
    if combining := result.combining:
        sent = "one sum of each worker" if combining.sums else "one for each block"
        size = f"{combining.payload_bytes} bytes each"
        lines.append(_item("payloads", f"{sent}, {size} ({combining.reason})"))
    if result.words is not None and result.task_results is not None:
        lines.append(
            _item(
                "computation",
                f"{result.task_results:.2f} results per iteration for {result.blocks} blocks, "
                f"with {result.words:.1f} words to workers",
            )
        )
    if result.own_tasks:
        few, many = min(result.own_tasks), max(result.own_tasks)
        held = f"{few} of each worker" if few == many else f"{few} to {many} of a worker"
        lines.append(_item("own tasks", f"{held}, at the end"))
    lines.append(_item("error amplification", _spread(result.error_amplification)))
    if result.gradient_error:
        lines.append(_item("gradient error", _spread(result.gradient_error)))
    loss = f"{result.loss:.8g}"
    if result.distance_to_optimum is not None:
        loss += f", ||beta - optimum|| = {result.distance_to_optimum:.2e}"
    lines.append(_item("loss", loss))
    if result.epochs is not None and result.epochs < result.iterations:
        lines.append(_item("epochs", f"{result.epochs:.4g} in {result.iterations} iterations"))
    if text := describe_stop(result):
        lines.append(_item("gradient norm", text))
    final = result.final_gradient_norm_ratio
    derived = outcome.setup.optimizer.kind.needs_exact or outcome.start.problem.batches
    if derived and final is not None:
        lines.append(_item("true gradient norm", f"{final:.1e} of the first, at the end"))
    counted = "rows" if outcome.start.problem.source.weights is None else "sample weights"
    for name, score in result.scores.items():
        text = f"{score:.2%} of the {counted}" if name == "accuracy" else f"{score:.6g}"
        lines.append(_item(name.replace("_", " "), text))
    if result.validation:
        lines += metrics.held_out(result.validation)
    if result.straggler_probability is not None:
        lines.append(_item("straggler probability", f"{result.straggler_probability:.3f}"))
    if result.overrun and result.overrun >= 1e-4:
        lines.append(
            _item(
                "overrun",
                f"computing took up to {result.overrun:.4f} s beyond a task's due time",
            )
        )
    if result.worker_cpu:
        cpu = result.worker_cpu
        lines.append(_item("worker CPU", f"{cpu.median:.1%} of a core, at most {cpu.max:.1%}"))
    for each in outcome.adaptations:
        lines.append(_item("changed", each.line))
        if each.measured is not None:
            lines.append(_item("", f"{each.measured:.3g} s per iteration were measured afterwards"))
    if result.memory and result.memory.measured.worker:
        lines.append(_item("memory", _memory(result.memory)))
    if outcome.losses:
        lines.append(_item("workers lost", describe(outcome.losses)))
    lines.append(
        _item(
            "whole job",
            f"{result.wall_time:.2f} s = start-up {result.startup_time:.2f} + training "
            f"{result.training_time:.2f} + shutdown {result.shutdown_time:.3f} + rest",
        )
    )
    lines.append(_item("run folder", str(result.run_folder)))
    if outcome.status != "done":
        lines.insert(0, f"{outcome.status} in iteration {len(outcome.log) - 1}")
    return "\n".join(lines)


def describe_stop(summary: Summary) -> str:
    """Return how far the gradient norm had decreased when the run stopped.

    The text is empty if the norm is negligible (`GONE`) and no ``--stop-at`` was given.
    """
    ratio, converged = summary.gradient_norm_ratio, summary.converged
    if ratio is None or (ratio <= GONE and converged is None):
        return ""
    goal = {None: "", True: "; --stop-at is reached", False: "; --stop-at is not reached"}
    return f"{ratio:.1e} of the first{goal[converged]}"


def _row(name: str, values: Distribution) -> str:
    return line([name, *(number(getattr(values, column)) for column in COLUMNS)], WIDTHS)


def _item(name: str, text: str) -> str:
    return f"{name:<{WIDTHS[0]}}{text}"


def _memory(memory: Memory) -> str:
    measured, predicted = memory.measured, memory.predicted
    return ", ".join(
        f"{getattr(measured, rank) / 1e6:.0f} MB{where}"
        + (f" (predicted {getattr(predicted, rank) / 1e6:.0f})" if predicted else "")
        for rank, where in (("worker", " on a worker at most"), ("master", " on rank 0"))
    )


def _spread(values: Spread) -> str:
    return f"median {values.median:.1e}, max {values.max:.1e}"
