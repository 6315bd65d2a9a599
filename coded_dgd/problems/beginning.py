"""A training may begin at the parameters of an earlier model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import UsageError, shown
from coded_dgd.problems.model import Model
from coded_dgd.problems.objectives import follows_slope
from coded_dgd.problems.preparation import preparation_of
from coded_dgd.problems.preparation.scaling import Scaling
from coded_dgd.problems.problem import Problem

Floats = NDArray[np.float64]
Begin = Path | Model | Floats
"""Where to begin: the folder of a run or a file of its model, a model, or its parameters."""
NAME = "model in memory"
"""Text of ``--start`` in the configuration of a run that begins at a model in memory."""


def start_at(begin: Begin, problem: Problem) -> Floats:
    """Return the parameters of a model for the prepared data of a problem, of shape (p,).

    A linear model is moved to the scale of these data; one without an intercept has the intercept
    0. The objective of the model may be another one.

    Parameters
    ----------
    begin : Path, Model or (p,) array
        Parameters of a linear model are those for columns in the units of the data, as in
        `Model.parameters`.

    Raises
    ------
    CodedDGDError
        If there is no model, or its columns, classes or number of parameters are others.
    """
    if isinstance(begin, Path):
        return _of_model(Model.read(begin), problem, f"--start {begin}")
    if isinstance(begin, Model):
        return _of_model(begin, problem, "start")
    if begin.shape != (problem.parameters,):
        _refuse(
            "start",
            f"it is an array of shape {begin.shape}, and the model has {problem.parameters} "
            "parameters",
        )
    if not np.isfinite(begin).all():
        _refuse("start", "some of its numbers are not finite")
    if not follows_slope(problem.objective):
        return begin.astype(np.float64)
    scaling = preparation_of(problem.source)[1].scaling or Scaling()
    return scaling.applied(begin, problem.objective.outputs)


def _of_model(model: Model, problem: Problem, where: str) -> Floats:
    """Return the parameters of a model; `where` begins the message of an error."""
    raw, preparation = preparation_of(problem.source)
    model.refuse_other_columns(raw)
    before, now = map(_listed, (model.classes, problem.source.class_labels))
    if before != now:
        _refuse(where, f"its classes are {_shown(before)}, and those of the data {_shown(now)}")
    scaling, objective = preparation.scaling or Scaling(), problem.objective
    if follows_slope(objective):
        coef, intercept = np.atleast_2d(model.coef), np.atleast_1d(model.intercept)
        if not model.linear or len(coef) != objective.outputs:
            _refuse(
                where,
                f"it is a model of objective {model.objective}, which has other parameters than "
                f"{type(objective).__name__}",
            )
        if not problem.source.intercept and intercept.any():
            _refuse(where, "it has an intercept, and this training has none (--intercept adds one)")
        rows = np.column_stack([coef, intercept]) if problem.source.intercept else coef
        return scaling.applied(rows.ravel(), objective.outputs)
    if model.linear or len(model.parameters) != problem.parameters:
        _refuse(
            where,
            f"it has {len(model.parameters)} parameters of objective {model.objective}, and "
            f"{type(objective).__name__} has {problem.parameters}",
        )
    for mine, its in ((scaling.means, model.means), (scaling.scales, model.scales)):
        if (None if its is None else tuple(its.tolist())) != mine:
            _refuse(where, "its columns were scaled otherwise, and it is no linear model")
    parameters: Floats = model.parameters.copy()
    return parameters


def _refuse(where: str, fault: str) -> NoReturn:
    option = where.partition(" ")[0]
    raise UsageError(f"{where}: {fault}: begin at another model, or leave {option} out")


def _listed(classes: NDArray[Any] | None) -> list[Any]:
    return [] if classes is None else classes.tolist()


def _shown(classes: list[Any]) -> str:
    found = [f"{each:g}" if isinstance(each, float) else shown(each) for each in classes[:3]]
    return ", ".join(found) + ", ..." * (len(classes) > 3) or "none"
