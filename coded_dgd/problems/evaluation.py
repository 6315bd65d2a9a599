"""Functions that call an objective and report any fault of a user's objective in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import isnan
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import CodedDGDError, UsageError, located
from coded_dgd.problems.objectives.base import LinearModel, Objective, Reals, follows_slope

Gradient = Callable[[Reals, Reals | None, Reals, Reals | None], Reals]
"""A function with the arguments and the result of `Objective.gradient`."""


def is_built_in(objective: Objective) -> bool:
    """Return whether all code of the objective belongs to this package, so it needs no trial."""
    return type(objective).__module__.startswith("coded_dgd.") and not objective.runs_own_code


def gradient_of(objective: Objective) -> Gradient:
    """Return `gradient` bound to an objective; a built-in objective is called without checks."""
    return objective.gradient if is_built_in(objective) else partial(gradient, objective)


def gradient(
    objective: Objective, X: Reals, y: Reals | None, beta: Reals, weights: Reals | None
) -> Reals:
    """Return the checked result of `Objective.gradient`.

    Raises
    ------
    UsageError
        If the method raises, or its result is not a real array of the shape of `beta`.
    """
    found = _asked(objective, "gradient", X, y, beta, weights)
    each = "feature" if len(beta) == X.shape[1] else "parameter"
    return _checked(objective, "gradient", found, beta.shape, each)


def slope(objective: LinearModel, z: Reals, y: Reals | None) -> Reals:
    """Return the checked result of `LinearModel.slope`.

    Raises
    ------
    UsageError
        If the method raises, or its result is not a real array of the shape of `z`.
    """
    found = _asked(objective, "slope", z, y)
    return _checked(objective, "slope", found, z.shape, "row")


def losses(objective: LinearModel, z: Reals, y: Reals) -> Reals:
    """Return the checked result of `LinearModel.losses`.

    Raises
    ------
    UsageError
        If the method raises, or its result is not a real array with one number for each row.
    """
    found = _asked(objective, "losses", z, y)
    return _checked(objective, "losses", found, y.shape, "row")


def loss(
    objective: Objective, X: Reals, y: Reals, beta: Reals, weights: Reals | None = None
) -> float:
    """Return the checked result of `Objective.loss`, which needs no parameter `weights` if None.

    Raises
    ------
    UsageError
        If the method raises, or its result is not a real number.
    """
    given = () if weights is None else (weights,)
    found = _asked(objective, "loss", X, y, beta, *given)
    number = _number(found)
    if number is None or (isnan(number) and not is_built_in(objective)):
        refuse(objective, f"loss returned {described(found)}, and has to return one real number")
    return number


def size(objective: Objective, features: int) -> int:
    """Return the checked result of `Objective.size`.

    Raises
    ------
    UsageError
        If the method raises, or its result is not a positive integer.
    """
    found = _asked(objective, "size", features)
    if isinstance(found, bool) or not isinstance(found, (int, np.integer)) or found < 1:
        refuse(
            objective,
            f"size returned {described(found)} for {features} columns, and has to return how many "
            "parameters the model has",
        )
    return int(found)


def start(objective: Objective, features: int, seed: int) -> NDArray[np.float64]:
    """Return the checked result of `Objective.start` in float64.

    Raises
    ------
    UsageError
        If the method raises, or its result is not a real array with one finite number for each
        parameter.
    """
    found: Reals = _asked(objective, "start", features, seed)
    _checked(objective, "start", found, (size(objective, features),), "parameter")
    if not np.isfinite(found).all():
        refuse(objective, "start returned numbers that are not finite: training begins with them")
    return found.astype(np.float64)


def scores(
    objective: Objective, X: Reals, y: Reals, beta: Reals, weights: Reals | None = None
) -> dict[str, float]:
    """Return the checked result of `Objective.scores`, which is like `loss` in its `weights`.

    Raises
    ------
    UsageError
        If the method raises, or its result does not map names to real numbers.
    """
    given = () if weights is None else (weights,)
    found = _asked(objective, "scores", X, y, beta, *given)
    numbers = {}
    for name, value in found.items() if isinstance(found, Mapping) else [("", found)]:
        number = _number(value)
        if not name or number is None:
            refuse(
                objective,
                f"scores returned {described(value)}{f' for {name!r}' if name else ''}, and has to "
                "return a dict of names and real numbers",
            )
        numbers[name] = number
    return numbers


def predictions(objective: Objective, X: Reals, beta: Reals) -> Reals | None:
    """Return the checked result of `Objective.predict`: None, or an array of shape (k,).

    Raises
    ------
    UsageError
        If the method raises, or its result is not a real array with one number for each row.
    """
    found = _asked(objective, "predict", X, beta)
    return None if found is None else _checked(objective, "predict", found, (len(X),), "row")


def probabilities(objective: Objective, X: Reals, beta: Reals, classes: int) -> Reals | None:
    """Return the checked result of `Objective.probabilities`: None, or (k, C) for C classes.

    Raises
    ------
    UsageError
        If the method raises, or its result is not a real array of that shape.
    """
    found = _asked(objective, "probabilities", X, beta)
    shape = (len(X), classes)
    if found is None:
        return None
    return _checked(objective, "probabilities", found, shape, "row and class")


def decisions(objective: Objective, X: Reals, beta: Reals) -> Reals | None:
    """Return the margins of a linear classifier, of shape (k,), or (k, C) for C > 2 classes.

    For two classes larger margins speak for the second one. The result is None for other models.
    """
    if not follows_slope(objective):
        return None
    z = objective.margins(X, beta)
    return z[:, 1] - z[:, 0] if objective.outputs == 2 else z


def label_fault(objective: Objective, classes: Reals) -> str | None:
    """Return the result of `Objective.check_labels`.

    Raises
    ------
    UsageError
        If the method raises.
    """
    fault: str | None = _asked(objective, "check_labels", classes.copy())
    return fault


def label_codes(objective: Objective, classes: Reals) -> Reals | None:
    """Return the checked result of `Objective.encode_labels`.

    Raises
    ------
    UsageError
        If the method raises, or its result is not one finite number for each class.
    """
    try:
        found = objective.encode_labels(classes.copy())
        codes = None if found is None else np.asarray(found, np.float64)
    except Exception as error:
        _refuse_raised(objective, "encode_labels", error)
        raise
    if codes is not None and not (codes.shape == classes.shape and np.isfinite(codes).all()):
        refuse(
            objective,
            f"encode_labels returned {described(found)}, and has to return {len(classes)} finite "
            "numbers, one for each class",
        )
    return codes


def learn_classes(objective: Objective, classes: Reals) -> None:
    """Call `Objective.learn_classes`.

    Raises
    ------
    UsageError
        If the method raises.
    """
    _asked(objective, "learn_classes", classes.copy())


def refuse(objective: Objective, fault: str) -> NoReturn:
    """Raise a UsageError that names the objective and its fault."""
    raise UsageError(f"objective {type(objective).__name__}: {fault}")


def described(value: Any) -> str:
    """Return a description, in a few words, of the result of a method."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{value.dtype} {type(value).__name__} of shape {value.shape}"
    if isinstance(value, (bool, int, float, complex, np.generic, np.ndarray)):
        return f"the {type(value).__name__} {value}"
    return "None" if value is None else f"a {type(value).__name__}"


def _checked(
    objective: Objective, method: str, found: Reals, shape: tuple[int, ...], each: str
) -> Reals:
    """Return the result of a method, or refuse it if it is not a real array of this shape."""
    if type(found) is not np.ndarray or found.shape != shape or found.dtype.kind not in "fiu":
        refuse(
            objective,
            f"{method} returned {described(found)}, and has to return a real array of shape "
            f"{shape}, one number for each {each}",
        )
    return found


def _number(value: Any) -> float | None:
    """Return a real number of any type as a float; return None for other values."""
    if not isinstance(value, (int, float, np.generic, np.ndarray)):
        return None
    array = np.asarray(value)
    return float(array) if array.ndim == 0 and array.dtype.kind in "biuf" else None


def _asked(objective: Objective, method: str, *arguments: Any) -> Any:
    """Call a method of an objective, and refuse what it raises in one line."""
    try:
        return getattr(objective, method)(*arguments)
    except Exception as error:
        _refuse_raised(objective, method, error)
        raise


def _refuse_raised(objective: Objective, method: str, error: Exception) -> None:
    """Raise a one-line UsageError with the error of a user's objective and its place.

    Return if the objective is built in, or the error is a CodedDGDError or a MemoryError.
    """
    if is_built_in(objective) or isinstance(error, (CodedDGDError, MemoryError)):
        return
    raise UsageError(
        f"objective {type(objective).__name__}: {method} raised {located(error)}"
    ) from error
