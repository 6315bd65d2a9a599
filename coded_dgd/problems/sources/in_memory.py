"""X and y as a program holds them, as a source: checked as files are, and read by the window."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import CodedDGDError, DataError, one_line
from coded_dgd.problems.sources._given import column_names, real_array
from coded_dgd.problems.sources.base import ArraySource, Source, refuse_misshapen, refuse_unreal
from coded_dgd.problems.sources.sparse import SparseSource

NAME = "X, y"


def open_arrays(X: Any, y: Any) -> Source:
    """Return the source of X and y.

    Arrays of real numbers are held as they are, whatever their type and layout. Other things are
    converted where that can be done in one way only.

    Parameters
    ----------
    X : (m, l) array, data frame, sparse matrix, or list of rows
    y : (m,) or (m, 1) array, column of a data frame, or list

    Raises
    ------
    DataError
        If they are anything else, or not all of their values are real numbers. Values that are not
        finite are refused when they are read.
    """
    with _reading(NAME):
        _refuse_different_indexes(X, y)
    with _reading("X"):
        names = column_names(X)
        X = _unpacked(X) if names else X
        if _is_sparse(X):
            refuse_unreal("X", X.dtype)
        else:
            X = real_array("X", X)
    with _reading("y"):
        y = real_array("y", _dense_labels(y))
    if not _is_sparse(X):
        return _GivenArrays(X, y, names)
    refuse_misshapen(NAME, X, y)
    with _reading("X"):
        return _GivenRows(_compressed(X), y)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Refuse an object that raises something when it is looked at."""
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


class _GivenArrays(ArraySource):
    """Dense X and y.

    Parameters
    ----------
    names : list of str
        Of the columns of X; empty where they have none.
    """

    def __init__(self, X: NDArray[Any], y: NDArray[Any], names: list[str]) -> None:
        super().__init__(NAME, X, y, "in memory")
        self._names = names

    def feature_title(self, feature: int) -> str:
        name = f" ({self._names[feature]})" if self._names else ""
        return super().feature_title(feature) + name

    def _place(self, row: int, feature: int | None) -> str:
        return _place(self, row, feature)


class _GivenRows(SparseSource):
    """Sparse X, as rows of scipy, and y."""

    def __init__(self, rows: Any, y: NDArray[Any]) -> None:
        with np.errstate(over="ignore"):  # of wider floats: infinite, and refused when read
            labels = y.reshape(-1).astype(np.float64, copy=False)
        super().__init__(NAME, labels, rows.indptr, rows.indices, rows.data, rows.shape[1])

    def _place(self, row: int, feature: int | None) -> str:
        return _place(self, row, feature)


def _place(source: Source, row: int, feature: int | None) -> str:
    if feature is None:
        return f"y, row {row + 1}"
    return f"X, row {row + 1}, {source.feature_title(feature)}"


def _refuse_different_indexes(X: Any, y: Any) -> None:
    """Refuse frames of which it is not clear which label belongs to which row."""
    if not (hasattr(X, "iloc") and hasattr(y, "iloc")) or len(X) != len(y):
        return
    if not X.index.equals(y.index):
        raise DataError(
            "X and y have different indexes, and it is not clear which label belongs to which row: "
            "give y.loc[X.index] to pair them by index, or y.to_numpy() to pair them by position"
        )


def _is_sparse(given: Any) -> bool:
    """Whether it is a sparse matrix or array of scipy: there is none before that is imported."""
    scipy_sparse = sys.modules.get("scipy.sparse")
    return scipy_sparse is not None and bool(scipy_sparse.issparse(given))


def _dense_labels(y: Any) -> Any:
    if not _is_sparse(y):
        return y
    if y.ndim == 2 and y.shape[1] != 1:
        raise DataError(f"y is a sparse matrix of shape {y.shape}: give an array of shape (rows,)")
    return y.toarray()


def _unpacked(X: Any) -> Any:
    """Return a frame of pandas' sparse columns as a sparse matrix, anything else as it is."""
    columns: Any = getattr(X, "sparse", None) if hasattr(X, "iloc") else None
    return columns.to_coo() if hasattr(columns, "to_coo") else X


def _compressed(X: Any) -> Any:
    """Return sparse rows, each column in them once, without changing X."""
    from scipy.sparse import csr_array

    if X.dtype == np.float16:  # which scipy cannot compute with
        X = X.astype(np.float32)
    if X.format in ("csr", "csc", "bsr"):
        X = copy.copy(X)  # for the check writes to it
        X.check_format(full_check=True)
    rows = X.tocsr()
    rows = csr_array((rows.data, rows.indices, rows.indptr), shape=rows.shape)
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    return rows
