"""Several schemes at several computation loads, ready to be predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from coded_dgd import schemes
from coded_dgd.errors import Infeasible
from coded_dgd.problems import objectives
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import AS_THEY_ARE, Reading, open_source
from coded_dgd.schemes.base import Scheme


@dataclass(frozen=True)
class PredictedCase:
    """A scheme, fitted to the data if it is one that has to be; or why there is none."""

    name: str
    workers: int
    given: dict[str, Any]
    """Sizes and options, those that the scheme takes."""
    scheme: Scheme | None
    problem: Problem | None = None
    """What it was fitted to."""
    refusal: Infeasible | None = None


def cases(
    names: Sequence[str],
    workers: int,
    loads: Sequence[int | None],
    *,
    data: str = "",
    seed: int = 0,
    reading: Reading = AS_THEY_ARE,
    **options: Any,
) -> Iterator[PredictedCase]:
    """Build every scheme at every load; sizes and options go to those schemes that take them.

    Parameters
    ----------
    data : str
        As for `open_source`, like `seed` and `reading`; opened once, if a scheme has to be fitted
        to them.
    **options
        As for `schemes.create`, `blocks` among them.

    Raises
    ------
    UsageError
        For an unknown name, or a size or an option that none of the schemes takes.
    """
    shares = schemes.share(names, {**options, "load": loads[0]})

    @cache
    def problem() -> Problem:
        return Problem(open_source(data, seed, reading), objectives.create("least-squares"))

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
            if scheme.load not in done:  # uncoded has the same whatever larger one is allowed
                done.add(scheme.load)
                data_used = problem() if scheme.data_dependent else None
                yield PredictedCase(name, workers, given, scheme, data_used)
