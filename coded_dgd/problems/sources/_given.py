"""Functions that convert arrays, lists and frames to arrays of real numbers.

A refusal names the place of the first value that is not a real number.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import DataError, shown
from coded_dgd.problems.sources._words import numbered
from coded_dgd.problems.sources.base import LARGEST, REAL_KINDS, Floats, refuse_unreal

NUMBERS = (Real, Decimal, np.bool_)
USUAL = (bool, float, np.floating, np.bool_)
"""Types in `NUMBERS` that convert to float64 without an error; large values become infinite."""
MISSING = ("NoneType", "NAType", "NaTType", "MaskedConstant")
"""Names of types that represent a missing value."""
CATEGORIES = ("category", "categorical", "enum", "dictionary")
"""Prefixes of column types whose codes are not values of the column."""


def real_array(name: str, given: Any) -> NDArray[Any]:
    """Return values as an array of real numbers, without a copy if they are one already.

    Parameters
    ----------
    name : str
        Name of the values in errors.
    given : array, frame, column of a frame, or sequence

    Raises
    ------
    DataError
        If any value is not a real number.
    """
    if names := column_names(given):
        return _joined(name, given, names)
    if _starts(given, CATEGORIES):
        raise DataError(
            f"{name} holds categories, which are no quantities: give a column of 0 and 1 for each, "
            "or numbers"
        )
    array = _unmasked(name, _array(name, given))
    if array.dtype.kind not in REAL_KINDS and isinstance(given, Sequence):
        array = np.array(given, dtype=object)  # of a word among numbers numpy makes words of all
    if array.dtype.kind == "O":
        return _numbers(name, array)
    refuse_unreal(name, array.dtype)
    return array


def given_labels(name: str, given: Any, X: Any) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """Return labels as an array of real numbers, and the distinct texts if they are texts.

    Parameters
    ----------
    name : str
        Name of the labels in errors.
    given : array, column of a frame, frame of one column, or sequence
        Real numbers; or texts, also as categories, which are replaced by their places among the
        distinct ones in ascending order.
    X : array
        The rows to which the labels belong.

    Raises
    ------
    DataError
        If the values are neither all real numbers nor all texts.
    """
    column = next(_columns(given)) if len(column_names(given)) == 1 else given
    array = _unmasked(name, _array(name, column))
    if array.dtype.kind == "S":
        refuse_unreal(name, array.dtype, text=True)
    if array.dtype.kind == "U" and isinstance(column, Sequence):
        array = np.array(column, dtype=object)  # of a word among numbers numpy makes words of all
    if array.size and (
        array.dtype.kind == "U"
        or (array.dtype.kind == "O" and all(issubclass(each, str) for each in _types(array)))
    ):
        return numbered("X, y", X, array)
    return real_array(name, given), None


def _types(array: NDArray[Any]) -> set[type]:
    return {*map(type, array.flat)}


def column_names(given: Any) -> list[Any]:
    """Return the names of the columns of a frame of pandas, polars or pyarrow, of any type.

    The list is empty for any other object.
    """
    if all(hasattr(given, each) for each in ("to_numpy", "columns", "dtypes")):
        return [*given.columns]
    if all(hasattr(given, each) for each in ("column_names", "columns")):
        return [*given.column_names]
    return []


def _columns(frame: Any) -> Iterator[Any]:
    """Return the columns of a frame, in order."""
    if hasattr(frame, "iloc"):
        return (frame.iloc[:, place] for place in range(len(frame.columns)))
    return iter(frame.get_columns() if hasattr(frame, "get_columns") else frame.columns)


def _joined(name: str, frame: Any, names: list[Any]) -> NDArray[Any]:
    """Return a frame as one array.

    If all columns have one real numpy type, numpy converts the frame. Otherwise the columns are
    joined into float32 if that holds them all, else into float64.
    """
    types = [*getattr(frame, "dtypes", [])]
    one = types[0] if len({*map(str, types)}) == 1 else None
    if isinstance(one, np.dtype) and one.kind in REAL_KINDS:
        return np.asarray(frame)
    columns = zip(names, _columns(frame), strict=True)
    arrays = [real_array(f"{name}, column {shown(title)}", each) for title, each in columns]
    kept = all(each.dtype.kind == "f" and each.dtype.itemsize <= 4 for each in arrays)
    joined = np.empty((len(arrays[0]), len(arrays)), np.float32 if kept else np.float64, order="F")
    for place, array in enumerate(arrays):
        joined[:, place] = array
    return joined


def _starts(given: Any, words: tuple[str, ...]) -> bool:
    """Return whether the name of a column's type has one of these prefixes.

    The result is False for numpy arrays.
    """
    if isinstance(given, np.ndarray):
        return False
    dtype = getattr(given, "dtype", getattr(given, "type", ""))  # `type` is pyarrow's
    return str(dtype).lower().startswith(words)


def _array(name: str, given: Any) -> NDArray[Any]:
    """Return an object as a numpy array; a masked array stays masked."""
    if isinstance(given, (str, bytes, bytearray)):
        raise DataError(f"{name} is text: give an array, or name a file with data=...")
    _refuse_masks(name, given)
    _refuse_ragged(name, given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array: NDArray[Any] = np.asanyarray(given)
    if array.ndim == 0 and array.dtype.kind == "O":
        kind = type(given).__name__
        raise DataError(f"{name} is of type {kind}, which is no array: give an array, or a list")
    return array


def _refuse_ragged(name: str, given: Any) -> None:
    """Refuse a list of rows that differ in length."""
    if not isinstance(given, (list, tuple)):
        return
    lengths = [
        len(row)
        if isinstance(row, (list, tuple)) or (isinstance(row, np.ndarray) and row.ndim)
        else 1
        for row in given
    ]
    for row, length in enumerate(lengths):
        if length != lengths[0]:
            raise DataError(
                f"{name}: row {row + 1} has length {length}, and row 1 has {lengths[0]}: "
                "give every row the same columns"
            )


def _refuse_masks(name: str, given: Any) -> None:
    """Refuse a list with masked values, because numpy would drop the mask."""
    for row, each in enumerate(given if isinstance(given, (list, tuple)) else []):
        if _holds_masked(each):
            raise DataError(f"{name}, row {row + 1}: a value is masked: drop the row or fill it")


def _holds_masked(given: Any) -> bool:
    if isinstance(given, (list, tuple)):
        return any(map(_holds_masked, given))
    return isinstance(given, np.ma.MaskedArray) and bool(np.ma.is_masked(given))


def _unmasked(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return a plain array; refuse a masked array with masked values."""
    if not isinstance(array, np.ma.MaskedArray):
        return np.asarray(array)
    mask = np.ma.getmask(array)
    if array.dtype.names is None and mask.any():
        place = _place(name, np.unravel_index(int(mask.argmax()), mask.shape))
        raise DataError(f"{place}: the value is masked: drop the row or fill the value")
    return np.asarray(array.data)


def _numbers(name: str, objects: NDArray[Any]) -> Floats:
    """Return an array of objects in float64; refuse an object that is not a real number."""
    if all(issubclass(kind, USUAL) for kind in _types(objects)):
        return objects.astype(np.float64)
    numbers = np.empty(objects.shape)
    for place, value in np.ndenumerate(objects):
        if wrong := _why_no_number(value):
            raise DataError(f"{_place(name, place)}: {wrong}")
        numbers[place] = value
    return numbers


def _why_no_number(value: Any) -> str | None:
    if type(value).__name__ in MISSING:
        return "the value is missing: drop the row or fill the value"
    if isinstance(value, str):
        return f"{shown(value)} is text: give each word a number"
    try:
        if isinstance(value, NUMBERS):
            float(value)
            return None
    except OverflowError:
        return f"the number is larger than {LARGEST:g}, and its square overflows: scale the data"
    except (ValueError, TypeError):
        pass
    return f"{shown(value)} is not a real number: give one"


def _place(name: str, indices: Sequence[Any]) -> str:
    """Return the name of a value in errors, by its indices from 0."""
    what = ("row", "column", *["index"] * len(indices))
    return ", ".join([name, *(f"{w} {i + 1}" for w, i in zip(what, indices, strict=False))])
