"""UC-MMC with partial gradients: the K-batch strategy (Ozfatura et al., Section V)."""

from __future__ import annotations

from math import ceil
from typing import ClassVar

from coded_dgd.errors import Infeasible
from coded_dgd.schemes.uc_mmc import UCMMC


class UCMMCPG(UCMMC):
    """``uc-mmc-pg``: as ``uc-mmc``, but done when all except a fraction of the blocks are covered.

    K = ceil((1 - tolerance) N) blocks suffice. The step is along N/K times their sum, the average
    of the blocks that are there (Section I: "their average is used"); approximate unless K = N.
    """

    exact: ClassVar[bool] = False
    options: ClassVar[tuple[str, ...]] = ("tolerance",)

    def __init__(
        self, name: str, workers: int, blocks: int, load: int, tolerance: float = 0.05
    ) -> None:
        if not 0 <= tolerance < 1:
            raise Infeasible(f"--tolerance {tolerance:g} is out of range: choose 0 <= F < 1")
        super().__init__(name, workers, blocks, load)
        self.tolerance = tolerance
        self.needed = ceil((1 - tolerance) * blocks - 1e-9)
