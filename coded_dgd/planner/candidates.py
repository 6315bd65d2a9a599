"""The schemes and loads that a plan chooses among."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from coded_dgd import schemes
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems.objectives import Objective
from coded_dgd.schemes.base import Floats, Scheme

LARGEST_LOAD = 20
"""Largest computation load that is tried unless others are named."""


@dataclass(frozen=True)
class Candidate:
    """A scheme with its sizes and options, or why there is none."""

    name: str
    options: dict[str, Any]
    """Those that have to be given, by their names in `schemes.create`."""
    scheme: Scheme | None
    refusal: str | None = field(default=None)

    @property
    def arguments(self) -> str:
        """What the command line takes."""
        given = " ".join(
            f"--{key.replace('_', '-')} {value:g}" if isinstance(value, float) else
            f"--{key.replace('_', '-')} {value}"
            for key, value in self.options.items()
        )  # fmt: skip
        return f"--scheme {self.name} {given}".rstrip()


def candidates(
    workers: int,
    blocks: int | None,
    loads: Sequence[int],
    objective: Objective,
    rows: int,
    block_norms: Callable[[int], Floats],
    *,
    names: Sequence[str] | None = None,
    given: dict[str, Any] | None = None,
    seed: int = 0,
) -> Iterator[Candidate]:
    """Build every scheme at every load, and with all options that it has tried.

    Parameters
    ----------
    rows : int
    block_norms : callable
        Of the data that stochastic schemes are fitted to.
    names : sequence of str, optional
        Schemes to try; by default all, with what is related to them.
    given : dict, optional
        Options that are not to be varied.
    """
    fixed = {key: value for key, value in (given or {}).items() if value is not None}
    for name, options in _variants(workers, blocks, loads, names, fixed):
        taken, implied = schemes.find(name)
        accepted = {*taken.options, *taken.sizes} - implied.keys()
        known = {k: v for k, v in fixed.items() if k in accepted}
        given_here = {**known, **options}
        if blocks is not None and "blocks" in taken.sizes:
            given_here["blocks"] = blocks
        try:
            scheme = schemes.create(name, workers, seed=seed, **given_here)
            scheme.check_objective(objective, "this objective")
            scheme.fit(rows, block_norms)
        except (Infeasible, UsageError) as error:
            yield Candidate(name, given_here, None, str(error))
        else:
            yield Candidate(name, given_here, scheme)


def _variants(
    workers: int,
    blocks: int | None,
    loads: Sequence[int],
    names: Sequence[str] | None,
    fixed: dict[str, Any],
) -> Iterator[tuple[str, dict[str, Any]]]:
    largest = min(max(loads), blocks or workers)
    for name in names or schemes.names():
        scheme, implied = schemes.find(name)
        trials = scheme.trials(workers, fixed.keys() | implied.keys())
        if scheme.one_load or "load" not in scheme.sizes:
            yield from ((name, options) for options in trials)
            continue
        for load in (load for load in loads if load <= largest):
            yield from ((name, {"load": load, **options}) for options in trials)
            if names is None:
                yield from ((each, {"load": load}) for each in scheme.related(name, load))
