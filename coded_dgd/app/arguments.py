"""Check the arguments of `coded_dgd.train`, and turn them into data, records and configuration."""

from __future__ import annotations

from dataclasses import fields, replace
from os import fsdecode
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from coded_dgd.app.running import NEEDS, Given, Records, idle
from coded_dgd.config import RunConfig
from coded_dgd.errors import UsageError
from coded_dgd.problems import beginning, held_out
from coded_dgd.problems.model import Model
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.sources import Source
from coded_dgd.problems.sources._given import real_array
from coded_dgd.problems.sources.in_memory import NAME, open_arrays
from coded_dgd.reading import OPTIONS as READING
from coded_dgd.runs import resume as resuming
from coded_dgd.schemes import remedies
from coded_dgd.spec import nearest
from coded_dgd.values import plain, refuse_misfit

INSTEAD = {
    "columns": 'names or numbers in one text, such as "age,size" or "2:5"',
    "data": "a path, or the arrays themselves as train(X, y)",
    "delay": 'text such as "shifted-exponential:mu=10,alpha=0.01"',
    "objective": "a name, an Objective, or a class of one",
    "scheme": 'a name, or "MODULE:CLASS" of a class that can be imported',
    "start": "the folder of a run, a model (model_ of an estimator), or an array of parameters",
    "weights": "a path, or with arrays X and y the weights as sample_weight=...",
    "validation": "a fraction of the rows, a path, or arrays as (X, y)",
    "wait": '"all", "fastest:K" or "deadline:SECONDS"',
}
"""Description of the values of options that are easily given in another form."""


class Arguments(NamedTuple):
    """The parts that make up a run."""

    records: Records
    config: RunConfig
    given: Given


def parse(
    X: Any,
    y: Any,
    unnamed: tuple[Any, ...],
    weights: Any,
    objective: Objective | None,
    options: dict[str, Any],
) -> Arguments:
    """Check all arguments of `train`, and return the parts of the run.

    Parameters
    ----------
    unnamed : tuple
        Positional arguments after X and y.
    weights : array, optional
        The argument `sample_weight`.
    objective : Objective, optional
        The objective if it is not given by name.
    options : dict
        Options of ``coded-dgd run``, by name with underscores.

    Raises
    ------
    UsageError
        An argument is unknown, of the wrong type, without effect or in conflict with others,
        or X and y are not valid data.
    """
    if unnamed:
        raise UsageError(
            f"train takes X and y, and all else by name, such as scheme={remedies.ANY_OBJECTIVE!r}"
        )
    written, options = _split(options)
    begin, rows = _begin(options), _held_out(options)
    _refuse_unknown(options)
    source = _source(X, y, weights, options)
    records = _records(written, options)
    given = Given(source, begin, rows, objective)
    return Arguments(records, _configuration(records, options), given)


def _split(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate options for records and output from those of the configuration."""
    names = {field.name for field in fields(Records)} - {"folder", "given"}
    written = {name: value for name, value in options.items() if name in names}
    return written, plain({name: value for name, value in options.items() if name not in names})


def _begin(options: dict[str, Any]) -> beginning.Begin | None:
    """Return the model to begin at if it is given in memory, and name it in the options."""
    given = options.get("start")
    if not isinstance(given, (Model, np.ndarray)):
        return None
    if not isinstance(given, Model):
        given = real_array("start", given)
    options["start"] = beginning.NAME
    return given


def _held_out(options: dict[str, Any]) -> Source | None:
    """Return the held-out rows if they are given as arrays, and name them in the options."""
    given = options.get("validation")
    if not isinstance(given, (tuple, list)):
        return None
    if len(given) not in (2, 3):
        raise UsageError(
            f"train: validation has {len(given)} items: give (X, y) or (X, y, sample_weight)"
        )
    options["validation"] = held_out.NAME
    X, y, *weights = given
    return open_arrays(X, y, *weights, where="validation ")


def _refuse_unknown(options: dict[str, Any]) -> None:
    """Refuse options that do not exist, and values of the wrong type."""
    known = [field.name for field in fields(RunConfig)]
    for name in options:
        if name not in known:
            raise UsageError(f"train has no option {name!r}{nearest(name, known)}")
        try:
            refuse_misfit({name: options[name]}, "train: ", RunConfig)
        except UsageError as error:
            if name in INSTEAD:
                error.args = (f"{error}: give {INSTEAD[name]}",)
            raise


def _records(given: dict[str, Any], options: dict[str, Any]) -> Records:
    """Return what to write and print, and refuse options without effect."""
    for name in ("out", "resume", "timeline", "log_dir"):
        if name in given:
            given[name] = _path(name, given[name])
    refuse_misfit(given, "train: ", Records)
    for name in idle(given):
        raise UsageError(f"train: {name} does nothing without {NEEDS[name]}")
    found = Records(**{"quiet": True, **given})
    found = replace(found, folder=bool(found.out or found.resume))
    if not found.folder:
        for name in ("checkpoint_every", "checkpoint_seconds"):
            if options.get(name):
                raise UsageError(f"train: {name} needs out=FOLDER, where checkpoints are written")
    if found.resume:
        return replace(found, resume=resuming.locate(found.resume), given=options)
    return found


def _source(X: Any, y: Any, weights: Any, options: dict[str, Any]) -> Source | None:
    """Return the data that were given as arrays, if any."""
    if (X is None) != (y is None):
        raise UsageError("train takes X and y together, or data=... instead of both")
    if X is None:
        if weights is not None:
            raise UsageError(
                "train: sample_weight belongs to X and y: beside data=... give weights=FILE"
            )
        return None
    if "data" in options:
        raise UsageError("train takes X and y, or data=... instead: leave one of them out")
    if options.get("encode") == "local":
        raise UsageError('encode="local" needs data=..., a file that every rank can read')
    if options.get("weights") is not None:
        raise UsageError("train: weights names a file: with X and y give sample_weight=... instead")
    for name in READING:
        if options.get(name) is not None:
            raise UsageError(f"train: {name} says how to read a file, and X and y are arrays")
    options["data"] = NAME
    return open_arrays(X, y, weights)


def _configuration(records: Records, options: dict[str, Any]) -> RunConfig:
    """Return the configuration; for a resumed run, that of its folder with the given changes."""
    if records.resume:
        return resuming.configuration(
            records.resume, options, records.allow_different_workers, records.allow_different_data
        )
    return RunConfig(**{"delay": "none", **options})


def _path(name: str, value: Any) -> Any:
    """Return a path as a `Path`, and any other value unchanged."""
    try:
        text = fsdecode(value)
    except TypeError:
        return value
    if "\0" in text:
        raise UsageError(f"train: {name} is no path: there is a NUL in {text!r}")
    return Path(text)
