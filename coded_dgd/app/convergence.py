"""Judge from data and pace whether a run has converged, and name remedies if it has not.

A run has not converged if two things hold: its loss can still be lowered by a relevant amount, and
at the pace of its latest iterations this takes more further iterations than it has had. The
possible gain is bounded from below (`problems.remaining`), whatever the units of the columns and
the errors of decoded gradients are; the pace is measured. Approximate gradients alone keep the loss
above the optimum: no warning is given if a few iterations with exact gradients would reach it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, inf, log

import numpy as np
from numpy.typing import NDArray

from coded_dgd.engine.job import Outcome
from coded_dgd.problems import remaining
from coded_dgd.problems.objectives import follows_slope
from coded_dgd.problems.optimizers.nesterov import Nesterov
from coded_dgd.problems.sources import Source

Floats = NDArray[np.float64]

CONVERGED = 1e-10
"""Ratio of the gradient norm to the first one that is small enough."""
HARDLY = 1e-2
"""Ratio above which the norm has hardly fallen, unless columns have very different norms."""
OF_LOSS, OF_TOTAL = 1e-2, 1e-3
"""Irrelevant fractions of the least loss, and of the loss of a model that ignores X."""
MANY = 20
"""Number of further iterations up to which a run was too short rather than stuck."""
FEW = 4
"""Exact iterations that distinguish approximate gradients from slow convergence."""
LARGEST = 5 * 10**8
"""Size of X, in numbers, above which the data are not read again."""
EIGENVALUE_PASSES = 25
"""Approximate number of passes over the data for the largest eigenvalue of X^T X."""
SAMPLE = 10**6
"""Size, in numbers, of the rows that are then read to compare the columns."""
SECONDS = 1.0
"""Seconds after which no further iteration of the bound is begun."""
SMALL_STEP, LARGE_STEP = 0.1, 1.5
"""Step sizes, in units of 1 / L, beyond which they count as a cause."""
SPREAD = 100.0
"""Ratio of column norms above which it is reported."""
NAMED = 5
"""Number of columns that are named one by one."""


def verdict(outcome: Outcome) -> str | None:
    """Return a one-line warning if the run has not converged, else None."""
    if outcome.stop.reason == "callback":
        return None  # the user has seen the records
    if outcome.validation and outcome.validation.held_out.patience:
        return None  # the model is to be good on held-out rows
    ratio = outcome.stop.gradient_norm_ratio
    if ratio is None or ratio <= CONVERGED or not outcome.trail.iterations:
        return None
    problem = outcome.start.problem
    bounded = problem.objective.curvature is not None
    linear = follows_slope(problem.objective) or problem.parameters == problem.source.features
    outputs = -(-problem.parameters // problem.source.features)
    with np.errstate(all="ignore"):
        if bounded and linear and _is_read(problem.source, outputs):
            return _by_loss(outcome)
        return _by_gradients(outcome, ratio)


def verdicts(outcomes: Mapping[str, Outcome]) -> dict[str, list[str]]:
    """Judge several runs, given by name; return the warnings, each with the names of its runs."""
    found: dict[str, list[str]] = {}
    for name, outcome in outcomes.items():
        outcome.not_converged = verdict(outcome)
        if outcome.not_converged:
            found.setdefault(outcome.not_converged, []).append(name)
    return found


def _is_read(source: Source, passes: int = 1) -> bool:
    """Return whether the data are small enough to be read again `passes` times."""
    return passes * source.rows * source.features <= LARGEST


def _by_loss(outcome: Outcome) -> str | None:
    problem, trail, done = outcome.start.problem, outcome.trail, len(outcome.log)
    norms = problem.column_norms()
    left = remaining.lower_bound(problem, outcome.beta, norms, SECONDS)
    loss = problem.loss(outcome.beta)
    if left is None or not np.isfinite(loss):
        return None
    total = remaining.to_explain(problem)
    goal = max(OF_LOSS * (loss - left), OF_TOTAL * total)
    earlier = left + problem.loss(trail.earlier) - loss
    more = _further(trail.iterations - trail.earlier_iterations, earlier, left, goal)
    if more <= max(done, MANY):
        return None
    noisy = False
    if not outcome.exact:
        exact = remaining.descended(problem, outcome.beta, outcome.step_size, FEW)
        noisy = _further(FEW, left, left + exact - loss, goal) <= max(done, MANY)
    if noisy and left < total:
        return None
    return (
        f"{_where(outcome)}: the loss, {loss:.4g}, can be lowered by {left / loss:.0%} or more; "
        f"{_pace(more, done)}: {_remedy(outcome, norms, noisy, more)}"
    )


def _by_gradients(outcome: Outcome, ratio: float) -> str | None:
    """Judge by the gradient norms alone; approximate gradients allow no judgement."""
    done = len(outcome.log)
    part = max(done // 4, 1)
    if not outcome.exact or done < 3:
        return None
    norms = np.array([record.gradient_norm for record in outcome.log])
    earlier, last = float(np.median(norms[part : 2 * part])), float(np.median(norms[-part:]))
    more = _further(done - 2 * part, earlier, last, HARDLY * last)
    if more <= max(done, MANY):
        return None
    columns = _sampled(outcome.start.problem.source)
    if ratio <= HARDLY and not _of_columns(outcome.start.problem.source, columns):
        return None
    return (
        f"{_where(outcome)}: ||gradient|| is {ratio:.1%} of the first and should come down "
        f"to {HARDLY:.0%} of what it is; {_pace(more, done)}: "
        f"{_remedy(outcome, columns, False, more)}"
    )


def _further(iterations: int, earlier: float, now: float, goal: float) -> float:
    """Return the number of iterations to the goal at the pace from `earlier` to `now`.

    `iterations` is the number of iterations between these two values.
    """
    if now <= goal:
        return 0.0
    if not earlier > now:
        return inf
    return ceil(iterations * log(now / goal) / log(earlier / now))


def _where(outcome: Outcome) -> str:
    stop_at = outcome.setup.config.stop_at
    if outcome.stop.converged:
        return f"far from the optimum, though --stop-at {stop_at:g} is reached"
    return f"not converged after {len(outcome.log)} iterations"


def _pace(more: float, done: int) -> str:
    if more == inf:
        return "it does not come down any more"
    number = f"{more:,.0f} more" if more <= 1000 * done else "over 1,000 times as many"
    return f"at the pace of the last iterations that takes {number}"


def _sampled(source: Source) -> Floats:
    """Return the norms of the columns of the first rows."""
    X, _ = source.read(0, max(1, min(source.rows, SAMPLE // source.features)))
    norms: Floats = np.linalg.norm(X, axis=0)
    return norms


def _remedy(outcome: Outcome, norms: Floats, noisy: bool, more: float) -> str:
    """Return the likely causes, each with its remedy."""
    if noisy and outcome.start.problem.batches:
        return (
            "its gradients are those of batches: take a --step-size that decreases, such as "
            "power-law, or a larger --batch"
        )
    if noisy:
        return (
            "its gradients are approximate: wait for more workers, take a smaller --step-size, "
            "--optimizer gd, or a scheme that is exact"
        )
    kind = outcome.setup.optimizer.kind
    faster = kind.uses_step_size and kind is not Nesterov
    patience = f"use {'--optimizer nesterov and ' if faster else ''}more --iterations"
    remedy = " or ".join(filter(None, [_scaling(outcome), patience]))
    columns = _of_columns(outcome.start.problem.source, norms)
    found = filter(None, [_of_step(outcome, more), columns and f"{columns}: {remedy}"])
    return "; ".join(found) or remedy


def _scaling(outcome: Outcome) -> str:
    """Return the options that would scale and centre the columns; empty if they are given."""
    config, problem = outcome.setup.config, outcome.start.problem
    centred = config.intercept or problem.source.density is not None
    centring = follows_slope(problem.objective) and not centred
    options = ["--standardize"] * (not config.standardize) + ["--intercept"] * centring
    return f"add {' and '.join(options)}," if options else ""


def _of_step(outcome: Outcome, more: float) -> str:
    problem, size = outcome.start.problem, outcome.step_size
    by_curvature = outcome.setup.optimizer.kind.auto_step is None
    if by_curvature and outcome.setup.config.step_size == "auto":
        return ""
    if not by_curvature or problem.objective.curvature is None:
        return (
            "take a larger --step-size, or a smaller one where ||gradient|| goes up and down from "
            "one iteration to the next"
        )
    curvature = problem.lipschitz() if _is_read(problem.source, EIGENVALUE_PASSES) else None
    if not curvature:
        return ""
    what = f"the last step size, {size:.3g}, is {{}} 1 / L = {1 / curvature:.3g}"
    if size * curvature < SMALL_STEP:
        times = f"{1 / curvature / size:,.0f} times smaller than"
        return f"{what.format(times)}: use --step-size auto"
    if size * curvature > LARGE_STEP or (size * curvature > 1 and more == inf):
        return f"{what.format('more than')}, and the iterates oscillate: use --step-size auto"
    return ""


def _of_columns(source: Source, norms: Floats) -> str:
    largest = int(np.argmax(norms))
    low = np.flatnonzero((norms > 0) & (norms * SPREAD < norms[largest]))
    if not len(low):
        return ""
    named = ", ".join(source.feature_title(column) for column in low[:NAMED].tolist())
    if len(low) > NAMED:
        named += f" and {len(low) - NAMED} more"
    return (
        f"the norms of the columns of X differ by a factor of "
        f"{norms[largest] / norms[low].min():,.0f} ({source.feature_title(largest)} has the "
        f"largest; more than {SPREAD:.0f} times smaller: {named})"
    )
