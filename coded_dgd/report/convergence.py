"""This module measures convergence against time by training whole runs in virtual time.

The runs use the same master and the same workers as runs over MPI.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from coded_dgd.config import SCHEME_OPTIONS, RunConfig
from coded_dgd.engine import setup
from coded_dgd.engine.trainer import Trainer
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import UsageError
from coded_dgd.files import writing
from coded_dgd.problems.norms import norm
from coded_dgd.runs.folder import new_folder, remove_folder
from coded_dgd.theory.cases import PredictedCase


class Step(NamedTuple):
    """A step is the state of a run after a number of iterations."""

    iteration: int
    seconds: float
    """Virtual time since the first beta_t left, in seconds."""
    loss: float
    distance: float | None
    """Distance ||beta - optimum||, or None if the optimum is not known."""


def train(config: RunConfig, case: PredictedCase, iterations: int) -> list[Step]:
    """Train in virtual time and return the step after each iteration; the first step is the start.

    Raises
    ------
    CodedDGDError
        For the reasons for which `Trainer.step` raises it.
    """
    given = {"blocks": None, "load": None, **dict.fromkeys(SCHEME_OPTIONS), **case.given}
    config = replace(
        config, scheme=case.name, iterations=iterations, transport="simulated", **given
    )
    prepared = setup.prepare(config, None)
    transport = SimulatedTransport(prepared.scheme.workers)
    trainer = Trainer(prepared, transport, prepared.problem())
    problem = trainer.start().problem
    optimum = problem.optimum()
    steps: list[Step] = []
    seconds = 0.0
    while True:
        beta = trainer.optimizer.beta
        distance = None if optimum is None else norm(beta - optimum)
        steps.append(Step(trainer.iteration, seconds, problem.loss(beta), distance))
        if trainer.iteration == iterations:
            return steps
        seconds += trainer.step().completion_time


class ConvergenceStudy:
    """A convergence trains schemes in turn and may write ``convergence.csv`` into a new folder.

    Parameters
    ----------
    iterations : int
        Number of iterations T of each run.
    gap : float
        Fraction of the first distance to the optimum; the time to reach it is reported.
    folder : Path, optional
        New folder for the file. It is removed again if nothing is written to it.

    Raises
    ------
    UsageError
        If a number is out of range, or the folder cannot be made.
    """

    def __init__(self, iterations: int, gap: float, folder: Path | None) -> None:
        if iterations < 1:
            raise UsageError("--train has to be 1 or more")
        if not 0 < gap < 1:
            raise UsageError(f"--gap {gap:g} is a fraction: 0 < F < 1")
        self._iterations, self._gap, self._folder = iterations, gap, folder
        if folder is not None:
            new_folder(folder, "")

    def __enter__(self) -> ConvergenceStudy:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None and not any(self._folder.iterdir()):
            remove_folder(self._folder)

    def add(self, config: RunConfig, case: PredictedCase, entry: dict[str, Any]) -> None:
        """Train `case` and add the results to `entry`, which holds its prediction."""
        steps = train(config, case, self._iterations)
        last, near = steps[-1], None
        if steps[0].distance is not None:
            goal = self._gap * steps[0].distance
            near = next((s for s in steps if s.distance is not None and s.distance <= goal), None)
        entry["training"] = {
            "iterations": last.iteration,
            "virtual_time": last.seconds,
            "loss": last.loss,
            "distance_to_optimum": last.distance,
            "gap": self._gap,
            "time_to_gap": near and near.seconds,
            "iterations_to_gap": near and near.iteration,
        }
        reached = "not reached"
        if near is not None:
            reached = f"after {near.seconds:.5g} s, {near.iteration} iterations"
        entry["notes"].append(
            f"{self._gap:g} of the first distance to the optimum: {reached}; after "
            f"{last.seconds:.5g} s, {last.iteration} iterations: loss {last.loss:.8g}"
            + ("" if last.distance is None else f", distance {last.distance:.3g}")
        )
        if self._folder is not None:
            entry["training"]["file"] = str(self._write(entry, steps))

    def _write(self, entry: dict[str, Any], steps: Sequence[Step]) -> Path:
        assert self._folder is not None
        path = self._folder / "convergence.csv"
        new = not path.exists()
        with writing(path), path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["scheme", "load", *Step._fields])
            writer.writerows([entry["scheme"], entry["load"], *step] for step in steps)
        return path
