"""This module lists the schemes, loads and numbers of blocks among which a plan chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import ceil
from typing import Any

from coded_dgd import schemes
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems.objectives import Objective
from coded_dgd.schemes.base import Floats, Scheme

LARGEST_LOAD = 20
"""Largest computation load that is tried by default."""
BLOCKS_PER_WORKER = (1, 2, 4, 8)
"""Numbers N / M of blocks per worker that are tried near the best load of a scheme."""
SHARES = (1, 1.25, 1.5, 2, 3, 5, 8, 12, 20)
"""Computation loads that are tried with them, in shares of 1/M of all data."""


@dataclass(frozen=True)
class Candidate:
    """A candidate is a scheme with its sizes and options, or the reason why it does not exist."""

    name: str
    options: dict[str, Any]
    """Sizes and options, by their names in `schemes.create`."""
    scheme: Scheme | None
    refusal: str | None = field(default=None)

    @property
    def arguments(self) -> str:
        """Options of the command line for this candidate."""
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
    batches: bool = False,
    seed: int = 0,
    chosen: bool = False,
) -> Iterator[Candidate]:
    """Yield every scheme at every load and with all option values to try.

    Parameters
    ----------
    rows : int
        Number of rows of the data to which stochastic schemes are fitted.
    block_norms : callable
        Returns the squared norms of N blocks of these data, given N.
    names : sequence of str, optional
        Schemes to try. By default all schemes and their variants.
    given : dict, optional
        Options that are not varied.
    batches : bool
        Whether gradients are those of mini-batches.
    chosen : bool
        Whether the user has chosen the loads. If not, schemes with an option that says the same are
        tried at values of it.
    """
    fixed = {key: value for key, value in (given or {}).items() if value is not None}
    for name, options in _variants(workers, blocks, loads, names, fixed, chosen):
        taken, implied = schemes.find(name)
        accepted = {*taken.options, *taken.sizes} - implied.keys()
        known = {k: v for k, v in fixed.items() if k in accepted}
        given_here = {**known, **options}
        if blocks is not None and "blocks" in taken.sizes:
            given_here["blocks"] = blocks
        try:
            scheme = schemes.create(name, workers, seed=seed, **given_here)
            scheme.check_objective(objective, "this objective", batches)
            scheme.fit(rows, block_norms)
        except (Infeasible, UsageError) as error:
            yield Candidate(name, given_here, None, str(error))
        else:
            yield Candidate(name, given_here, scheme)


def variants(
    best: Candidate, most_blocks: int, given: Mapping[str, Any], seed: int = 0
) -> Iterator[Candidate]:
    """Yield a candidate with other numbers of blocks, loads near its own, and further options.

    Loads are within a factor of 2, as parts of all data, since a worker need not hold more where
    fine blocks let the master use what a slow worker has done.

    Parameters
    ----------
    best : Candidate
        Best candidate of a scheme with its usual number of blocks.
    most_blocks : int
        Largest number of blocks into which the data can be divided.
    given : mapping
        Options that are not varied.
    """
    assert best.scheme is not None
    scheme, implied = schemes.find(best.name)
    workers = best.scheme.workers
    usual, most = scheme.usual_blocks(workers), min(most_blocks, scheme.most_blocks)
    fixed = implied.keys() | {key for key, value in given.items() if value is not None}
    share = best.scheme.load * workers / best.scheme.blocks
    near = [each for each in SHARES if share / 2 <= each <= 2 * share]
    for fineness in BLOCKS_PER_WORKER:
        sizes: list[dict[str, Any]] = [{}]
        if (blocks := fineness * workers) != usual:
            loads = sorted({min(ceil(each * fineness), blocks) for each in near})
            sizes = [{"load": load} for load in loads] if scheme.load_option is None else [{}]
            sizes = [{"blocks": blocks, **each} for each in sizes] if blocks <= most else []
        for size, options in product(sizes, scheme.variants(workers, blocks, fixed)):
            values = best.options | size | options
            if values == best.options:
                continue
            try:
                found = schemes.create(best.name, workers, seed=seed, **values)
            except Infeasible as error:
                yield Candidate(best.name, values, None, str(error))
            else:
                yield Candidate(best.name, values, found)


def _variants(
    workers: int,
    blocks: int | None,
    loads: Sequence[int],
    names: Sequence[str] | None,
    fixed: dict[str, Any],
    chosen: bool,
) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in names or schemes.names():
        scheme, implied = schemes.find(name)
        largest = min(max(loads), blocks or scheme.usual_blocks(workers))
        known = fixed.keys() | implied.keys() | ({"load"} if chosen else set())
        trials = scheme.trials(workers, blocks or scheme.usual_blocks(workers), known)
        by_option = scheme.load_option in known if chosen else scheme.load_option is not None
        if scheme.one_load or by_option or "load" not in scheme.sizes:
            yield from ((name, options) for options in trials)
            continue
        for load in (load for load in loads if load <= largest):
            yield from ((name, {"load": load, **options}) for options in trials)
            if names is None:
                yield from ((each, {"load": load}) for each in scheme.related(name, load))
