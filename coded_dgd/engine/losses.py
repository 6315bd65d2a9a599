"""What to say of workers that are lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coded_dgd.engine.protocol import Report
from coded_dgd.errors import Undecodable

REDUNDANCY = "a scheme with more redundancy survives that"
OR_OPTIONS = "a scheme with more redundancy, --on-loss replan, --spare or --replace survives that"


class TooFewWorkers(Undecodable):
    """So many workers are lost that what is left never decodes.

    Exit code 1 instead of 4 if all of them raised: then the mend is in what they run.

    Parameters
    ----------
    iteration : int
    reports : sequence of Report
        Who is lost.
    mend : str
        What survives that, or why nothing does.
    amplification : float, optional
        The error amplification with which it would decode, where that is what speaks against it.
    """

    def __init__(
        self,
        iteration: int,
        reports: Sequence[Report],
        mend: str = REDUNDANCY,
        amplification: float | None = None,
    ) -> None:
        self.reports, self.amplification = list(reports), amplification
        if all(report.traceback for report in reports):
            self.exit_code = 1
        guard = ""
        if amplification is not None:
            guard = f"; what is left amplifies errors by {amplification:.1e}, above --guard"
        super().__init__(
            f"iteration {iteration} cannot be decoded any more: {describe(reports)}{guard}; {mend}"
        )


def describe(reports: Iterable[Report]) -> str:
    """One line that names ranks, hosts, iteration and cause; the same cause only once."""
    causes: dict[str, list[Report]] = {}
    for report in reports:
        causes.setdefault(report.failure or "", []).append(report)
    return "; ".join(_describe(cause, group) for cause, group in causes.items())


def _describe(cause: str, reports: list[Report]) -> str:
    hosts = sorted({report.host for report in reports if report.host})
    many = len(reports) > 1
    iterations = ranks({report.iteration for report in reports})
    return (
        f"rank{'s' if many else ''} {ranks(report.peer + 1 for report in reports)}"
        + (f" on {', '.join(hosts)}" if hosts else "")
        + f" failed in iteration{'s' if ',' in iterations or '-' in iterations else ''} "
        + f"{iterations}: {cause}"
    )


def ranks(numbers: Iterable[int]) -> str:
    """Write numbers shortly: ``1-3, 7``."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
