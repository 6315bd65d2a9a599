"""This module builds several schemes at several computation loads, ready to be predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from coded_dgd import schemes
from coded_dgd.errors import Infeasible
from coded_dgd.problems import objectives
from coded_dgd.problems.preparation import prepare
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import AS_THEY_ARE, Reading, open_source
from coded_dgd.schemes.base import Scheme


@dataclass(frozen=True)
class PredictedCase:
    """A predicted case is a scheme, fitted to the data if it depends on them, or its refusal."""

    name: str
    workers: int
    given: dict[str, Any]
    """Sizes and options that the scheme takes."""
    scheme: Scheme | None
    problem: Problem | None = None
    """Problem to which the scheme was fitted, if it depends on the data."""
    refusal: Infeasible | None = None


def cases(
    names: Sequence[str],
    workers: int,
    loads: Sequence[int | None],
    *,
    data: str = "",
    seed: int = 0,
    reading: Reading = AS_THEY_ARE,
    intercept: bool = False,
    standardize: bool = False,
    **options: Any,
) -> Iterator[PredictedCase]:
    """Build every scheme at every load; each scheme gets the sizes and options that it takes.

    Parameters
    ----------
    data : str
        Data for `open_source`, like `seed` and `reading`. They are opened once, and only if a
        scheme depends on them.
    intercept, standardize : bool
        How the data are prepared, see `prepare`.
    **options
        Options for `schemes.create`, `blocks` among them.

    Raises
    ------
    UsageError
        If a name is unknown, or no scheme takes one of the sizes or options.
    """
    shares = schemes.share(names, {**options, "load": loads[0]})

    @cache
    def problem() -> Problem:
        objective = objectives.create("least-squares")
        source = open_source(data, seed, reading)
        return Problem(prepare(source, objective, intercept, standardize), objective)

    for name, share in shares.items():
        done = set()
        for load in loads if "load" in share else loads[:1]:
            given = share | {"load": load} if "load" in share else share
            try:
                scheme = schemes.create(name, workers, seed=seed, **given)
                if scheme.data_dependent:
                    scheme.fit(problem().source.rows, problem().block_norms)
            except Infeasible as refusal:
                yield PredictedCase(name, workers, given, None, refusal=refusal)
                continue
            if scheme.load not in done:  # uncoded ignores a larger allowed load
                done.add(scheme.load)
                data_used = problem() if scheme.data_dependent else None
                yield PredictedCase(name, workers, given, scheme, data_used)
