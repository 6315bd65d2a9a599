"""This module finds the checkpoint at which a run can be resumed and checks that it may be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf, isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from coded_dgd import origin
from coded_dgd.config import HARMLESS, RunConfig
from coded_dgd.config_file import read_toml
from coded_dgd.engine import validating
from coded_dgd.engine.changes import Adaptation
from coded_dgd.engine.checkpoint import Checkpoint, latest
from coded_dgd.engine.iteration import Absence
from coded_dgd.engine.job import Resume
from coded_dgd.engine.protocol import Floats, Report
from coded_dgd.engine.refusals import Refused
from coded_dgd.engine.setup import Setup
from coded_dgd.errors import UsageError
from coded_dgd.kinds import misfit
from coded_dgd.problems.fingerprint import Fingerprint
from coded_dgd.runs.run_folder import CONFIG, ITERATIONS, finished, is_run_folder, read_log
from coded_dgd.schemes.base import Scheme


class ResumePoint(NamedTuple):
    """A resume point is what a run folder offers to continue from."""

    resume: Resume | None
    """Checkpoint and records to resume from; None if the run has to start from the beginning."""
    complaints: list[str]
    """Defects of newer checkpoints, one line each."""
    differences: list[str]
    """Differences between the present data and those of the run."""


def locate(path: Path) -> Path:
    """Return the run folder that a path names: the folder itself, or that of a file in it.

    Raises
    ------
    UsageError
        If the path names no run folder. The message names the newest run folder below it.
    """
    if is_run_folder(path):
        return path
    try:
        if path.is_file() and is_run_folder(path.parent):
            return path.parent
        below = [each for each in path.iterdir() if is_run_folder(each)]
        newest = max(below, key=lambda each: (each / ITERATIONS).stat().st_mtime, default=None)
    except (OSError, ValueError):  # no folder, or not a valid path
        newest = None
    raise UsageError(
        f"--resume {path} is no run folder ({CONFIG} or {ITERATIONS} is missing): "
        + (f"name one, such as the newest in it, {newest}" if newest else "name one")
    )


def configuration(
    folder: Path, given: Mapping[str, Any], other_workers: bool, other_data: bool
) -> RunConfig:
    """Return the configuration of a run folder, changed by the options that the user has given.

    Parameters
    ----------
    given : mapping
        Options that the user has given.
    other_workers, other_data : bool
        Whether the number of workers, or the data, may differ.

    Raises
    ------
    UsageError
        If an option would change what is done already.
    """
    before = RunConfig(**read_toml(folder / CONFIG))
    changed = {
        name: value
        for name, value in given.items()
        if not origin.same(name, getattr(before, name), value)
    }
    # If the original data are gone, the checkpoint's fingerprint checks the new ones.
    files = ("data", "weights")
    moved = [name for name in files if other_data or origin.is_gone(name, getattr(before, name))]
    allowed = (*HARMLESS, *["workers"] * other_workers, *moved)
    for name, value in changed.items():
        if name not in allowed:
            option = f"--{name.replace('_', '-')}"
            was = getattr(before, name)
            raise UsageError(
                f"--resume {folder}: {option} {value} differs from the run's "
                f"{'default' if was is None else was}: leave {option} out, or start a new run"
            )
    return replace(before, **changed)


def find(
    folder: Path,
    setup: Setup,
    data: Fingerprint,
    parameters: int,
    other_workers: bool,
    other_data: bool,
) -> ResumePoint:
    """Find the newest checkpoint that can be used.

    Parameters
    ----------
    data : Fingerprint
        Fingerprint of the data with which the run is resumed.
    parameters : int
        Number of parameters of the model for these data.
    other_workers, other_data : bool
        Whether the number of workers, or the data, may differ from those of the run.

    Raises
    ------
    UsageError
        If all iterations are done, or something differs that may not.
    """
    checkpoint, complaints = latest(folder, lambda each: _usable(each, folder, setup.scheme))
    if checkpoint is None:
        return ResumePoint(None, complaints, [])
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
    differences = _differences(folder, setup, data, parameters, checkpoint, other_data)
    log = read_log(folder, checkpoint.iteration)
    assert log is not None
    return ResumePoint((checkpoint, log), complaints, differences)


def _differences(
    folder: Path,
    setup: Setup,
    data: Fingerprint,
    parameters: int,
    checkpoint: Checkpoint,
    allowed: bool,
) -> list[str]:
    """Return the differences between the data and those of a checkpoint; see `find`."""
    name, length = setup.config.data, len(checkpoint.arrays["beta"])
    if parameters != length:
        noun = "features" if parameters == data.features else "parameters"
        raise UsageError(
            f"--resume {folder}: the model has {length} {noun} and {name} has {parameters}: "
            "--resume needs the same data; start a new run with others"
        )
    known = checkpoint.values.get("data")
    found = data.differences(Fingerprint(**known)) if known else []
    if found and not allowed:
        raise UsageError(
            f"--resume {folder}: {name} is not what the run was trained on ({', '.join(found)}): "
            "give the same data, start a new run, or add --allow-different-data"
        )
    if found and (setup.config.intercept or setup.config.standardize):
        raise UsageError(
            f"--resume {folder}: the columns of the run are centred and scaled by the data that it "
            f"was trained on, and {name} is not those ({', '.join(found)}): give the same data, or "
            "start a new run"
        )
    return found


class _Values(NamedTuple):
    """These are the plain values of a checkpoint; its lists are checked separately."""

    started: int
    workers: int
    stages: int
    clock: float
    first_norm: float


def _usable(checkpoint: Checkpoint, folder: Path, scheme: Scheme) -> bool:
    """Return whether a checkpoint is complete and the records of its iterations exist."""
    try:
        return (
            _values_fit(dict(checkpoint.values), scheme)
            and _arrays_fit(checkpoint.arrays)
            and _validation_fits(checkpoint, folder)
            and read_log(folder, checkpoint.iteration) is not None
        )
    except (KeyError, TypeError, ValueError, AttributeError):  # not a checkpoint of this kind
        return False


def _values_fit(values: dict[str, Any], scheme: Scheme) -> bool:
    learnt, refused = values.pop("scheme"), values.pop("refused")
    absences = [Absence(*absence) for absence in values.pop("absences")]
    losses = [Report.from_json(report) for report in values.pop("losses")]
    adaptations = [Adaptation.from_json(each) for each in values.pop("adaptations")]
    data = values.pop("data", None)  # older versions did not record it
    speeds = values.pop("speeds", None)  # nor this
    values.pop("validation", None)  # only with held-out rows
    begun = values.pop("norm_without_begin", 0.0)  # only of a run that began at a model
    return (
        (data is None or misfit(Fingerprint(**data)._asdict(), Fingerprint) is None)
        and values.keys() == {*_Values._fields}
        and misfit(values, _Values) is None
        and min(values["started"], values["workers"], values["stages"]) >= 1
        and misfit({"first_norm": begun}, _Values) is None
        and isfinite(values["clock"] + values["first_norm"] + begun)
        and learnt.keys() == scheme.learnt().state().keys()
        and all(type(count) is int and count >= 0 for count in learnt.values())
        and all(misfit(report._asdict(), Report) is None for report in losses)
        and all(each.iteration >= 1 and each.stage >= 2 for each in adaptations)
        and all(misfit(vars(absence), Absence) is None for absence in absences)
        and all(0 <= absence.worker < values["workers"] for absence in absences)
        and (speeds is None or _speeds_fit(speeds, values["workers"]))
        and all(misfit(Refused(*each)._asdict(), Refused) is None for each in refused)
    )


def _validation_fits(checkpoint: Checkpoint, folder: Path) -> bool:
    """Return whether there is what a run with held-out rows needs to continue."""
    known = checkpoint.values.get("validation")
    if known is None:
        return RunConfig(**read_toml(folder / CONFIG)).validation is None
    return validating.fits(known, checkpoint.arrays)


def _speeds_fit(speeds: Any, workers: int) -> bool:
    """Return whether the times per block are as `Shares.state` returns them."""
    now, accuracy, divided = speeds
    return (
        len(now) == workers
        and len(divided) in (0, workers)
        and all(type(each) is float and 0 < each < inf for each in (*now, *divided))
        and len(accuracy) == 3
        and all(type(each) is float and 0 <= each < inf for each in accuracy)
    )


def _arrays_fit(arrays: Mapping[str, Floats]) -> bool:
    beta, point, steps = (arrays[name] for name in ("beta", "point", "steps"))
    return (
        beta.ndim == 1
        and beta.shape == point.shape
        and steps.shape == ()
        and bool(steps >= 0)
        and all(
            array.dtype == np.float64 and bool(np.isfinite(array).all())
            for array in arrays.values()
        )
    )
