"""A judge predicts single candidates, all from the same measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite, sqrt
from typing import Any

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.errors import UsageError
from coded_dgd.planner import memory
from coded_dgd.planner.candidates import Candidate
from coded_dgd.planner.convergence import PATTERNS
from coded_dgd.planner.costs import REALISATIONS, IterationCost, Once, Sizes, iteration, once
from coded_dgd.planner.fitting import Fit
from coded_dgd.planner.measurements import Measurements
from coded_dgd.planner.observations import Bools, Floats
from coded_dgd.planner.outcomes import outcomes, splits
from coded_dgd.schemes.dynamic import DynamicScheme

REPLAYS = 40
"""Number of iterations of a finalist that are decoded under the guard."""
PRECISE = 1024
"""Number of realisations for a finalist."""
SHARED_CORES = 0.1
"""Relative error of predictions where ranks share cores, as `benchmarks/planner.py` has shown. On
these cores tasks that are cancelled may still take the time of others."""
REDRAWS = 8
"""Number of equally likely measurements (bootstrap samples), for the uncertainty."""


@dataclass(frozen=True)
class Limits:
    """Limits constrain the choice of a scheme."""

    memory_per_worker: float = inf
    """Memory that a worker may use, in bytes."""
    exact: bool = False
    """Whether only exact schemes may be chosen."""
    target: float | None = None
    """Target ||gradient|| / ||first gradient||; by default the value after T exact iterations."""


@dataclass
class Entry:
    """An entry holds the predictions for a candidate. Times are in seconds, memory in bytes."""

    candidate: Candidate
    refusal: str | None = None
    """Reason why the candidate is refused."""
    iteration: IterationCost | None = None
    """Cost of an iteration."""
    once: Once | None = None
    """Cost before the first iteration."""
    worker_memory: float = 0.0
    """Peak memory of the worker that needs the most."""
    master_memory: float = 0.0
    """Peak memory of rank 0."""
    iterations: float = inf
    """Number of iterations to the target."""
    uncertainty: float = 0.0
    """Standard error of the time of an iteration."""
    doubt: float = 0.0
    """Relative error of the time that no measurement tells."""
    chance: float = 0.0
    """Part of it that is due to the number of realisations."""
    redrawn: Floats | None = field(default=None, repr=False, compare=False)
    """Times of an iteration under the equally likely laws, of shape (REDRAWS,)."""

    @property
    def job(self) -> float:
        """Time from handing out the data until the target is reached."""
        if self.refusal or self.iteration is None or self.once is None:
            return inf
        return self.once.total + self.iterations * self.iteration.total

    def jobs_redrawn(self) -> Floats:
        """Return the time `job` under each of the equally likely laws, of shape (REDRAWS,)."""
        assert self.once is not None and self.redrawn is not None
        return self.once.total + self.iterations * self.redrawn


class Judge:
    """A judge predicts one candidate after the other from the same measurements.

    Candidates with more tasks than the injected delays `covering` have are refused.
    """

    def __init__(
        self,
        measured: Measurements,
        fitted: Fit,
        sizes: Sizes,
        limits: Limits,
        data_bytes: float,
        injected: bool,
        weights: Mapping[str, Sequence[float]] | None,
        held_up: float | None = None,
        covering: DelayModel | None = None,
    ) -> None:
        self.measured, self.fitted, self.sizes = measured, fitted, sizes
        self.limits, self.data_bytes, self.injected = limits, data_bytes, injected
        self.delay, self.held_up, self.covering = fitted.model(0), held_up, covering
        self.weights: dict[str, list[float]] = {}
        self._known_weights = weights or {}
        rng = np.random.default_rng(0)
        self._redrawn = [fitted.redrawn(rng).model(0) for _ in range(REDRAWS)]

    def first(self, candidate: Candidate) -> Entry:
        """Return a rough prediction for a candidate."""
        scheme = candidate.scheme
        if scheme is None:
            return Entry(candidate, candidate.refusal)
        if self.limits.exact and not scheme.exact:
            return Entry(candidate, "approximate, and --exact is given")
        if self.covering is not None:
            try:
                self.covering.check(scheme.workers, scheme.work_under(self.covering))
            except UsageError as error:
                return Entry(candidate, str(error))
        sharing = memory.groups(scheme, self.sizes, self.measured.hosts)
        entry = Entry(
            candidate,
            worker_memory=memory.worker(scheme, self.sizes, sharing),
            master_memory=memory.master(scheme, self.sizes, self.data_bytes, sharing=sharing),
            once=once(scheme, self.measured, self.sizes),
        )
        if entry.worker_memory > self.limits.memory_per_worker:
            entry.refusal = (
                f"a worker needs {entry.worker_memory / 1e9:.3g} GB, more than --memory-per-worker"
            )
            return entry
        entry.iteration = self._look(entry)
        entry.uncertainty = entry.iteration.standard_error
        if not isfinite(entry.iteration.guard):
            entry.refusal = "decoding amplifies errors above the guard"
        elif not isfinite(entry.iteration.total):
            entry.refusal = "some iterations never become decodable"
        return entry

    def again(self, entry: Entry) -> None:
        """Predict a finalist again, with more realisations and an uncertainty."""
        better = self._look(entry, replays=REPLAYS, realisations=PRECISE)
        others = np.array([self.redrawn(entry, each).total for each in range(self.redraws)])
        known = others[np.isfinite(others)]
        spread = float(np.std(known)) if len(known) > 1 else 0.0
        entry.iteration, entry.uncertainty = better, sqrt(better.standard_error**2 + spread**2)
        entry.chance, entry.redrawn = better.standard_error, others
        if self.held_up is not None:
            entry.doubt = SHARED_CORES + better.cancelled / better.total
        if not isfinite(better.total):
            entry.refusal = "decoding amplifies errors above the guard"

    @property
    def redraws(self) -> int:
        """Number of equally likely measurements."""
        return len(self._redrawn)

    def redrawn(self, entry: Entry, number: int) -> IterationCost:
        """Predict an iteration under one of the equally likely measurements, the same for all.

        The times of a dynamic scheme are taken to change like those of work split by speed, since a
        replay takes long.
        """
        scheme, found, other = entry.candidate.scheme, entry.iteration, self._redrawn[number]
        if not isinstance(scheme, DynamicScheme) or found is None:
            changed = self._iteration(entry, other, realisations=PRECISE)
            return changed if found is None else replace(changed, weights=found.weights)
        mean, mean_changed = (
            splits(
                scheme, law, np.random.default_rng(3), REALISATIONS, scheme.work_under(law)
            ).mean()
            for law in (self.delay, other)
        )
        ratio = float(mean_changed / mean) if isfinite(mean) else inf
        return replace(found, completion=ratio * found.completion, ideal=ratio * found.ideal)

    def without_one(self, entry: Entry) -> float:
        """Return the mean completion time in seconds if one worker, each in turn, sends nothing."""
        scheme = entry.candidate.scheme
        assert scheme is not None
        rng = np.random.default_rng(2)
        found = outcomes(scheme, self.delay, rng, REALISATIONS, without_one=True)
        return float(found.completion.mean())

    def arrivals(self, entry: Entry) -> Bools:
        """Return marks of the messages that have arrived at completion: (PATTERNS, M, J)."""
        scheme = entry.candidate.scheme
        assert scheme is not None
        return outcomes(scheme, self.delay, np.random.default_rng(1), PATTERNS).arrived

    def _look(self, entry: Entry, **options: Any) -> IterationCost:
        """Predict an iteration; record the time of its weights, or use the recorded time."""
        found, name = self._iteration(entry, self.delay, **options), entry.candidate.arguments
        before = self.weights.setdefault(name, [])
        known = self._known_weights.get(name, ())
        before.append(known[len(before)] if len(before) < len(known) else found.weights)
        return replace(found, weights=before[-1])

    def _iteration(self, entry: Entry, delay: DelayModel, **options: Any) -> IterationCost:
        assert entry.candidate.scheme is not None
        return iteration(
            entry.candidate.scheme,
            delay,
            self.measured,
            self.sizes,
            injected=self.injected,
            held_up=self.held_up,
            **options,
        )
