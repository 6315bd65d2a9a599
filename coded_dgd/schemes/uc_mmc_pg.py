"""`uc-mmc-pg` is UC-MMC with partial gradients (Ozfatura et al., Section V, K-batch).

::

    held     the blocks s_i, s_i + 1, ..., s_i + r - 1 (mod N) by worker i, eq. (11)
    sent     g_b, the gradient of block b, after each task
    decoded  N/K times the sum of one copy of each of the K blocks that have arrived
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import ceil
from typing import Any, ClassVar

from coded_dgd.errors import Infeasible
from coded_dgd.schemes.uc_mmc import UCMMC

TOLERANCES = (0.05, 0.1, 0.2)
"""Tolerances that a plan tries."""


class UCMMCPG(UCMMC):
    """``uc-mmc-pg`` is ``uc-mmc``, but a fraction of the blocks may be missing.

    K = ceil((1 - tolerance) N) blocks suffice. The step is along N/K times their sum, the average
    of the arrived blocks (Section I: "their average is used"). It is approximate unless K = N.
    """

    exact: ClassVar[bool] = False
    stop_option: ClassVar[str] = "tolerance"
    help: ClassVar[Mapping[str, str]] = {
        **UCMMC.help,
        "tolerance": "uc-mmc-pg: fraction of the blocks that may be missing, 0 <= F < 1.  "
        "[default: 0.05]",
    }

    def __init__(
        self,
        name: str,
        workers: int,
        blocks: int,
        load: int,
        tolerance: float = 0.05,
        **options: str,
    ) -> None:
        if not 0 <= tolerance < 1:
            raise Infeasible(f"--tolerance {tolerance:g} is out of range: choose 0 <= F < 1")
        super().__init__(name, workers, blocks, load, **options)
        self.tolerance = tolerance
        self.needed = ceil((1 - tolerance) * blocks - 1e-9)

    @classmethod
    def trials(cls, workers: int, blocks: int, fixed: Collection[str]) -> list[dict[str, Any]]:
        return [{}] if "tolerance" in fixed else [{"tolerance": each} for each in _making(blocks)]

    @classmethod
    def variants(cls, workers: int, blocks: int, fixed: Collection[str]) -> list[dict[str, Any]]:
        if blocks == cls.usual_blocks(workers):
            return [{}]
        orders = super().variants(workers, blocks, fixed)[-1:]
        return [a | b for a in cls.trials(workers, blocks, fixed) for b in orders]

    @classmethod
    def stop_rules(cls, workers: int, blocks: int) -> list[dict[str, Any]]:
        return [{"tolerance": each} for each in (0.0, *_making(blocks))]


def _making(blocks: int) -> list[float]:
    """Return the tolerances that make a difference with this number of blocks."""
    return [each for each in TOLERANCES if ceil((1 - each) * blocks) < blocks]
