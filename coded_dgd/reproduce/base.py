"""This module defines a figure of a paper: parts to compute, panels to plot, and claims.

A further figure is a file of this package with one subclass of `Figure`: ``mmc_fig1.py`` is found
as ``mmc-fig1``. It states its number of independent parts, computes each part as a pure function
of its number, so that the numbers are the same for any number of processes, and assembles them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

from coded_dgd.report.figure import Panel

T = TypeVar("T")

ROUNDING = 1e-12
"""Relative standard error below which a number counts as exact."""

Verdict: TypeAlias = "bool | None"
"""Whether a claim holds; None if the numbers do not decide it."""


def all_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Return whether all of the verdicts hold."""
    found = set(verdicts)
    return False if False in found else None if None in found else True


class Number(NamedTuple):
    """A number is a value, with its standard error, that decides on a claim."""

    value: float
    standard_error: float | None = None

    def __str__(self) -> str:
        error = self.standard_error or 0.0
        if error < ROUNDING * abs(self.value):
            error = 0.0
        if not error or not 1e-3 <= abs(self.value) < 1e5:
            return f"{self.value:.3g}" + (f" ± {error:.1g}" if error else "")
        decimals = max(0, 1 - floor(log10(error)))
        return f"{self.value:.{decimals}f} ± {error:.{decimals}f}"


@dataclass(frozen=True)
class Claim:
    """A claim is a statement of the paper that can be checked, together with the result."""

    text: str
    """Statement in the paper's words, or nearly."""
    where: str
    """Section of the paper."""
    criterion: str
    """Statistical criterion for the claim to hold."""
    holds: Verdict
    quantity: str
    """Quantity that the numbers measure."""
    numbers: Mapping[str, Number]
    """Numbers by the case to which they belong."""
    remark: str = ""
    """Reason for a result that differs from the paper's, or a further remark."""

    @property
    def verdict(self) -> str:
        return {True: "holds", False: "does not hold", None: "undecided"}[self.holds]

    @property
    def found(self) -> str:
        """Numbers in words."""
        each = [
            f"{number} ({name})" if name else f"{number}" for name, number in self.numbers.items()
        ]
        return f"{self.quantity}: {', '.join(each)}"


@dataclass(frozen=True)
class Table:
    """A table shows further numbers of a figure, which are not plotted."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]
    """Rows of as many cells as there are columns; None where there is nothing to say."""


@dataclass(frozen=True)
class FigureResult:
    """A figure result consists of the panels to plot, the claims, and a table if there is one."""

    panels: Sequence[Panel]
    claims: Sequence[Claim]
    table: Table | None = None


class Figure(ABC, Generic[T]):
    """This is the base class of the figures of the papers.

    Parameters
    ----------
    seed : int
        Seed of all random numbers.
    quick : bool
        Whether to run a smaller computation as a test; claims are about the paper's size.
    """

    title: ClassVar[str]
    """Content of the figure, and its place in the paper."""

    replays: ClassVar[bool] = False
    """Whether it replays traces. Its constructor then takes the files of further ones, too."""

    def __init__(self, seed: int = 0, quick: bool = False) -> None:
        self.seed, self.quick = seed, quick

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """All values other than the seed on which the numbers depend, for JSON."""

    @property
    @abstractmethod
    def parts(self) -> int:
        """Number of independent parts; ten or more give good progress reports and use of cores."""

    @abstractmethod
    def compute(self, part: int) -> T:
        """Compute one part in any process, as a function of the part and of this object only."""

    @abstractmethod
    def assemble(self, computed: Sequence[T]) -> FigureResult:
        """Assemble all parts, given in order."""
