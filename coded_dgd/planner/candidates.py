"""This module lists the schemes and loads among which a plan chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from coded_dgd import schemes
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems.objectives import Objective
from coded_dgd.schemes.base import Floats, Scheme

LARGEST_LOAD = 20
"""Largest computation load that is tried by default."""


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
        trials = scheme.trials(workers, known)
        by_option = scheme.load_option in known if chosen else scheme.load_option is not None
        if scheme.one_load or by_option or "load" not in scheme.sizes:
            yield from ((name, options) for options in trials)
            continue
        for load in (load for load in loads if load <= largest):
            yield from ((name, {"load": load, **options}) for options in trials)
            if names is None:
                yield from ((each, {"load": load}) for each in scheme.related(name, load))
