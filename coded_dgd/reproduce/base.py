"""What a figure of a paper is: independent parts to compute, what is plotted, and the claims.

A further figure is a file of this package with one subclass of `Figure`: ``mmc_fig1.py`` is found
as ``mmc-fig1``. It says in how many parts it is computed, computes one of them as a pure function
of its number, so that the numbers are the same for any number of processes, and puts them together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

from coded_dgd.report.figure import Panel

T = TypeVar("T")

Verdict: TypeAlias = "bool | None"
"""Whether something holds; None where the numbers do not decide it."""


def all_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Whether all of these hold."""
    found = set(verdicts)
    return False if False in found else None if None in found else True


class Number(NamedTuple):
    """A number that decides on a claim."""

    value: float
    standard_error: float | None = None

    def __str__(self) -> str:
        error = self.standard_error
        if not error or not 1e-3 <= abs(self.value) < 1e5:
            return f"{self.value:.3g}" + (f" ± {error:.1g}" if error else "")
        decimals = max(0, 1 - floor(log10(error)))
        return f"{self.value:.{decimals}f} ± {error:.{decimals}f}"


@dataclass(frozen=True)
class Claim:
    """A statement of the paper that can be checked, and what came out."""

    text: str
    """In the paper's words, or nearly."""
    where: str
    """Section of the paper."""
    criterion: str
    """The statistical criterion for holding."""
    holds: Verdict
    quantity: str
    """What the numbers are."""
    numbers: Mapping[str, Number]
    """The numbers, by what they belong to."""
    remark: str = ""
    """Why we find otherwise than the paper, or what else there is to know."""

    @property
    def verdict(self) -> str:
        return {True: "holds", False: "does not hold", None: "undecided"}[self.holds]

    @property
    def found(self) -> str:
        """The numbers in words."""
        each = [
            f"{number} ({name})" if name else f"{number}" for name, number in self.numbers.items()
        ]
        return f"{self.quantity}: {', '.join(each)}"


@dataclass(frozen=True)
class FigureResult:
    """What a figure has come to."""

    panels: Sequence[Panel]
    claims: Sequence[Claim]


class Figure(ABC, Generic[T]):
    """One figure of a paper.

    Parameters
    ----------
    seed : int
        Of everything that is drawn at random.
    quick : bool
        A smaller computation, to see that it works; claims are about the paper's size.
    """

    title: ClassVar[str]
    """What it shows, and where in the paper it is."""

    def __init__(self, seed: int = 0, quick: bool = False) -> None:
        self.seed, self.quick = seed, quick

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """Everything besides the seed that decides on the numbers, for JSON."""

    @property
    @abstractmethod
    def parts(self) -> int:
        """Number of independent parts; ten or more make good progress and use of cores."""

    @abstractmethod
    def compute(self, part: int) -> T:
        """Compute one part, in any process; a function of the part and of this object only."""

    @abstractmethod
    def assemble(self, computed: Sequence[T]) -> FigureResult:
        """Put all parts together, in order."""
