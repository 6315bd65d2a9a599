"""Finding out where a run folder can be gone on with, and whether that is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from coded_dgd.config import HARMLESS, RunConfig, read_toml
from coded_dgd.engine.checkpoint import Checkpoint, latest
from coded_dgd.engine.job import Resume
from coded_dgd.engine.setup import Setup
from coded_dgd.errors import UsageError
from coded_dgd.report.run_folder import CONFIG, ITERATIONS, finished, read_log


class Found(NamedTuple):
    """What a run folder holds."""

    resume: Resume | None
    """None where there is no checkpoint: then the run starts from the beginning."""
    complaints: list[str]
    """What is wrong with newer checkpoints."""


def configuration(folder: Path, given: Mapping[str, Any], other_workers: bool) -> RunConfig:
    """Return the configuration of a run folder, changed by what the user has given.

    Parameters
    ----------
    given : mapping
        Options that the user has given.
    other_workers : bool
        Whether the number of workers may differ.

    Raises
    ------
    UsageError
        If there is no run in the folder, or an option would change what is done already.
    """
    if not (folder / CONFIG).is_file() or not (folder / ITERATIONS).is_file():
        raise UsageError(
            f"--resume {folder} is no run folder ({CONFIG} or {ITERATIONS} is missing): name one"
        )
    before = RunConfig(**read_toml(folder / CONFIG))
    changed = {name: value for name, value in given.items() if getattr(before, name) != value}
    allowed = (*HARMLESS, "workers") if other_workers else HARMLESS
    for name, value in changed.items():
        if name not in allowed:
            option = f"--{name.replace('_', '-')}"
            was = getattr(before, name)
            raise UsageError(
                f"--resume {folder}: {option} {value} differs from the run's "
                f"{'default' if was is None else was}: leave {option} out, or start a new run"
            )
    return replace(before, **changed)


def find(folder: Path, setup: Setup, other_workers: bool) -> Found:
    """Find the newest checkpoint that can be used.

    Raises
    ------
    UsageError
        If nothing is left to do, or the number of workers differs and may not.
    """
    checkpoint, complaints = latest(folder, lambda each: _usable(each, folder))
    if checkpoint is None:
        return Found(None, complaints)
    workers, started = setup.scheme.workers, checkpoint.values["started"]
    if workers != started and not other_workers:
        raise UsageError(
            f"--resume {folder}: the run had {started} workers and now there are {workers}: "
            f"start {started}, or add --allow-different-workers"
        )
    more = setup.config.iterations - checkpoint.iteration
    if more < 0 or (more == 0 and finished(folder)):
        raise UsageError(
            f"--resume {folder}: all {checkpoint.iteration} iterations are done: "
            "ask for more with --iterations"
        )
    log = read_log(folder, checkpoint.iteration)
    assert log is not None
    return Found((checkpoint, log), complaints)


def _usable(checkpoint: Checkpoint, folder: Path) -> bool:
    """Whether a checkpoint is complete and the records of its iterations are there."""
    values, arrays = checkpoint.values, checkpoint.arrays
    kinds: dict[str, type | tuple[type, ...]] = {
        "started": int,
        "workers": int,
        "stages": int,
        "scheme": dict,
        "clock": (int, float),
        "first_norm": (int, float),
        "absences": list,
        "losses": list,
    }
    complete = all(isinstance(values.get(name), kind) for name, kind in kinds.items())
    if not complete or not {"beta", "point", "steps"} <= set(arrays):
        return False
    shapes = [arrays[name].shape for name in ("beta", "point", "steps")]
    return (
        len(shapes[0]) == 1
        and shapes[0] == shapes[1]
        and shapes[2] == ()
        and all(array.dtype == np.float64 and np.isfinite(array).all() for array in arrays.values())
        and read_log(folder, checkpoint.iteration) is not None
    )
