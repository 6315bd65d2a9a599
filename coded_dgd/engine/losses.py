"""Messages about lost workers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coded_dgd.engine.protocol import Report
from coded_dgd.errors import Undecodable

REDUNDANCY = "a scheme with more redundancy survives that"
OR_OPTIONS = "a scheme with more redundancy, --on-loss replan, --spare or --replace survives that"


class TooFewWorkers(Undecodable):
    """Too many workers are lost for the rest ever to decode.

    The exit code is 1 instead of 4 if every one of them raised an error: then the remedy is in the
    user's code.

    Parameters
    ----------
    iteration : int
    reports : sequence of Report
        Reports of the lost workers.
    mend : str
        Remedy: what survives such losses, or why nothing does.
    amplification : float, optional
        Error amplification of the decode, if the guard refuses it for that reason.
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
    """Return one line with ranks, hosts, iteration and causes; equal causes appear once."""
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
    """Return numbers in short form: ``1-3, 7``."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
