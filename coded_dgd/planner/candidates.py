"""The schemes and loads that a plan chooses among."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from coded_dgd import schemes
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems.objectives import Objective
from coded_dgd.schemes.base import Floats, Scheme

LARGEST_LOAD = 20
"""Largest computation load that is tried unless others are named."""
TOLERANCES = (0.05, 0.1, 0.2)
REDUNDANCIES = (2.0, 3.0, 4.0)
WAITED_FOR = (0.5, 0.7, 0.8, 0.9)
"""Fractions of the workers that the stochastic schemes wait for."""


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
    """Build every scheme at every load, or tolerance, or redundancy and stop rule.

    Parameters
    ----------
    rows : int
    block_norms : callable
        Of the data that stochastic schemes are fitted to.
    names : sequence of str, optional
        Schemes to try; by default all, ``lcc-mmc-K`` for each K that divides the load.
    given : dict, optional
        Options that are not to be varied.
    """
    fixed = {key: value for key, value in (given or {}).items() if value is not None}
    for name, options in _variants(workers, blocks, loads, names, fixed):
        taken = schemes.find(name)[0]
        known = {k: v for k, v in fixed.items() if k in (*taken.options, *taken.sizes)}
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
        scheme, _ = schemes.find(name)
        if name == "uncoded":
            yield name, {}
        elif "load" in scheme.sizes:
            for load in (load for load in loads if load <= largest):
                for tolerance in _values("tolerance", TOLERANCES, scheme.options, fixed):
                    if not tolerance or np.ceil((1 - tolerance["tolerance"]) * workers) < workers:
                        yield name, {"load": load, **tolerance}
                if names is None and name == "lcc-mmc":
                    for k in range(2, load):
                        if load % k == 0:
                            yield f"{name}-{k}", {"load": load}
        else:
            waits = sorted({max(1, round(share * workers)) for share in WAITED_FOR} - {workers})
            for redundancy in _values("redundancy", REDUNDANCIES, scheme.options, fixed):
                for wait in _values(
                    "wait", [f"fastest:{k}" for k in waits] + ["all"], scheme.options, fixed
                ):
                    yield name, {**redundancy, **wait}


def _values(
    key: str, values: Sequence[Any], options: Sequence[str], fixed: dict[str, Any]
) -> list[dict[str, Any]]:
    """An option's values to try; nothing where the scheme has no such option, or it is given."""
    if key not in options or key in fixed:
        return [{}]
    return [{key: value} for value in values]
