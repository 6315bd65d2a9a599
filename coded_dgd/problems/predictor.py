"""A predictor computes what a trained model says of rows, in windows of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coded_dgd.errors import UsageError
from coded_dgd.problems import evaluation, objectives
from coded_dgd.problems.metrics import metrics
from coded_dgd.problems.model import Model
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.preparation import Preparation
from coded_dgd.problems.preparation.labels import Coding, InWords
from coded_dgd.problems.preparation.scaling import Scaling
from coded_dgd.problems.sources.base import Source, refuse_unlabelled
from coded_dgd.problems.sources.in_memory import open_arrays

Values = NDArray[Any]


class Predictor:
    """A predictor predicts with a model, and tells how well it predicts.

    Parameters
    ----------
    model : Model
    objective : Objective, optional
        The objective with which the model was trained. It may be left out if it is one of the
        package; a model never imports code of the user by itself.

    Raises
    ------
    UsageError
        If the objective is needed and missing, or the model is none of that objective.
    """

    def __init__(self, model: Model, objective: Objective | None = None) -> None:
        self.model = model
        self.objective = _named(model) if objective is None else objective
        self._words, self._numbers = None, np.arange(2.0)
        """Classes that are text, and the numbers that stand for classes before training."""
        if model.classes is not None:
            if model.classes.dtype.kind == "U":
                self._words = tuple(model.classes.tolist())
                self._numbers = np.arange(float(len(self._words)))
            else:
                self._numbers = model.classes
            evaluation.learn_classes(self.objective, self._numbers)
        self._codes = evaluation.label_codes(self.objective, self._numbers)
        """Numbers that stand for the classes in training; None for a regression."""
        columns = model.features + model.has_intercept
        fits = (model.classes is None) == (self._codes is None)
        if not fits or evaluation.size(self.objective, columns) != len(model.parameters):
            raise UsageError(
                f"the model was trained with objective {model.objective} and has "
                f"{len(model.parameters)} parameters, which does not fit objective "
                f"{type(self.objective).__name__}: give the objective of the training"
            )

    @classmethod
    def read(cls, path: Path, objective: str | None = None) -> Predictor:
        """Read a model from the folder of a run, or from one of its two files.

        Parameters
        ----------
        path : Path
            Folder of a run, or a file of its model.
        objective : str, optional
            Text of ``--objective``, for models of objectives of the user.

        Raises
        ------
        CodedDGDError
            If there is no model, or its objective is needed and missing, or does not fit.
        """
        model = Model.read(path)
        if objective is None:
            return cls(model)
        if _is_named(model):
            raise UsageError(
                f"{path} was trained with objective {model.objective}: leave --objective out"
            )
        return cls(model, objectives.create(objective))

    def predictions(self, source: Source) -> Iterator[Values]:
        """Yield what the model predicts of each window of rows, of shape (k,).

        Classes are those of the labels of the training data.

        Parameters
        ----------
        source : Source
            Rows with the columns of the model; labels are not used.

        Raises
        ------
        CodedDGDError
            If the columns are not those of the model, or the objective predicts nothing.
        """
        for X in self._windows(source):
            yield self._labels(evaluation.predictions(self.objective, X, self.model.parameters))

    def probabilities(self, source: Source) -> Iterator[Values]:
        """Yield the probabilities of the classes for each window of rows, of shape (k, C).

        Raises
        ------
        CodedDGDError
            If the columns are not those of the model, or it has no probabilities.
        """
        for X in self._windows(source):
            beta, classes = self.model.parameters, self.model.classes
            found = None
            if classes is not None:
                found = evaluation.probabilities(self.objective, X, beta, len(classes))
            yield self._refuse_none(
                found, "has no probabilities of classes: ask for predictions instead"
            )

    def decisions(self, source: Source) -> Iterator[Values]:
        """Yield the margins of each window of rows; see `evaluation.decisions`.

        Raises
        ------
        CodedDGDError
            If the columns are not those of the model, or it is no linear classifier.
        """
        for X in self._windows(source):
            found = None
            if self.model.classes is not None:
                found = evaluation.decisions(self.objective, X, self.model.parameters)
            yield self._refuse_none(
                found, "is no linear classifier, and has no margins: ask for predictions instead"
            )

    def metrics(self, source: Source) -> dict[str, float]:
        """Return the figures of the model on labelled rows; see `metrics.metrics`.

        Parameters
        ----------
        source : Source
            Rows with the columns of the model, and labels as in the training data.

        Raises
        ------
        CodedDGDError
            If there are no labels, a label is no class of the model, the columns are not those of
            the model, or the objective is faulty.
        """
        refuse_unlabelled(source, "add the labels to evaluate the model, or use predict")
        return metrics(self.objective, self._prepared(source, True), self.model.parameters)

    def predict(self, X: Any) -> Values:
        """Return what the model predicts of rows in memory, of shape (k,).

        Parameters
        ----------
        X : (k, l) array, data frame, sparse matrix, or list of rows
        """
        return self._joined(self.predictions, X)

    def predict_proba(self, X: Any) -> Values:
        """Return the probabilities of the classes of rows in memory, of shape (k, C).

        Parameters
        ----------
        X : (k, l) array, data frame, sparse matrix, or list of rows
        """
        return self._joined(self.probabilities, X)

    def decision_function(self, X: Any) -> Values:
        """Return the margins of rows in memory, of shape (k,), or (k, C) for C > 2 classes.

        Parameters
        ----------
        X : (k, l) array, data frame, sparse matrix, or list of rows
        """
        return self._joined(self.decisions, X)

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy of a classifier, or R^2, on labelled rows in memory.

        Parameters
        ----------
        X : (k, l) array, data frame, sparse matrix, or list of rows
        y : (k,) array, column of a data frame, or list
            Labels as in the training data.
        sample_weight : (k,) array, optional
            Weights of the rows, which count as numbers of copies.
        """
        found = self.metrics(open_arrays(X, y, sample_weight))
        name = "r2" if self.model.classes is None else "accuracy"
        if name not in found:
            self._refuse_none(None, _PREDICTS_NOTHING)
        return found[name]

    def _joined(self, answer: Callable[[Source], Iterator[Values]], X: Any) -> Values:
        return np.concatenate([*answer(open_arrays(X, None))])

    def _windows(self, source: Source) -> Iterator[Values]:
        """Yield windows of prepared rows."""
        return (X for X, _ in self._prepared(source, False).windows())

    def _prepared(self, source: Source, labelled: bool) -> Source:
        """Return rows for the parameters of the model, and their labels as in training."""
        model = self.model
        model.refuse_other_columns(source)
        scaling = Scaling(intercept=True) if model.has_intercept else None
        if not model.linear and not (model.means is None and model.scales is None):
            scaling = Scaling(_plain(model.means), _plain(model.scales))
        coding = None
        if labelled:
            source, coding = InWords(source, self._words), self._coding
        return Preparation(coding, scaling).applied(source)

    @property
    def _coding(self) -> Coding | None:
        """Classes and their numbers in training; None without classes."""
        if self.model.classes is None or self._codes is None:
            return None
        return tuple(self._numbers.tolist()), tuple(self._codes.tolist())

    def _labels(self, predicted: Values | None) -> Values:
        """Return predictions as labels of the data: numbers, or classes."""
        found = self._refuse_none(predicted, _PREDICTS_NOTHING)
        if self.model.classes is None or self._codes is None:
            return found
        matches = found[:, None] == self._codes
        if not matches.any(axis=1).all():
            evaluation.refuse(self.objective, "predict returned a number that stands for no class")
        labels: Values = self.model.classes[matches.argmax(axis=1)]
        return labels

    def _refuse_none(self, found: Values | None, fault: str) -> Values:
        if found is None:
            raise UsageError(f"a model of objective {self.model.objective} {fault}")
        return found


_PREDICTS_NOTHING = (
    "does not say what it predicts: define predict(X, beta) in the objective, which returns one "
    "number for each row"
)


def _named(model: Model) -> Objective:
    """Return the objective of the package that a model names.

    Raises
    ------
    UsageError
        If it is an objective of the user.
    """
    if _is_named(model):
        return objectives.create(model.objective)
    raise UsageError(
        f"the model was trained with an objective of your own, {model.objective}, whose code is "
        "run only if you say so: add --objective MODULE:CLASS, or give the objective"
    )


def _is_named(model: Model) -> bool:
    """Return whether a model was trained with an objective that the package has by name."""
    return model.objective.partition(":")[0] in objectives.names()


def _plain(values: Values | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values.tolist())
