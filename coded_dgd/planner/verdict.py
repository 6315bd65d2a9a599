"""A verdict says in words what pays on a cluster, and whether anything is faster than `uncoded`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from typing import NamedTuple

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.planner.judging import Entry
from coded_dgd.schemes import BASELINE
from coded_dgd.schemes.dynamic import DynamicScheme

SAME = 0.005
"""Relative difference of times below which two candidates count as equal."""
SIMPLER = 0.02
"""Largest fraction of the time that a simpler candidate may cost, if the difference is no larger
than its uncertainty."""

WATCHED = 50
"""Number of consecutive iterations in which speeds of workers are compared."""
LASTING = 0.5
"""Fraction of the variance of task times from which on differences in speed count as lasting."""

BASE, REPLICATED, CODED, APPROXIMATE = range(4)
"""Kinds of candidates, the simplest first: `uncoded`; copies of blocks; combinations of blocks or
gradients; gradients that are not exact."""


class PredictedRatio(NamedTuple):
    """This tuple holds the predicted ratio of the times of two candidates, and its uncertainty."""

    value: float
    error: float

    @property
    def is_gain(self) -> bool:
        """Whether the first candidate is faster by more than the uncertainty."""
        return 1 - self.value > max(self.error, SAME)

    def __str__(self) -> str:
        digits = 2 if self.error >= 0.01 else 3
        return f"{self.value:.{digits}f} +- {self.error:.{digits}f}"


@dataclass(frozen=True)
class Verdict:
    """A verdict is the recommended entry, and the reason in words."""

    choice: Entry
    words: str
    ratio: PredictedRatio | None
    """Time of the recommended entry over that of `uncoded`. If `uncoded` is recommended, it is that
    of the fastest other entry. It is None if there is nothing to compare."""


def decide(entries: Sequence[Entry], lasting: bool) -> Verdict:
    """Recommend the simplest of the entries that are fastest within their uncertainty.

    `uncoded` is recommended unless another entry is faster by more than the uncertainty of the
    ratio of their times. Of others, a simpler one may also cost up to `SIMPLER`.

    Parameters
    ----------
    entries : sequence of Entry
        Entries that can be run and have been predicted by `Judge.again`, the fastest first.
    lasting : bool
        Whether differences in speed between workers are lasting.
    """
    base = next((each for each in entries if kind(each) == BASE), None)
    others = [each for each in entries if each is not base]
    if base is not None:
        if not others:
            return Verdict(base, f"nothing but {BASELINE} can be run", None)
        ratios = [ratio(each, base) for each in others]
        if not any(each.is_gain for each in ratios):
            words = (
                f"do not code here: nothing is faster than {BASELINE} by more than its uncertainty "
                f"(best: {others[0].candidate.name}, {ratios[0]} of the time)"
            )
            return Verdict(base, words, ratios[0])
    best = others[0]
    choice = min((each for each in others if _is_as_fast(each, best)), key=kind)
    gain = None if base is None else ratio(choice, base)
    measure = "" if gain is None else f" ({gain} of the time of {BASELINE})"
    return Verdict(choice, f"{_reason(choice, others, base, lasting)}{measure}", gain)


def differences_last(delay: DelayModel, workers: int) -> bool:
    """Return whether at least the fraction `LASTING` of the variance is between workers.

    It is the variance of the logarithms of task times in `WATCHED` consecutive iterations.
    """
    rng = np.random.default_rng(4)
    logs = np.log(delay.consecutive(rng, WATCHED, workers, np.ones(1))[..., 0])
    if not np.isfinite(logs).all() or logs.var() < SAME**2:
        return False
    within = logs.var(axis=0, ddof=1).mean()
    return bool(1 - within / logs.var() >= LASTING)


def kind(entry: Entry) -> int:
    """Return the kind of an entry."""
    scheme = entry.candidate.scheme
    assert scheme is not None
    if entry.candidate.name == BASELINE:
        return BASE
    if not scheme.exact:
        return APPROXIMATE
    return CODED if scheme.coded or scheme.scales_tasks else REPLICATED


def ratio(entry: Entry, base: Entry) -> PredictedRatio:
    """Return the time of an entry over that of another.

    Both have been predicted on the same realisations of a law, and under the same other laws that
    the measurements may follow. Errors that both have in common therefore cancel in the ratio; the
    doubt about the predictions (`Entry.doubt`) does not.
    """
    value = entry.job / base.job
    laws = entry.jobs_redrawn() / base.jobs_redrawn()
    laws = laws[np.isfinite(laws)]
    spread = float(np.std(laws)) if len(laws) > 1 else 0.0
    rest = hypot(_chance(entry, base), max(entry.doubt, base.doubt))
    return PredictedRatio(value, hypot(spread, value * rest))


def _chance(entry: Entry, base: Entry) -> float:
    """Return the relative error of a ratio that is due to the number of realisations."""
    ours, theirs = (each.iteration.drawn if each.iteration else None for each in (entry, base))
    if ours is None or theirs is None:
        return hypot(*(each.chance * each.iterations / each.job for each in (entry, base)))
    rest = ours * entry.iterations / entry.job - theirs * base.iterations / base.job
    return float(rest.std()) / sqrt(len(rest))


def _is_as_fast(entry: Entry, best: Entry) -> bool:
    found = ratio(entry, best)
    return found.value - 1 <= min(max(found.error, SAME), SIMPLER)


def _reason(choice: Entry, others: Sequence[Entry], base: Entry | None, lasting: bool) -> str:
    """Return what pays, and why, for a choice that is faster than `uncoded`."""
    found, scheme = kind(choice), choice.candidate.scheme
    assert scheme is not None
    if found == REPLICATED:
        if isinstance(scheme, DynamicScheme):
            if lasting and scheme.shares_by_speed:
                return (
                    "lasting differences in speed: shares by speed suffice, and no code is needed"
                )
            return "redundancy pays: workers that are ahead compute blocks of those that are behind"
        return "redundancy pays: copies of blocks make up for slow workers, and no code is needed"
    simpler = [each for each in others if kind(each) < found] + ([base] if base else [])
    if not simpler:
        return "coding pays" if found == CODED else "approximation pays"
    second = min(simpler, key=lambda each: each.job)
    much = f"{second.candidate.name} takes {ratio(second, choice)} times as long"
    if found == CODED:
        return f"coding pays: without it, {much}"
    exact_gains = base is not None and any(
        ratio(each, base).is_gain for each in simpler if each is not base
    )
    if base is not None and not exact_gains:
        return f"only approximation helps: no exact scheme is faster than {BASELINE}"
    return f"approximation pays: with exact gradients, {much}"
