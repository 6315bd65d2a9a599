"""What `coded_dgd.train` is given, as the data, the records and the configuration of a run."""

from __future__ import annotations

import reprlib
from dataclasses import fields, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from coded_dgd.app.running import Records
from coded_dgd.config import RunConfig
from coded_dgd.errors import UsageError
from coded_dgd.problems.sources import Reading, Source
from coded_dgd.problems.sources.base import ArraySource
from coded_dgd.report import resume as resuming
from coded_dgd.spec import nearest


def source(X: ArrayLike | None, y: ArrayLike | None, options: dict[str, Any]) -> Source | None:
    """Return the data that were given as arrays, if they were."""
    if (X is None) != (y is None):
        raise UsageError("train takes X and y together, or data=... instead of both")
    if X is None or y is None:
        return None
    if "data" in options:
        raise UsageError("train takes X and y, or data=... instead: leave one of them out")
    if options.get("encode") == "local":
        raise UsageError('encode="local" needs data=..., a file that every rank can read')
    for name in (field.name for field in fields(Reading)):
        if options.get(name) is not None:
            raise UsageError(f"train: {name} says how to read a file, and X and y are arrays")
    options["data"] = "X, y"
    return ArraySource("X, y", np.asarray(X), np.asarray(y), "in memory")


def records(options: dict[str, Any]) -> Records:
    """Take from the options those that are not of the configuration.

    Raises
    ------
    UsageError
        If one of them would do nothing.
    """
    given = {
        field.name: options.pop(field.name)
        for field in fields(Records)
        if field.name in options and field.name != "folder"
    }
    for name in ("out", "resume", "timeline", "log_dir"):
        if given.get(name) is not None:
            given[name] = _path(name, given[name])
    found = Records(**{"quiet": True, **given})
    found = replace(found, folder=bool(found.out or found.resume))
    if not found.folder:
        for name in ("checkpoint_every", "checkpoint_seconds"):
            if options.get(name):
                raise UsageError(f"train: {name} needs out=FOLDER, where checkpoints are written")
    for name, needed in (("log_level", "log_dir"), ("allow_different_workers", "resume")):
        if name in given and not given.get(needed):
            raise UsageError(f"train: {name} does nothing without {needed}")
    return found


def configuration(records: Records, options: dict[str, Any]) -> RunConfig:
    """Return the configuration, when a run is resumed that of its folder with what is given."""
    known = [field.name for field in fields(RunConfig)]
    for name in options:
        if name not in known:
            raise UsageError(f"train has no option {name!r}{nearest(name, known)}")
    if records.resume:
        return resuming.configuration(records.resume, options, records.allow_different_workers)
    return RunConfig(**{"delay": "none", **options})


def _path(name: str, value: Any) -> Path:
    if not isinstance(value, (str, PathLike)):
        raise UsageError(f"train: {name} has to be a path, not {reprlib.repr(value)}")
    return Path(value)
