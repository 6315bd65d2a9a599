"""Every data source offers ranges of rows of X and y, dense, finite and owned by the caller."""

from __future__ import annotations

import math
import mmap
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coded_dgd.errors import DataError, one_line
from coded_dgd.problems.sources._columns import Columns

Floats = NDArray[np.float64]

WINDOW_BYTES = 2**24  # approximate memory of a window whose length is not given
MAPPED_BYTES = 2**22
"""Maximum number of bytes of a mapped file that stay in memory after they have been read."""

LARGEST = 1e100
"""Largest absolute value of the data; sums of squares are finite up to it."""

VECTORS = 16
"""Number of vectors of length l (the number of features) that a training holds."""


class Source(ABC):
    """A source holds the rows of a data matrix X (m x l) and the labels y (m).

    Parameters
    ----------
    name : str
        Name of the source in errors: the path, or the text of ``--data``.
    rows, features : int
        m and l.
    storage : str
        Place of the numbers, in a few words for `describe`.

    Attributes
    ----------
    dtype : dtype
        float32 if it represents all stored numbers exactly, else float64.

    Raises
    ------
    DataError
        If there is no row or no feature, or a few vectors of length l exceed the memory.
    """

    dtype: np.dtype[Any] = np.dtype(np.float64)

    matrix = "X"
    """Name of the matrix of rows in errors."""

    density: float | None = None
    """Fraction of X that is not zero if the source is sparse; None if it is dense."""

    classes: tuple[float, ...] | None = None
    """Distinct labels, ascending, that `read` replaces by the numbers to train with.

    It is None if labels are returned as they are stored."""

    words: tuple[str, ...] | None = None
    """Distinct texts of labels that are text, ascending; `read` returns their places from 0.

    It is None if labels are stored as numbers."""

    labelled: bool = True
    """Whether the data have labels; if not, `read` returns zeros for them."""

    weights: Floats | None = None
    """Sample weight of each row, of shape (m,); None if all weights are one."""

    selected_from: int | None = None
    """Number of rows of the data from which these rows are selected; None if they are all."""

    intercept: bool = False
    """Whether the last column is the column of ones of an intercept."""

    columns: Columns | None = None
    """Names of the columns and place of the label; None if the data are not a table."""

    remedy = "use fewer features, or more and smaller blocks"
    """Remedy that errors name if rows do not fit in memory."""

    def __init__(self, name: str, rows: int, features: int, storage: str) -> None:
        refuse_empty(name, rows, features)
        self.name = name
        self.rows = rows
        self.features = features
        self.storage = storage
        if 8 * VECTORS * features > memory():
            raise self._too_many(1)

    def describe(self) -> str:
        """Return a description of the source in one short line."""
        label = f", {self.columns.describe()}" if self.columns else ""
        words = "" if self.words is None else f", {len(self.words)} different texts as labels"
        weights = "" if self.weights is None else ", sample weights"
        in_all = "" if self.selected_from is None else f" of {self.selected_from}"
        return (
            f"{self.name}: {self.rows}{in_all} rows x {self.features} features"
            f"{label}{words}{weights}, {self.storage}"
        )

    def feature_title(self, feature: int) -> str:
        """Return the name of a column of X in messages.

        `feature` counts from 0; messages count columns from 1.
        """
        return self.columns.feature_title(feature) if self.columns else f"column {feature + 1}"

    @property
    def class_labels(self) -> NDArray[Any] | None:
        """Labels of the classes as the data have them, numbers or texts; None without classes."""
        if self.classes is None:
            return None
        classes = np.array(self.classes)
        return classes if self.words is None else np.array(self.words)[classes.astype(int)]

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the columns of X; None if they have none."""
        return self.columns.feature_names if self.columns else None

    def read(
        self, start: int, stop: int, out: tuple[Any, Any] | None = None
    ) -> tuple[Floats, Floats]:
        """Return rows `start` to `stop`, counted from 0, `stop` excluded.

        Parameters
        ----------
        out : tuple of (X, y), optional
            Arrays of the shapes of the result that receive the rows, and are returned. Their type
            has to hold every number of the type of the source.

        Returns
        -------
        X : ndarray, shape (stop - start, l)
        y : ndarray, shape (stop - start,)
            Without `out` both are C-contiguous arrays of float64. They are owned by the caller, not
            views of a file or of the source.

        Raises
        ------
        DataError
            If a value is NaN, infinite or larger than `LARGEST` in magnitude, or the rows cannot
            be read or held in memory.
        IndexError
            If the range is not within the rows of the source.
        """
        if not 0 <= start <= stop <= self.rows:
            raise IndexError(f"rows {start} to {stop} of {self.rows}")
        if 8 * (stop - start) * self.features > memory():  # a system may overcommit its memory
            raise self._too_many(stop - start)
        try:
            with np.errstate(over="ignore"):  # wider floats may become infinite; refused below
                X, y = into(out, *self._read(start, stop))
        except OSError as error:
            raise DataError(
                f"{self.name}, rows {start + 1} to {stop}, cannot be read ({one_line(error)}): "
                "write the file again"
            ) from None
        except MemoryError:
            raise self._too_many(stop - start) from None
        self._release()
        self._refuse_unusable(start, X, y)
        return X, y

    def _too_many(self, rows: int) -> DataError:
        return DataError(
            f"{self.name}: {rows} rows x {self.features} features do not fit in memory "
            f"({8e-9 * rows * self.features:.3g} GB dense): {self.remedy}"
        )

    def windows(self, rows_at_once: int | None = None) -> Iterator[tuple[Floats, Floats]]:
        """Yield all rows in order, in windows; by default a window holds about 16 MB of X."""
        step = rows_at_once or max(1, WINDOW_BYTES // (8 * self.features))
        for start in range(0, self.rows, step):
            yield self.read(start, min(start + step, self.rows))

    @abstractmethod
    def _read(self, start: int, stop: int) -> tuple[ArrayLike, ArrayLike]:
        """Return the rows as objects that numpy converts to real arrays of these shapes."""

    def _release(self) -> None:
        """Release the memory of the last rows if these can be read again."""

    def _refuse_unusable(self, start: int, X: Floats, y: Floats) -> None:
        for values in (X, y[:, None]):
            if float(np.vdot(values, values)) <= LARGEST**2:  # one pass; a NaN fails the comparison
                continue
            usable = np.abs(values) <= np.float64(LARGEST)
            if usable.all():  # only the sum of squares is out of range
                continue
            row, column = divmod(int(usable.argmin()), values.shape[1])
            value = values[row, column]
            wrong = (
                f"{value:g} is larger than {LARGEST:g}, and its square overflows: scale the data"
                if np.isfinite(value)
                else f"{value} is not a finite number: drop the row or fill the value"
            )
            feature = column if values is X else None
            raise DataError(f"{self._place(start + row, feature)}: {wrong}")

    def _place(self, row: int, feature: int | None) -> str:
        """Return the name of a value in errors.

        `row` and `feature` count from 0; the feature None stands for the label.
        """
        what = self.label_title() if feature is None else self.feature_title(feature)
        return f"{self.name}, row {row + 1}, {what}"

    def label_title(self) -> str:
        """Return the name of the label in messages."""
        return self.columns.label_title() if self.columns else "the label"


class ArraySource(Source):
    """An array source has X and y that are arrays, or are read by slices like arrays.

    Parameters
    ----------
    X : array of shape (m, l)
    y : array of shape (m,) or (m, 1)
        Arrays in memory, memory-mapped arrays or HDF5 datasets, of any real type.

    Raises
    ------
    DataError
        If the shapes are not these.
    """

    def __init__(self, name: str, X: Any, y: Any, storage: str) -> None:
        refuse_misshapen(name, X, y)
        super().__init__(name, X.shape[0], X.shape[1], storage)
        self._X, self._y = X, y
        self._mappings = [mapping for each in (X, y) if (mapping := _mapping(each)) is not None]
        self._mapped = 0
        if all(each.dtype.kind == "f" and each.dtype.itemsize <= 4 for each in (X, y)):
            self.dtype = np.dtype(np.float32)

    def _read(self, start: int, stop: int) -> tuple[ArrayLike, ArrayLike]:
        self._mapped += 8 * (stop - start) * self.features
        return self._X[start:stop], np.reshape(self._y[start:stop], -1)

    def _release(self) -> None:
        if self._mapped >= MAPPED_BYTES:
            for mapping in self._mappings:
                mapping.madvise(mmap.MADV_DONTNEED)
            self._mapped = 0


def _mapping(array: Any) -> mmap.mmap | None:
    """Return the file mapping behind an array, or None if its pages must not be dropped.

    A private copy-on-write mapping, and memory without a file, would lose written data.
    """
    shared, array = False, getattr(array, "whole", array)
    while isinstance(array, np.ndarray):
        shared = shared or (isinstance(array, np.memmap) and array.mode != "c")
        array = array.base
    found = shared and isinstance(array, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED")
    return array if found else None


def into(out: tuple[Any, Any] | None, X: ArrayLike, y: ArrayLike) -> tuple[Any, Any]:
    """Return rows in the arrays `out`, or as arrays that the caller owns; see `Source.read`."""
    if out is None:
        return _owned(X), _owned(y)
    out[0][...], out[1][...] = X, y  # numpy copies nothing that is there already
    return out


def _owned(values: ArrayLike) -> Floats:
    return np.require(values, np.float64, ["C", "OWNDATA", "WRITEABLE", "ENSUREARRAY"])


def absent_labels(X: Any) -> NDArray[np.float32]:
    """Return a zero for each row of X that takes no memory, for data without labels."""
    return np.broadcast_to(np.float32(0), X.shape[:1])


def memory() -> int:
    """Return the physical memory of this machine in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def refuse_unlabelled(source: Source, remedy: str) -> None:
    """Refuse data without labels.

    Parameters
    ----------
    remedy : str
        What to do where there are none.

    Raises
    ------
    DataError
        If there are no labels, or it is not known which column they are.
    """
    if source.labelled:
        return
    if source.columns is not None and source.columns.width > source.features:
        raise DataError(
            f"{source.name} has columns beside the features, and it is not clear which one is the "
            "label: name it with --label"
        )
    raise DataError(f"{source.name} has {source.features} columns and no labels: {remedy}")


def refuse_empty(name: str, rows: int, features: int) -> None:
    """Refuse data without rows or features.

    Raises
    ------
    DataError
        If `rows` or `features` is less than 1.
    """
    if rows < 1:
        raise DataError(f"{name} has no rows: give at least one, features and then its label")
    if features < 1:
        raise DataError(f"{name} has no features: give at least one beside the labels")


def refuse_misshapen(name: str, X: Any, y: Any) -> None:
    """Refuse arrays that are not a matrix and one label for each of its rows.

    Parameters
    ----------
    X, y : array
        Objects with `ndim` and `shape`. y may be a column, of shape (m, 1).

    Raises
    ------
    DataError
        If X is not of shape (m, l), or y not of shape (m,) or (m, 1).
    """
    if X.ndim != 2 or not (y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)):
        remedy = ""
        if X.ndim == 1 and y.ndim == 2:
            remedy = "; they seem to have changed places"
        elif X.ndim == 1 and X.size:
            remedy = "; a single feature is X.reshape(-1, 1)"
        elif X.ndim == y.ndim == 2:
            row = y.shape[0] == 1
            remedy = "; a row is y.ravel()" if row else "; of several labels take one, y[:, 0]"
        raise DataError(
            f"{name}: X has shape {X.shape} and y {y.shape}: give X as (rows, features), "
            f"y as (rows,){remedy}"
        )
    rows, labels = X.shape[0], y.shape[0]
    if rows != labels:
        raise DataError(
            f"{name}: X has {rows} rows but y has {labels}: give one label for each row of X"
        )


REAL_KINDS = "biuf"
"""Kinds of numpy types that hold real numbers."""
INSTEAD = {
    "c": "such as the real part or the magnitude",
    "M": "such as the days since a date",
    "m": "such as seconds",
    "O": "with .astype(float)",
    "V": "each field a column",
    **dict.fromkeys("UST", "a number for each word"),
}
"""Suggested conversion to real numbers for each other kind of numpy type."""


def refuse_unreal(name: str, dtype: np.dtype[Any], text: bool = False) -> None:
    """Refuse an array that holds values other than real numbers.

    Parameters
    ----------
    text : bool
        Whether text would be accepted as well, which the message then names.

    Raises
    ------
    DataError
        If its type is complex, text, objects, dates or records.
    """
    if dtype.kind not in REAL_KINDS:
        instead = INSTEAD.get(dtype.kind, INSTEAD["O"])
        words = ", or text with .astype(str)" if text else ""
        raise DataError(f"{name} holds {dtype} values: give real numbers, {instead}{words}")


def refuse_truncated(name: str, shape: tuple[int, ...], itemsize: int, size: int) -> int:
    """Return the number of bytes of an array, or refuse the array if it is cut short.

    Raises
    ------
    DataError
        If `size`, the number of bytes in the file, is less than the array takes.
    """
    needed = math.prod(shape) * itemsize
    if min(shape, default=0) < 0 or needed > size:
        raise DataError(f"{name}, of shape {shape}, is cut short: write or copy it again")
    return needed
