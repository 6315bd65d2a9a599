"""This module defines the experiment of the MMC paper (Ozfatura et al., Section V).

It also defines how the results are plotted.
"""

from __future__ import annotations

from typing import Any, ClassVar

from coded_dgd import delays, schemes
from coded_dgd.delays.base import DelayModel
from coded_dgd.report.figure import Floats, Series
from coded_dgd.reproduce.base import Figure, T
from coded_dgd.schemes.base import Scheme
from coded_dgd.theory.completion import Completion
from coded_dgd.theory.exact import lower_limit

GC, LCC, LCC_MMC, LCC_MMC_2 = "GC", "LCC", "LCC-MMC", "LCC-MMC-2"
UC_MMC, UC_MMC_PG = "UC-MMC", "UC-MMC-PG"
MDS_MMC, LIMIT = "mds-mmc (moment encoding)", "lower limit (ours)"

SCHEMES = {
    GC: "gc",
    LCC: "lcc",
    LCC_MMC: "lcc-mmc",
    LCC_MMC_2: "lcc-mmc-2",
    UC_MMC: "uc-mmc",
    UC_MMC_PG: "uc-mmc-pg",
    MDS_MMC: "mds-mmc",
}
"""Name of the scheme by its label."""

MU, ALPHA = 10.0, 0.01

CLOSE = 4
"""Number of standard errors up to which a mean of realisations matches a closed form.

Chance exceeds it with probability 6e-5.
"""

SIGNIFICANT = 25
"""Reduction in per cent from which on it counts as significant."""

ROUNDING = 1e-8
"""Upper bound on the relative error of a closed form."""


class MMCFigure(Figure[T]):
    """Such a figure shows M = N workers whose delays follow eq. (12)."""

    workers: ClassVar[int]

    def __init__(self, seed: int = 0, quick: bool = False) -> None:
        super().__init__(seed, quick)
        self.realisations = 1_000 if quick else 100_000

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            "workers": self.workers,
            "blocks": self.workers,
            "mu": MU,
            "alpha": ALPHA,
            "realisations": self.realisations,
        }

    @property
    def how(self) -> str:
        """Meaning of lines and points, for titles of panels."""
        return f"lines: closed form, points: {self.realisations:,} realisations"

    def scheme(self, label: str, load: int) -> Scheme:
        """Build the scheme of that label.

        Raises
        ------
        Infeasible
            If the scheme does not exist at this computation load.
        """
        return schemes.create(SCHEMES[label], self.workers, load=load)

    def limit(self, load: int) -> Completion:
        """Return the time until N tasks are done in total, on any workers."""
        limit = lower_limit(self.scheme(UC_MMC, load), delay())
        assert limit is not None
        return limit


def delay(alpha: float = ALPHA) -> DelayModel:
    """Return the delay model of eq. (12), with alpha in seconds."""
    return delays.create(f"shifted-exponential:mu={MU},alpha={alpha}", 0)


def line(label: str, x: Floats, y: Floats) -> Series:
    """Return the line of a closed form."""
    return Series(label, x, y, kind="line")


def points(label: str, x: Floats, y: Floats, standard_error: Floats) -> Series:
    """Return the points of a simulation that belong to the line of that label."""
    return Series(f"{label}, Monte Carlo", x, y, standard_error, kind="points", like=label)


def reduction(a: float, b: float) -> float:
    """Return by how many per cent a is less than b."""
    return 100 * (1 - a / b)


def increase(a: float, b: float) -> float:
    """Return by how many per cent a is more than b."""
    return 100 * (a / b - 1)
