"""This module decides on claims about what pays on a trace of stragglers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from coded_dgd import schemes
from coded_dgd.reproduce._reference_times import SHARES
from coded_dgd.reproduce._replayed_schemes import APPROXIMATE, CODING, COPIES, TOLD, UNCODED, Row
from coded_dgd.reproduce.base import Claim, Number, Verdict, all_of
from coded_dgd.theory.replay import ratio_of_means

GAIN = 0.05
"""Part of the time that counts as a gain."""
LESS = 1 - GAIN
"""Ratio of times from which on a gain is too small to count."""
CLOSE = 1 + GAIN
"""Ratio of times up to which two count as equal."""
CERTAIN = 2
"""Number of standard errors by which a ratio has to differ from its limit."""
SURE = f"by {CERTAIN} standard errors"


class Inequality(NamedTuple):
    """An inequality states that the ratio of two times is below a limit, or is not."""

    row: Row
    other: Row
    limit: float = LESS
    below: bool = True
    """Whether the ratio has to be below the limit, or must not be."""

    def number(self, block: int) -> Number:
        """Return the ratio of the times; `block` is the length of a block of the bootstrap."""
        return Number(*ratio_of_means(self.row.times, self.other.times, block))

    def verdict(self, number: Number) -> Verdict:
        """Return whether the ratio is on the right side of the limit; None if it is close to it."""
        margin = CERTAIN * (number.standard_error or 0.0)
        if abs(number.value - self.limit) <= margin:
            return None
        return (number.value < self.limit) == self.below

    @property
    def name(self) -> str:
        return f"{self.row.label} / {self.other.label}"


def claims(trace: str, rows: Sequence[Row], block: int) -> list[Claim]:
    """Return the claims about a trace.

    Parameters
    ----------
    trace : str
        Name of the trace.
    rows : sequence of Row
        Rows of schemes, and the reference `SHARES` unless the trace is too short for it.
    block : int
        Length of a block of the bootstrap in iterations.
    """

    def fastest(*kinds: str) -> Row:
        return _fastest([row for row in rows if row.kind in kinds or row.name in kinds])

    def claim(text: str, criterion: str, *inequalities: Inequality, remark: str = "") -> Claim:
        numbers = [each.number(block) for each in inequalities]
        return Claim(
            text,
            trace,
            criterion,
            all_of(one.verdict(number) for one, number in zip(inequalities, numbers, strict=True)),
            "time / time",
            {one.name: number for one, number in zip(inequalities, numbers, strict=True)},
            remark,
        )

    uncoded, coding = fastest(UNCODED), fastest(CODING)
    copies, copied = fastest(COPIES), fastest(COPIES, TOLD)
    redundant = fastest(COPIES, TOLD, CODING)
    of_any_objective = [
        row for row in rows if row.kind == CODING and not schemes.find(row.name)[0].coded
    ]
    remark = _limits(coding, _fastest(of_any_objective), uncoded, block)
    shares = next((row for row in rows if row.name == SHARES), None)
    return [
        claim(
            "redundancy pays",
            f"the fastest exact scheme with copies or coding takes less than {LESS:g} of the time "
            f"of the faster of {UNCODED} and {SHARES}, {SURE}",
            Inequality(redundant, fastest(UNCODED, SHARES)),
        ),
        claim(
            "exact coding pays",
            f"the fastest exact coded scheme takes less than {LESS:g} of the time of {UNCODED} and "
            f"of the fastest scheme with copies, {SURE}",
            Inequality(coding, uncoded),
            Inequality(coding, copied),
            remark=remark,
        ),
        claim(
            "exact coding pays where workers are not told what others have done",
            f"the fastest exact coded scheme takes less than {LESS:g} of the time of {UNCODED} and "
            f"of the fastest scheme with copies that tells workers nothing, {SURE}",
            Inequality(coding, uncoded),
            Inequality(coding, copies),
            remark=remark,
        ),
        *(
            [
                claim(
                    "shares by speed suffice",
                    f"{SHARES}, without copies, take less than {LESS:g} of the time of {UNCODED}, "
                    f"and less than {CLOSE:g} of that of the fastest exact scheme, {SURE}",
                    Inequality(shares, uncoded),
                    Inequality(shares, redundant, CLOSE),
                )
            ]
            if shares
            else []
        ),
        claim(
            "only approximation helps",
            f"no exact scheme, nor {SHARES}, takes less than {LESS:g} of the time of {UNCODED}, "
            f"but an approximate one does, {SURE}",
            Inequality(fastest(COPIES, TOLD, CODING, SHARES), uncoded, below=False),
            Inequality(fastest(APPROXIMATE), uncoded),
        ),
    ]


def _fastest(rows: Iterable[Row]) -> Row:
    return min(rows, key=lambda row: float(row.times.mean()))


def _limits(coding: Row, of_any_objective: Row, uncoded: Row, block: int) -> str:
    """Return for which objectives a coded scheme is, and what is the fastest one for all."""
    scheme, _ = schemes.find(coding.name)
    if not scheme.coded:
        return ""
    kind = "least squares" if scheme.of_gram_matrix else "gradients of degree 2"
    number = Inequality(of_any_objective, uncoded).number(block)
    return (
        f"{coding.name} decodes {kind} alone. The fastest exact coded scheme for any objective "
        f"takes {number} of the time of {UNCODED}: {of_any_objective.label}"
    )
