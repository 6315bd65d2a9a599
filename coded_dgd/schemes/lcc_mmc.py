"""Lagrange coded computation with multi-message communication (Ozfatura et al., II-C and V)."""

from __future__ import annotations

from typing import ClassVar

from coded_dgd.schemes._lagrange import LagrangeScheme


class LCCMMC(LagrangeScheme):
    """``lcc-mmc``: one polynomial of degree N - 1 and a message after every task, eqs. (8)-(10).

    Recovery threshold 2 N - 1 messages. ``lcc-mmc-K`` (Remark 1) has K polynomials of degree
    ceil(N/K) - 1, sends after every K tasks, and needs 2 ceil(N/K) - 1 messages. Where K does not
    divide r the last r mod K tasks would complete no message and are not done.
    """

    options: ClassVar[tuple[str, ...]] = ("polynomials",)

    def __init__(
        self, name: str, workers: int, blocks: int, load: int, polynomials: int = 1
    ) -> None:
        super().__init__(name, workers, blocks, load, polynomials)
