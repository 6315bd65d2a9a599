"""What all estimators share: the parameters of a run, its arguments, and its result."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from coded_dgd.api import Training
from coded_dgd.errors import UsageError, shown
from coded_dgd.estimators._parameters import SAME, described
from coded_dgd.estimators.ranks import fit_on_ranks
from coded_dgd.problems import evaluation, objectives
from coded_dgd.problems.model import Model
from coded_dgd.problems.objectives import Objective, follows_slope
from coded_dgd.problems.predictor import Predictor
from coded_dgd.problems.sources.in_memory import Named
from coded_dgd.schemes import remedies

FLOATS = [np.float64, np.float32]
"""Types of X that are kept; others become the first."""
SEEDS = 2**31 - 1
"""Upper bound of a seed that is drawn from a generator, exclusive."""
DEFAULT, COPIES = remedies.ANY_OBJECTIVE, 2
"""Default scheme, and the number of workers that hold a block with it by default."""
DIFFERENT = {
    "X": "fit(X, y)",
    "y": "fit(X, y)",
    "data": "fit(X, y)",
    "sample_weight": "fit(X, y, sample_weight)",
    "ridge": "alpha or C",
    "intercept": "fit_intercept",
    "iterations": "max_iter",
    "stop_at": "tol",
    "start": "warm_start",
    "seed": "random_state",
    "quiet": "verbose",
    "comm": "the ranks that mpiexec starts",
    **{name: name for name in (*SAME, "objective", "transport")},
}
"""Arguments of `train` that are no further options of an estimator, with what stands for them."""


@dataclass(kw_only=True, eq=False, repr=False)
class CodedEstimator(BaseEstimator):
    """The base of all estimators; `_parameters` describes what they share."""

    fit_intercept: bool = True
    standardize: bool = False
    max_iter: int = 1000
    tol: float = 1e-6
    warm_start: bool = False
    random_state: Any = None
    scheme: str = DEFAULT
    workers: int | None = None
    blocks: int | None = None
    load: int | None = None
    delay: str = "none"
    optimizer: str = "auto"
    transport: str = "mpi"
    verbose: bool = False
    options: dict[str, Any] | None = None

    _checks: ClassVar[Mapping[str, Any]] = {}
    """Further arguments of scikit-learn's checks of X and y."""
    _penalty: ClassVar[str] = "alpha"
    """What messages call the factor of the penalty."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.__doc__ = described(cls.__doc__)

    @property
    @abstractmethod
    def _objective(self) -> str | Objective | type[Objective]:
        """The objective, which may depend on the classes of the data."""

    @property
    @abstractmethod
    def _ridge(self) -> float:
        """The factor of half the squared norm of the coefficients."""

    @abstractmethod
    def _labelled(self, y: Any, weights: Any) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        """Return the labels and the weights of the rows with which to train."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train the model.

        Under mpiexec all ranks call it with the same parameters; the data of rank 0 count, and all
        ranks have the fitted model afterwards.

        Parameters
        ----------
        X : (m, l) array, data frame or sparse matrix
        y : (m,) array
        sample_weight : (m,) array, optional
            Weights of the rows, 0 or more; a weight of 2 counts as two copies of the row.

        Returns
        -------
        The estimator itself.

        Warns
        -----
        ConvergenceWarning
            If the result is far from the optimum; it is scikit-learn's, too.
        """
        before = self.__dict__.pop("model_", None)  # it is gone if this fit fails
        start = {"start": before} if self.warm_start and before is not None else {}

        def arguments(workers: int) -> dict[str, Any]:
            return {**self._data(X, y, sample_weight), **self._options(workers), **start}

        fit_on_ranks(self, arguments, self._learn)
        return self

    def _data(self, X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
        """Return the data as arguments of `train`, checked as scikit-learn does."""
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=FLOATS, **self._checks)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        y, weights = self._labelled(y, sample_weight)
        if (names := getattr(self, "feature_names_in_", None)) is not None:
            X = Named(X, names.tolist())
        return {"X": X, "y": y, "sample_weight": weights}

    def _options(self, workers: int) -> dict[str, Any]:
        """Return all other arguments of `train`."""
        further = {} if self.options is None else self.options
        if not isinstance(further, Mapping) or not all(isinstance(name, str) for name in further):
            raise UsageError(f"options has to be a dict of options of train, not {shown(further)}")
        for name in DIFFERENT.keys() & further.keys():
            raise UsageError(f"options has {name!r}: give it as {DIFFERENT[name]} instead")
        if self.fit_intercept and not follows_slope(made(self._objective)):
            raise UsageError(
                "fit_intercept=True adds a column of ones to losses of X beta, and objective "
                f"{shown(self._objective)} is none: give its model a bias of its own, and "
                "fit_intercept=False"
            )
        if self.workers is not None:
            self._number("workers", Integral, min_val=1)
        same = {name: getattr(self, name) for name in SAME}
        if self.scheme == DEFAULT and self.load is None:
            same["load"] = min(COPIES, max(workers, 1))
        seed = self.random_state
        if seed is not None and not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(SEEDS)
        return {
            "objective": self._objective,
            "ridge": self._ridge,
            "intercept": self.fit_intercept,
            "iterations": self._number("max_iter", Integral, min_val=1),
            "stop_at": self._number("tol", max_val=1, include_boundaries="left"),
            "seed": seed or 0,
            "transport": self.transport,
            "quiet": not self.verbose,
            **{name: value for name, value in same.items() if value is not None},
            **further,
        }

    def _number(self, name: str, kind: type = Real, min_val: float = 0, **limits: Any) -> Any:
        """Return a parameter that is a number; scikit-learn's error names one out of range."""
        value = check_scalar(getattr(self, name), name, kind, min_val=min_val, **limits)
        if value != value or value == inf != limits.get("max_val"):  # a NaN passes comparisons
            raise ValueError(f"{name} == {value}, must be a finite number.")
        return value

    def _learn(self, training: Training) -> None:
        """Keep what a training has found."""
        self._keep(training.model)
        self.n_iter_, self.history_ = training.n_iter_, training.history
        self.summary_ = training.summary

    def _keep(self, model: Model) -> None:
        """Keep a model."""
        self.model_, self.coef_ = model, model.coef
        self.intercept_ = model.intercept if model.intercept.ndim else float(model.intercept)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return what the model predicts of rows, of shape (k,).

        Parameters
        ----------
        X : (k, l) array, data frame or sparse matrix
        """
        return self._predictor().predict(self._rows(X))

    def _predictor(self) -> Predictor:
        """Return the predictor of the fitted model."""
        check_is_fitted(self, "model_")
        return Predictor(self.model_, made(self._objective))

    def _rows(self, X: Any) -> Any:
        """Return rows to predict, checked as scikit-learn does."""
        return validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def has_classes(objective: str | Objective | type[Objective]) -> bool:
    """Return whether an objective is that of a classifier."""
    return evaluation.label_codes(made(objective), np.arange(2.0)) is not None


def made(objective: str | Objective | type[Objective]) -> Objective:
    """Return an objective of its own, which may learn classes.

    Raises
    ------
    UsageError
        There is no such objective, or its class cannot be called without arguments.
    """
    if isinstance(objective, str):
        return objectives.create(objective)
    if isinstance(objective, Objective):
        return copy.deepcopy(objective)
    if isinstance(objective, type) and issubclass(objective, Objective):
        return objectives.made(objective)
    raise UsageError(f"objective {shown(objective)}: give a name, an Objective, or a class of one")
