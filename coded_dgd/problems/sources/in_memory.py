"""X and y in a program's memory become a source, with the checks and windows of files."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import CodedDGDError, DataError, one_line, shown
from coded_dgd.problems.sources._given import column_names, given_labels, real_array
from coded_dgd.problems.sources._weights import sample_weights
from coded_dgd.problems.sources.base import (
    ArraySource,
    Source,
    absent_labels,
    refuse_misshapen,
    refuse_unreal,
)
from coded_dgd.problems.sources.sparse import SparseSource

NAME, WEIGHTS = "X, y", "sample_weight"


class Named(NamedTuple):
    """An array or sparse matrix X of shape (m, l) whose columns have names."""

    X: Any
    names: list[Any]


def open_arrays(X: Any, y: Any, weights: Any = None, *, where: str = "") -> Source:
    """Return the source of X and y, and of sample weights if there are any.

    Arrays of real numbers are held without a copy, whatever their type and layout. Other objects
    are converted if the conversion is unambiguous.

    Parameters
    ----------
    X : (m, l) array, data frame, sparse matrix, list of rows, or Named
    y : (m,) or (m, 1) array, column of a data frame, or list, optional
        Real numbers, or texts, which name the classes of a classifier. None stands for rows without
        labels.
    weights : (m,) or (m, 1) array, column of a data frame, or list, optional
    where : str
        Words before X and y in errors.

    Raises
    ------
    DataError
        If X or y is another object, or has values that are not real numbers (y may be text). Values
        that are not finite are refused when they are read.
    """
    name_of_x, name_of_y, of_weights = (f"{where}{name}" for name in ("X", "y", WEIGHTS))
    with _reading(f"{where}{NAME}"):
        _refuse_different_indexes(X, "y", y)
        _refuse_different_indexes(X, WEIGHTS, weights)
    with _reading(name_of_x):
        if isinstance(X, Named):
            X, names = X
        else:
            names = column_names(X)
            X = _unpacked(X) if names else X
        if _is_sparse(X):
            refuse_unreal(name_of_x, X.dtype)
        else:
            X = real_array(name_of_x, X)
    labelled, words = y is not None, None
    if labelled:
        with _reading(name_of_y):
            y, words = given_labels(name_of_y, _dense_labels(y), X)
    elif X.ndim == 2:
        y = absent_labels(X)
    else:
        one = "; a single row is X.reshape(1, -1)" if X.ndim == 1 and X.size else ""
        raise DataError(f"{name_of_x} has shape {X.shape}: give it as (rows, features){one}")
    if _is_sparse(X):
        refuse_misshapen(f"{where}{NAME}", X, y)
        with _reading(name_of_x):
            source: Source = _GivenRows(_compressed(X), y, names, where)
    else:
        source = _GivenArrays(X, y, names, where)
    source.words, source.labelled = words, labelled
    if weights is not None:
        with _reading(of_weights):
            given = real_array(of_weights, weights)
        source.weights = sample_weights(of_weights, given, source.rows)
    return source


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Refuse an object that raises an error while it is read."""
    try:
        yield
    except CodedDGDError:
        raise
    except MemoryError:
        raise DataError(
            f"{name} does not fit in memory as a second array: give it as an array of numpy, or as "
            "csr_array if it is sparse"
        ) from None
    except Exception as error:
        raise DataError(
            f"{name} cannot be read as an array ({type(error).__name__}: {one_line(error)}): "
            "give an array of numpy"
        ) from None


class _Given(Source):
    """A given source has X and y of a program, and maybe names of the columns of X.

    `_where` has the words before X and y in errors.
    """

    _names: list[Any]
    _where: str

    @property
    def names(self) -> tuple[str, ...] | None:
        texts = (name if isinstance(name, str) else shown(name) for name in self._names)
        return tuple(texts) if self._names else None

    def feature_title(self, feature: int) -> str:
        name = f" ({shown(self._names[feature])})" if self._names else ""
        return super().feature_title(feature) + name

    def _place(self, row: int, feature: int | None) -> str:
        if feature is None:
            return f"{self._where}y, row {row + 1}"
        return f"{self._where}X, row {row + 1}, {self.feature_title(feature)}"


class _GivenArrays(_Given, ArraySource):
    """This source has dense X and y."""

    def __init__(self, X: NDArray[Any], y: NDArray[Any], names: list[Any], where: str) -> None:
        super().__init__(f"{where}{NAME}", X, y, "in memory")
        self._names, self._where = names, where


class _GivenRows(_Given, SparseSource):
    """This source has sparse X, compressed by rows as in scipy, and y."""

    def __init__(self, rows: Any, y: NDArray[Any], names: list[Any], where: str) -> None:
        with np.errstate(over="ignore"):  # wider floats may become infinite; refused later
            labels = y.reshape(-1).astype(np.float64, copy=False)
        matrix = (rows.indptr, rows.indices, rows.data, rows.shape[1])
        super().__init__(f"{where}{NAME}", labels, *matrix)
        self._names, self._where = names, where


def _refuse_different_indexes(X: Any, name: str, y: Any) -> None:
    """Refuse frames with different indexes, which leave the pairing of rows unclear."""
    if not (hasattr(X, "iloc") and hasattr(y, "iloc")) or len(X) != len(y):
        return
    if not X.index.equals(y.index):
        raise DataError(
            f"X and {name} have different indexes, and it is not clear which of their rows belong "
            f"together: give {name}.loc[X.index] to pair them by index, or {name}.to_numpy() to "
            "pair them by position"
        )


def _is_sparse(given: Any) -> bool:
    """Return whether an object is a sparse matrix or array of scipy, without importing scipy."""
    scipy_sparse = sys.modules.get("scipy.sparse")
    return scipy_sparse is not None and bool(scipy_sparse.issparse(given))


def _dense_labels(y: Any) -> Any:
    if not _is_sparse(y):
        return y
    if y.ndim == 2 and y.shape[1] != 1:
        raise DataError(f"y is a sparse matrix of shape {y.shape}: give an array of shape (rows,)")
    return y.toarray()


def _unpacked(X: Any) -> Any:
    """Return a pandas frame of sparse columns as a sparse matrix; other objects unchanged."""
    columns: Any = getattr(X, "sparse", None) if hasattr(X, "iloc") else None
    return columns.to_coo() if hasattr(columns, "to_coo") else X


def _compressed(X: Any) -> Any:
    """Return compressed sparse rows without duplicate columns; X is not modified."""
    from scipy.sparse import csr_array

    if X.dtype == np.float16:  # scipy does not support float16
        X = X.astype(np.float32)
    if X.format in ("csr", "csc", "bsr"):
        X = copy.copy(X)  # the check writes to it
        X.check_format(full_check=True)
    rows = X.tocsr()
    rows = csr_array((rows.data, rows.indices, rows.indptr), shape=rows.shape)
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    return rows
