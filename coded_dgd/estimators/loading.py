"""A run becomes the estimator that would have trained its model."""

from __future__ import annotations

import os
from dataclasses import fields
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.config import RunConfig
from coded_dgd.config_file import read_toml
from coded_dgd.errors import DataError, UsageError, one_line
from coded_dgd.estimators._parameters import SAME
from coded_dgd.estimators.base import DIFFERENT, CodedEstimator
from coded_dgd.estimators.classifier import Classifier, CodedClassifier
from coded_dgd.estimators.logistic import CodedLogisticRegression
from coded_dgd.estimators.regressor import CodedRegressor
from coded_dgd.estimators.ridge import CodedRidge
from coded_dgd.problems.model import Model
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.predictor import Predictor
from coded_dgd.reading import OPTIONS as READING
from coded_dgd.runs.reading import read_summary
from coded_dgd.runs.run_folder import CONFIG, SUMMARY, read_log
from coded_dgd.runs.summary import Summary

OF_FILES = {*READING, "encode", "checkpoint_every", "checkpoint_seconds"}
"""Options of a run that mean nothing to an estimator, whose data are in memory."""


def load(
    path: str | os.PathLike[str], objective: str | Objective | type[Objective] | None = None
) -> CodedEstimator:
    """Return the fitted estimator of a run, as if it had trained the model itself.

    Parameters
    ----------
    path : path
        Folder of a run, or a file of its model.
    objective : str, Objective or class, optional
        The objective of the training if it is one of the user. A model never imports code of the
        user by itself.

    Returns
    -------
    CodedEstimator
        `CodedRidge` for least squares, `CodedLogisticRegression` for a logistic loss and for
        softmax of three classes or more, and otherwise `CodedClassifier` or `CodedRegressor`. Its
        parameters are those of the run if the folder has its configuration.

    Raises
    ------
    CodedDGDError
        If there is no model, or its objective is needed and missing, or does not fit.
    """
    file = Path(path)
    model = Model.read(file)
    folder = file if file.is_dir() else file.parent
    found = _unfitted(model, objective)
    if (folder / CONFIG).is_file():
        found.set_params(**_parameters(found, _configuration(folder)))
    if isinstance(found, Classifier) and model.classes is not None:
        found.classes_ = _plain(model.classes)
    found._keep(model)
    found._predictor()  # which refuses an objective that does not fit
    found.n_features_in_ = model.features
    if model.names is not None:
        found.feature_names_in_ = np.array(model.names, dtype=object)
    if (folder / SUMMARY).is_file():
        summary = _summary(folder)
        found.n_iter_, found.summary_ = summary.iterations, summary.to_json()
        found.history_ = read_log(folder, summary.iterations) or []
    return found


def _plain(classes: NDArray[Any]) -> NDArray[Any]:
    """Return the labels of a model, which keeps numbers as floats, as integers where they are."""
    whole = classes.dtype.kind == "f" and bool((classes == np.rint(classes)).all())
    return classes.astype(np.int64) if whole and bool((abs(classes) < 2**53).all()) else classes


def _configuration(folder: Path) -> RunConfig:
    try:
        return RunConfig(**read_toml(folder / CONFIG))
    except UsageError as error:
        raise DataError(
            f"{str(error).removeprefix('--config ')}; or remove {folder / CONFIG}, and the model "
            "is loaded without the options of its run"
        ) from None


def _summary(folder: Path) -> Summary:
    try:
        return read_summary(folder)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder / SUMMARY} cannot be read ({one_line(error)}): remove it, and the model is "
            "loaded without what it tells of the training"
        ) from None


def _unfitted(model: Model, objective: str | Objective | type[Objective] | None) -> CodedEstimator:
    """Return an estimator of the class that suits a model."""
    if objective is None:
        Predictor(model)  # which asks for the objective if it is one of the user
        classes = 0 if model.classes is None else len(model.classes)
        if model.objective == "least-squares":
            return CodedRidge()
        if model.objective == "logistic" or (model.objective == "softmax" and classes > 2):
            return CodedLogisticRegression()
        objective = model.objective
    return (CodedRegressor if model.classes is None else CodedClassifier)(objective)


def _parameters(estimator: CodedEstimator, config: RunConfig) -> dict[str, Any]:
    """Return the parameters of an estimator for the options of a run."""
    usual = RunConfig(dtype=config.dtype)
    further = {
        name: value
        for name in (field.name for field in fields(RunConfig))
        if name not in DIFFERENT
        and name not in OF_FILES
        and (value := getattr(config, name)) != getattr(usual, name)
    }
    if config.dtype != RunConfig().dtype:
        further["dtype"] = config.dtype
    strength = {"alpha": config.ridge}
    if isinstance(estimator, CodedLogisticRegression):
        strength = {"C": 1 / config.ridge if config.ridge else inf}
    return {
        **strength,
        "fit_intercept": config.intercept,
        "max_iter": config.iterations,
        "tol": config.stop_at,
        "random_state": config.seed,
        "transport": config.transport,
        **{name: getattr(config, name) for name in SAME},
        "options": further or None,
    }
