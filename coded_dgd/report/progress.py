"""This module shows the progress of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

import numpy as np

from coded_dgd._version import __version__
from coded_dgd.engine.iteration import Iteration
from coded_dgd.engine.observer import Observer, Start, Stop
from coded_dgd.engine.setup import Setup
from coded_dgd.host.threads import BY_SHARE, threads
from coded_dgd.planner.memory import Peaks
from coded_dgd.report.steps import Steps
from coded_dgd.runs.status import Status

KERNELS = {
    "gram": "workers compute with Gram matrices of their blocks",
    "sparse": "workers compute with sparse rows",
}
"""Line that is shown for a kernel other than the default."""


class Progress(Observer):
    """Progress says what is run and how far the run has got; it is silent if `quiet`.

    Parameters
    ----------
    choice : str, optional
        Reason for the choice of the scheme, if a plan chose it.
    planned : float, optional
        Mean completion time in seconds that the plan predicts.
    """

    def __init__(
        self,
        setup: Setup,
        stream: TextIO,
        quiet: bool,
        choice: str = "",
        planned: float | None = None,
    ) -> None:
        self._setup, self._stream, self._quiet = setup, stream, quiet
        self._steps = Steps("iteration", setup.config.iterations, stream, quiet)
        self._status = Status(planned)
        self._choice = choice

    def __enter__(self) -> Progress:
        scheme, config = self._setup.scheme, self._setup.config
        if self._choice:
            self._say(self._choice)
        self._say(
            f"coded-dgd {__version__}: {scheme.name} on {scheme.workers} workers "
            f"({config.transport}), N = {scheme.blocks} blocks, load r = {scheme.load}, "
            f"delay {config.delay}"
        )
        number, variable = threads()
        if variable or number != 1:
            plural = "thread" if number == 1 else "threads"
            self._say(f"{number} BLAS {plural} per rank ({variable or BY_SHARE})")
        return self

    def memory(self, peaks: Peaks) -> None:
        """Show how much memory the run will take."""
        self._say(
            f"memory: at most {peaks.worker / 1e6:.0f} MB on a worker, "
            f"{peaks.master / 1e6:.0f} MB on rank 0"
        )

    def loading(self, seconds: float) -> None:
        """Show how long workers load what the objective needs, if it needs anything."""
        if seconds:
            self._say(
                "start-up: workers load what the objective needs, for about "
                f"{seconds:.0f} s on idle cores"
            )

    def start(self, start: Start) -> None:
        config = self._setup.config
        self._say(
            f"{start.problem.source.describe()}; {config.objective}, {config.optimizer}"
            f"{start.stepping}"
        )
        if batches := start.problem.batches:
            self._status.epoch = 1 / batches.scale
            self._say(
                f"gradients of batches of {batches.size} of {batches.rows} rows: "
                f"{batches.scale:.3g} iterations are an epoch"
            )
        if start.kernel in KERNELS:
            self._say(f"{KERNELS[start.kernel]} (--kernel {start.kernel})")
        for caution in start.cautions:
            self._say(f"warning: {caution}")
        if start.forecast is not None:
            p50, p99 = np.quantile(start.forecast.amplification, [0.5, 0.99])
            self._say(
                f"guard {config.guard:.0e}: over {start.forecast.samples} sampled straggler "
                f"patterns error amplification has median {p50:.1e}, p99 {p99:.1e}; the guard "
                f"waits in {start.forecast.waiting:.1%} of iterations, for "
                f"{start.forecast.extra_messages.mean():.2f} further messages on average"
            )
        self._steps.__enter__()

    def iteration(self, record: Iteration) -> None:
        self._status.add(record)
        self._steps.count(self._status.__str__)

    def resumed(self, iterations: int, complaints: Sequence[str]) -> None:
        for complaint in complaints:
            self.warning(complaint)
        self._say(
            f"goes on after iteration {iterations - 1}"
            if iterations
            else "there is no checkpoint to go on from: starts from the beginning"
        )
        self._steps.skip(iterations)

    def stopped(self, stop: Stop) -> None:
        self._steps.__exit__(None, None, None)

    def warning(self, line: str, details: str = "") -> None:
        self._say(f"warning: {line}")

    def end(self, error: BaseException | None) -> None:
        self._steps.__exit__(None, None, None)

    def _say(self, line: str) -> None:
        if not self._quiet:
            print(line, file=self._stream, flush=True)
