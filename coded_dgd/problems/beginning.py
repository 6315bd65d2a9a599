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


def read_start(path: Path, problem: Problem) -> Floats:
    """Return the parameters of a model for the prepared data of a problem, of shape (p,).

    A linear model is moved to the scale of these data; one without an intercept has the intercept
    0. The objective of the model may be another one.

    Parameters
    ----------
    path : Path
        Folder of a run, or a file of its model.

    Raises
    ------
    CodedDGDError
        If there is no model, or its columns, classes or number of parameters are others.
    """
    model = Model.read(path)
    raw, preparation = preparation_of(problem.source)
    model.refuse_other_columns(raw)
    before, now = map(_listed, (model.classes, problem.source.class_labels))
    if before != now:
        _refuse(path, f"its classes are {_shown(before)}, and those of the data {_shown(now)}")
    scaling, objective = preparation.scaling or Scaling(), problem.objective
    if follows_slope(objective):
        coef, intercept = np.atleast_2d(model.coef), np.atleast_1d(model.intercept)
        if not model.linear or len(coef) != objective.outputs:
            _refuse(
                path,
                f"it is a model of objective {model.objective}, which has other parameters than "
                f"{type(objective).__name__}",
            )
        if not problem.source.intercept and intercept.any():
            _refuse(path, "it has an intercept, and this training has none (--intercept adds one)")
        rows = np.column_stack([coef, intercept]) if problem.source.intercept else coef
        return scaling.applied(rows.ravel(), objective.outputs)
    if model.linear or len(model.parameters) != problem.parameters:
        _refuse(
            path,
            f"it has {len(model.parameters)} parameters of objective {model.objective}, and "
            f"{type(objective).__name__} has {problem.parameters}",
        )
    for mine, its in ((scaling.means, model.means), (scaling.scales, model.scales)):
        if (None if its is None else tuple(its.tolist())) != mine:
            _refuse(path, "its columns were scaled otherwise, and it is no linear model")
    parameters: Floats = model.parameters.copy()
    return parameters


def _refuse(path: Path, fault: str) -> NoReturn:
    raise UsageError(f"--start {path}: {fault}: begin at another model, or leave --start out")


def _listed(classes: NDArray[Any] | None) -> list[Any]:
    return [] if classes is None else classes.tolist()


def _shown(classes: list[Any]) -> str:
    found = [f"{each:g}" if isinstance(each, float) else shown(each) for each in classes[:3]]
    return ", ".join(found) + ", ..." * (len(classes) > 3) or "none"
