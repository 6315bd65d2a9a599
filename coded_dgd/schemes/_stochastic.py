"""This module holds what the stochastic schemes share (Bitar et al., Sections II, III and V).

These schemes have no recovery threshold. When the stop rule holds, the master sums the messages
that have arrived, with weights that make the estimate unbiased if each worker straggles with
probability p.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from math import inf
from typing import Any, ClassVar

import numpy as np

from coded_dgd import spec
from coded_dgd.delays.base import SHARE
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.schemes.base import Bools, Floats, Integers, Learnt, ReplicationScheme
from coded_dgd.schemes.rules import Finished, Rule

DEFAULT_REDUNDANCY = 2.0
REDUNDANCIES = (2.0, 3.0, 4.0)
"""Redundancies that a plan tries."""
WAITED_FOR = (0.5, 0.7, 0.8, 0.9)
"""Fractions of the workers to wait for that a plan tries."""


class StochasticScheme(ReplicationScheme):
    """A stochastic scheme copies data vectors to some workers and weights the sum of arrivals.

    A block is one row of the data unless ``--blocks`` says otherwise. Each worker sends one
    message when it has done all its tasks. Delay models count a task of one row as M/N of a task
    unless they name another unit, because a task of other schemes has N/M times as many rows.

    Parameters
    ----------
    wait : str
        Stop rule: ``all`` workers, the ``fastest:K`` (footnote 1 of the paper), or the messages
        that have arrived after ``deadline:SECONDS``.
    p : str
        Probability that a worker is a straggler, or ``auto``: the fraction of workers that were
        missing in the iterations so far, this one included.
    redundancy : float
        d, the average number of copies of a block.
    seed : int
        Seed of the random assignment.
    """

    exact: ClassVar[bool] = False
    per: ClassVar[str] = SHARE
    data_dependent: ClassVar[bool] = True
    stop_option: ClassVar[str] = "wait"
    help: ClassVar[Mapping[str, str]] = {
        "redundancy": "sgc, bgc, erasurehead, sgc-send-all: average number d of copies of a "
        "block.  [default: 2]",
        "wait": "sgc, bgc, erasurehead, ignore-stragglers, sgc-send-all: when to go on: all, with "
        "the messages of all workers; fastest:K, of the fastest K; deadline:SECONDS, with what has "
        "come that many seconds after beta_t left.  [default: all]",
        "p": "The same schemes: probability that a worker straggles, by which they weight what "
        "comes, 0 <= p < 1, or auto to estimate it from the arrivals.  [default: auto]",
        "assignment": "sgc: how copies are dealt out: random or balanced.  [default: random]",
        "normalisation": "sgc-send-all, erasurehead: weights of what comes: per-block, which is "
        "unbiased, or printed, as in the paper.  [default: per-block; printed for erasurehead]",
    }
    sizes: ClassVar[tuple[str, ...]] = ("blocks",)

    def __init__(
        self,
        name: str,
        workers: int,
        blocks: int | None = None,
        *,
        wait: str = "all",
        p: str = "auto",
        redundancy: float = DEFAULT_REDUNDANCY,
        seed: int = 0,
    ) -> None:
        super().__init__(name, workers, 1 if blocks is None else blocks, 1)
        self._rows_are_blocks = blocks is None
        self.redundancy, self.seed = redundancy, seed
        if not 1 <= redundancy <= workers:
            raise Infeasible(
                f"{name}: average redundancy d = {redundancy:g} is out of range: "
                f"choose --redundancy from 1 to {workers} (M = {workers} workers)"
            )
        self._needed, self.deadline = _stop_rule(wait, workers)
        self.straggler_probability = None if p == "auto" else _probability(p)
        self._placement: list[Integers] = []

    @classmethod
    def trials(cls, workers: int, blocks: int, fixed: Collection[str]) -> list[dict[str, Any]]:
        some = sorted({max(1, round(share * workers)) for share in WAITED_FOR} - {workers})
        values: dict[str, Sequence[Any]] = {
            "redundancy": REDUNDANCIES,
            "wait": [*(f"fastest:{k}" for k in some), "all"],
        }
        varied = [name for name in values if name in cls.options and name not in fixed]
        choices = itertools.product(*(values[name] for name in varied))
        return [dict(zip(varied, choice, strict=True)) for choice in choices]

    @classmethod
    def stop_rules(cls, workers: int, blocks: int) -> list[dict[str, Any]]:
        some = range(max(1, workers // 2), workers)
        return [{"wait": each} for each in [*(f"fastest:{k}" for k in some), "all"]]

    def fit(self, rows: int, block_norms: Callable[[int], Floats]) -> None:
        if self._rows_are_blocks:
            self.blocks = self.default_blocks(rows)
        self._placement = self.assign(block_norms)
        self.load = max(len(held) for held in self._placement)

    def default_blocks(self, rows: int) -> int:
        """Return the default of N for data of m rows."""
        return rows

    @abstractmethod
    def assign(self, block_norms: Callable[[int], Floats]) -> list[Integers]:
        """Return the indices of the blocks that each worker holds."""

    def learnt(self) -> Stragglers:
        return Stragglers(self._missing, self.straggler_probability)

    def p(self, learnt: Learnt | None) -> float:
        """Return the straggler probability that the weights use; 0 before anything is learnt."""
        probability = (learnt or self.learnt()).straggler_probability
        return probability or 0.0

    def held(self, worker: int) -> Integers:
        return self._placement[worker]

    def ends(self, worker: int) -> tuple[int, ...]:
        tasks = self.tasks(worker)
        return (tasks,) if tasks else ()

    def _missing(self, arrived: Bools) -> tuple[int, int]:
        """Return the number of workers that have not finished, and of workers that hold blocks."""
        workers = self._finish.workers
        return workers - int(np.count_nonzero(self._finish.finished(arrived))), workers

    @property
    def rule(self) -> Rule:
        return self._finish

    @cached_property
    def _finish(self) -> Finished:
        return Finished(self._needed, self.expected)

    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        if not arrived.any():
            return np.zeros(arrived.shape)
        return arrived / (1 - self.p(learnt))

    def block_weights(self, finished: Bools, learnt: Learnt | None = None) -> Floats:
        # a few matrix products, for which M N numbers are held
        return divide_covered(finished @ self._factors, 1 - self.p(learnt))

    @cached_property
    def _factors(self) -> Floats:
        """Factor of each block in the messages of each worker, as an array of shape (M, N)."""
        factors = np.zeros((self.workers, self.blocks))
        for worker in range(self.workers):
            factors[worker, self.held(worker)] = self.coefficients(worker)
        return factors

    def _covered(self, finished: Bools) -> Bools:
        """Mark the blocks that a finished worker holds: (realisations, M) -> (realisations, N)."""
        covered: Bools = finished @ self._factors > 0
        return covered


class Stragglers(Learnt):
    """The straggler probability is estimated as the fraction of missing workers so far.

    Parameters
    ----------
    missing : callable
        Returns the number of missing workers and of workers in all, given the arrivals.
    given : float, optional
        Probability to use instead of the estimate.
    """

    def __init__(self, missing: Callable[[Bools], tuple[int, int]], given: float | None) -> None:
        self._count, self._given = missing, given
        self._missing = self._seen = 0

    @property
    def straggler_probability(self) -> float:
        if self._given is not None:
            return self._given
        return self._missing / self._seen if self._seen else 0.0

    def observe(self, arrived: Bools) -> None:
        missing, workers = self._count(arrived)
        self._seen += workers
        self._missing += missing

    def state(self) -> dict[str, int]:
        return {"missing": self._missing, "seen": self._seen}

    def restore(self, state: Mapping[str, int]) -> None:
        self._missing, self._seen = state["missing"], state["seen"]


def divide_covered(covered: Bools | Floats, reached: float | Floats) -> Floats:
    """Divide elementwise; zeros of the dividend stay zero, whatever the divisor."""
    quotient: Floats = np.divide(covered, reached, out=np.zeros(covered.shape), where=covered != 0)
    return quotient


def _stop_rule(wait: str, workers: int) -> tuple[int, float | None]:
    """Return the number of workers to wait for, and the deadline in seconds if there is one."""
    kind, _, value = wait.partition(":")
    try:
        if kind == "all" and not value:
            return workers, None
        if kind == "fastest" and 1 <= int(value) <= workers:
            return int(value), None
        if kind == "deadline" and 0 < float(value) < inf:
            return workers, float(value)
    except ValueError:
        pass
    raise UsageError(
        f"--wait {wait!r}{spec.nearest(kind, ('all', 'fastest', 'deadline'))}: give all, "
        f"fastest:K with K from 1 to {workers}, or deadline:SECONDS"
    )


def _probability(text: str) -> float:
    try:
        if 0 <= float(text) < 1:
            return float(text)
    except ValueError:
        pass
    raise UsageError(f"--p {text!r}: give auto, or a probability 0 <= p < 1")


def as_printed(normalisation: str) -> bool:
    """Return whether to normalise as printed in Table I of the paper; else block by block."""
    if normalisation not in ("per-block", "printed"):
        raise UsageError(f"--normalisation {normalisation!r}: give per-block or printed")
    return normalisation == "printed"
