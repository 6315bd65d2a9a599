"""`lcc-mmc` is multi-message Lagrange coded computation (Ozfatura et al., II-C and V).

::

    held     x~_i^(j) = f(beta_i^(j)), j = 1..r, where f(alpha_b) = x_b, eqs. (8) and (10)
    sent     h(beta_i^(j)) = f(beta_i^(j)) f(beta_i^(j))^T theta after task j, eq. (9)
    decoded  sum over b of h(alpha_b) = X^T X theta, h interpolated from any 2 N - 1 messages
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np

from coded_dgd.codes.further import Further
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.schemes._lagrange import LagrangeScheme
from coded_dgd.schemes.base import Bools, Floats, Learnt
from coded_dgd.schemes.rules import Count, Rule


class LCCMMC(LagrangeScheme):
    """``lcc-mmc`` has one polynomial of degree N - 1 and a message per task, eqs. (8)-(10).

    The recovery threshold is 2 N - 1 messages. ``lcc-mmc-K`` (Remark 1) has K polynomials of degree
    ceil(N/K) - 1, sends after every K tasks, and needs 2 ceil(N/K) - 1 messages. If K does not
    divide r, the last r mod K tasks complete no message and are not done.

    With ``early_stop="coset"``, which is not in the paper, it also decodes as soon as message j of
    every worker has arrived, for any j: these points are equally spaced, so the mean over them is
    the mean over the circle.
    """

    most_blocks: ClassVar[int] = 100  # with more, the guard waits and weights take long
    help: ClassVar[Mapping[str, str]] = {
        "early_stop": "lcc-mmc: coset also stops when one message of every worker is there, none "
        "does not.  [default: none]",
    }

    def __init__(
        self,
        name: str,
        workers: int,
        blocks: int,
        load: int,
        polynomials: int = 1,
        early_stop: str = "none",
    ) -> None:
        if early_stop not in ("none", "coset"):
            raise UsageError(f"--early-stop {early_stop!r}: give none or coset")
        self.coset = early_stop == "coset"
        nodes, messages = -(-blocks // max(1, polynomials)), load // max(1, polynomials)
        if self.coset and workers < nodes:
            enough = max(nodes, -(-(2 * nodes - 1) // messages)) if messages else None
            raise Infeasible(
                f"--early-stop coset needs as many workers as nodes ({nodes}): "
                + (f"use at least {enough} workers, or leave it out" if enough else "use none")
            )
        super().__init__(name, workers, blocks, load, polynomials)

    @classmethod
    def related(cls, name: str, load: int) -> list[str]:
        return [f"{name}-{k}" for k in range(2, load) if load % k == 0]

    @cached_property
    def rule(self) -> Rule:
        return Count(self.threshold, self.expected, or_everyone=self.coset)

    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        complete = np.flatnonzero(arrived.all(axis=0)) if self.coset else ()
        if not len(complete):
            return super().weights(arrived)
        weights = np.zeros(arrived.shape)
        weights[:, complete] = self.nodes / (self.workers * len(complete))
        return weights

    def further(self, scales: Floats, limit: float) -> Further | None:
        return None if self.coset else super().further(scales, limit)
