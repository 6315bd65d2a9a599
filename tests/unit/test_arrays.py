"""X and y as a program holds them: taken where they are data, else refused by name."""

import datetime
import tracemalloc
from collections import deque
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp

from coded_dgd import train
from coded_dgd.errors import DataError
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.sources.in_memory import open_arrays
from coded_dgd.problems.sparse import windows

X = np.random.default_rng(0).standard_normal((23, 3))
X[np.abs(X) < 0.4] = 0
X[7] = 0
BETA = np.array([1.0, -2.0, 0.5])
y = X @ BETA

pytestmark = pytest.mark.filterwarnings(
    "error",
    "ignore::PendingDeprecationWarning",  # of numpy.matrix
    "ignore::coded_dgd.errors.ConvergenceWarning",  # of two iterations
)


def trained(X, y, **options):
    options = {"scheme": "uc-mmc", "load": 2, "iterations": 150} | options
    return train(X, y, transport="simulated", workers=4, **options)


def rows(X, y):
    """X and y as they are read."""
    source = open_arrays(X, y)
    return source.read(0, source.rows)


class Tensor:
    """What offers `__array__`, or fails to."""

    def __init__(self, values):
        self._values = values

    def __array__(self, dtype=None, copy=None):
        if isinstance(self._values, Exception):
            raise self._values
        return self._values


# Taken

TYPES = ["?", "i1", "u8", ">i2", ">f4", "f2", "f4", "f8", "g", "O"]


@pytest.mark.parametrize("kind", TYPES)
def test_an_array_of_any_real_type(kind):
    typed, labels = np.round(X * 3).astype(kind), np.round(y).astype(kind)
    found, found_labels = rows(typed, labels)
    np.testing.assert_array_equal(found, typed.astype(float))
    np.testing.assert_array_equal(found_labels, labels.astype(float))


def frozen(array):
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "columns": np.asfortranarray,
    "backwards": lambda array: array[::-1].copy()[::-1],
    "strided": lambda array: np.repeat(array, 2, axis=0)[::2],
    "read-only": frozen,
    "matrix": lambda array: np.asmatrix(array) if array.ndim == 2 else np.asmatrix(array).T,
    "not masked": lambda array: np.ma.masked_array(array, mask=np.zeros(array.shape, bool)),
    "no mask": np.ma.masked_array,
    "lists": np.ndarray.tolist,
    "tuples": lambda array: tuple(map(tuple, array)) if array.ndim == 2 else tuple(array),
    "list of arrays": list,
    "list of masked rows": lambda array: [np.ma.masked_array(row) for row in array],
    "sequence": lambda array: deque(array.tolist()),
    "fractions": lambda array: np.vectorize(Fraction, otypes=[object])(array),
    "decimals": lambda array: np.vectorize(Decimal, otypes=[object])(array).tolist(),
    "__array__": Tensor,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_array_of_any_layout(layout):
    lay = LAYOUTS[layout]
    for pair in ((lay(X), y), (X, lay(y)), (lay(X), lay(y))):
        for found, expected in zip(rows(*pair), (X, y), strict=True):
            np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(trained(lay(X), lay(y)).coef_, BETA, atol=1e-6)


def test_labels_may_be_a_column():
    for column in (y[:, None], sp.csr_array(y[:, None]), sp.coo_array(y[:, None])):
        np.testing.assert_array_equal(rows(X, column)[1], y)
        np.testing.assert_array_equal(rows(sp.csr_array(X), column)[1], y)


@pytest.mark.parametrize("kind", ["f8", "f4", "i2", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_read_where_they_are(kind, order):
    large = np.zeros((200_000, 20), kind, order)
    large.flags.writeable = False
    labels = np.ones(200_000, ">i4")
    tracemalloc.start()
    source = open_arrays(large, labels)
    held = tracemalloc.get_traced_memory()[1]
    sum(len(window) for window, _ in source.windows(1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < 1e4
    assert peak < 1e6  # all rows take 32 MB


def test_training_makes_no_second_copy_of_an_array():
    """Windows of 16 MB and what becomes of them take less than the array; workers keep X^T X."""
    large = np.ones((2_000_000, 10), np.float32, "F")
    large[:, 0] = np.arange(2_000_000) % 7
    large.flags.writeable = False
    options = {"scheme": "uncoded", "workers": 2, "iterations": 1, "transport": "simulated"}
    options |= {"step_size": 1e-12, "dtype": "float32", "kernel": "gram"}
    tracemalloc.start()
    train(large, large[:, 0], **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < large.nbytes * 0.75


# Sparse

FORMATS = ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("make", [sp.csr_matrix, sp.csr_array])
@pytest.mark.parametrize("kind", ["f8", "f4", "i1", "?"])
def test_sparse_rows_stay_sparse(form, make, kind):
    given = make(np.round(X * 3)).astype(kind).asformat(form)
    dense = given.toarray().astype(float)
    before = given.copy()
    source = open_arrays(given, y)
    assert "sparse in memory" in source.describe()
    assert source.density == np.count_nonzero(dense) / dense.size or form in ("bsr", "dia")
    np.testing.assert_array_equal(source.read(0, 23)[0], dense)
    result = trained(given, dense @ BETA, kernel="sparse", iterations=2, check_gradient=True)
    assert result.summary["kernel"] == "sparse"
    assert result.summary["gradient_error"]["max"] < 1e-12
    assert not (given != before).nnz


def test_a_sparse_matrix_gives_the_model_of_a_dense_one():
    np.testing.assert_allclose(trained(sp.coo_array(X), y).coef_, BETA, atol=1e-6)
    for scheme in ("lcc-mmc", "mds-mmc", "gc"):
        found = trained(sp.csc_matrix(X), y, scheme=scheme).coef_
        np.testing.assert_allclose(found, trained(X, y, scheme=scheme).coef_, rtol=1e-9)


@pytest.mark.parametrize("kind", ["f8", "f4", "i1", "?"])
def test_parts_of_sparse_rows_are_of_the_type_of_the_whole(kind):
    source = open_arrays(sp.csr_array(X).astype(kind), y)
    (window,) = windows(Partition(23, 4), source.entries(), source.features, 1 << 20)
    assert window.X.values.dtype == np.float64
    single = window.X.astype("float32")  # as workers get them, byte for byte
    assert single[np.array([2, 0])].values.dtype == np.float32


def compressed(values, columns, starts, shape=(2, 3)):
    return sp.csr_array((np.array(values), np.array(columns), np.array(starts)), shape)


def test_entries_that_are_there_twice_are_summed_and_the_matrix_stays_as_it_is():
    twice = sp.coo_array(([1.0, 2.0, 4.0], ([0, 0, 1], [1, 1, 0])), (2, 3))
    unsorted = compressed([1.0, 2.0, 4.0], [2, 0, 0], [0, 2, 3])
    repeated = compressed([1.0, 2.0, 4.0], [2, 2, 0], [0, 2, 3])
    for given in (twice, unsorted, repeated):
        expected, entries = given.toarray(), given.data.copy()
        source = open_arrays(given, [1.0, 2.0])
        np.testing.assert_array_equal(source.read(0, 2)[0], expected)
        starts, columns, values, _ = source.entries()
        again = sp.csr_array((values, columns, starts), (2, 3))
        np.testing.assert_array_equal(again.toarray(), expected)
        assert len(values) == np.count_nonzero(expected)
        np.testing.assert_array_equal(given.data, entries)


def test_zeros_that_are_written_and_wide_indices():
    given = compressed([1.0, 0.0, 4.0], [0, 2, 1], [0, 2, 3])
    given.indices, given.indptr = given.indices.astype("i8"), given.indptr.astype("i8")
    np.testing.assert_array_equal(rows(given, [1, 2])[0], [[1, 0, 0], [0, 4, 0]])
    for form in FORMATS:
        empty = sp.csr_array((23, 3)).asformat(form)
        np.testing.assert_array_equal(trained(empty, y, iterations=3).coef_, [0, 0, 0])


def test_a_wide_sparse_matrix_is_never_made_dense():
    columns = np.random.default_rng(0).integers(0, 100_000, 400)
    wide = sp.csc_matrix((np.ones(400), (np.arange(400), columns)), (400, 100_000))
    labels = np.zeros(400)  # converged at once: no further passes over the data
    tracemalloc.start()
    result = trained(wide, labels, iterations=2, step_size=0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.summary["kernel"] == "sparse"
    assert peak < 1e8  # all rows would take 320 MB


# Refused


def spoilt(value, place=(4, 2), of=X):
    array = np.array(of, dtype=object if not isinstance(value, float) else None)
    array[place] = value
    return array


def masked(of, place):
    array = np.ma.masked_array(of.copy())
    array[place] = np.ma.masked
    return array


def changed(form, name, place, value):
    given = sp.csr_array(X).asformat(form)
    getattr(given, name)[place] = value
    return given


BAD = [
    (masked(X, (4, 2)), y, "X, row 5, column 3: the value is masked: drop the row or fill"),
    (X, masked(y, 6), "y, row 7: the value is masked"),
    ([masked(row, 1) if number == 4 else row for number, row in enumerate(X)], y, "X, row 5: a va"),
    (X, [*y[:-1], np.ma.masked], "y, row 23: a value is masked"),
    (X * 1j, y, "X holds complex128 values: give real numbers, such as the real part"),
    (X, y.astype("c8"), "y holds complex64 values"),
    (X.astype("M8[D]"), y, r"X holds datetime64\[D\] values: give real numbers, such as the days"),
    (X, y.astype("m8[s]"), r"y holds timedelta64\[s\] values: give real numbers, such as seconds"),
    (X.astype(str), y, "X holds <U32 values: give real numbers, a number for each word"),
    (X, np.array([b"word"] * 23), r"y holds \|S4 values"),
    (X, ["yes", "no"] * 11 + ["no"], r"the labels are text \('no', 'yes'\).* needs numbers"),
    ([[1, "a"], [2, 3]], [1, 2], "X, row 1, column 2: 'a' is text"),
    (np.zeros(23, "f8,i4"), y, "X holds .* values: give real numbers, each field a column"),
    (spoilt(None), y, "X, row 5, column 3: the value is missing: drop the row or fill the value"),
    (spoilt("word"), y, "X, row 5, column 3: 'word' is text"),
    (spoilt(1j), y, "X, row 5, column 3: 1j is not a real number"),
    (spoilt(datetime.date(2020, 1, 1)), y, r"row 5, column 3: datetime.date\(2020, 1, 1\) is not"),
    (spoilt(10**400), y, r"row 5, column 3: the number is larger than 1e\+100"),
    (spoilt(Decimal("sNaN")), y, "row 5, column 3: .* is not a real number"),
    (X, spoilt(None, 6, y), "y, row 7: the value is missing"),
    (spoilt(np.nan), y, "X, row 5, column 3: nan is not a finite number: drop the row or fill"),
    (X, spoilt(-np.inf, 6, y), "y, row 7: -inf is not a finite number"),
    (spoilt(1e101), y, r"X, row 5, column 3: 1e\+101 is larger than 1e\+100"),
    (X.astype("g") * np.longdouble("1e4000"), y, "X, row 1, column .: -?inf is not a finite"),
    ([[1.0, 2.0], [3.0]], [1, 2], "X: row 2 has length 1, and row 1 has 2: give every row the sam"),
    ([[1, [2]], [3, 4]], [1, 2], r"X cannot be read as an array \(ValueError: .*: give an array o"),
    (y, y, r"X has shape \(23,\) and y \(23,\): .*; a single feature is X.reshape\(-1, 1\)"),
    (y, X, "they seem to have changed places"),
    (X[None], y, r"X has shape \(1, 23, 3\)"),
    (3.0, y, r"X has shape \(\)"),
    (X, 3, r"y \(\)"),
    (X, y[None], r"y \(1, 23\): .*; a row is y.ravel\(\)"),
    (X, X[:, :2], r"y \(23, 2\): .*; of several labels take one, y\[:, 0\]"),
    (X, y[1:], "X has 23 rows but y has 22"),
    ([], [], r"X has shape \(0,\) and y \(0,\)"),
    (X[:0], y[:0], "has no rows"),
    (X[:, :0], y, "has no features"),
    ((row for row in X), y, "X is of type generator, which is no array: give an array, or a list"),
    ({1.0, 2.0}, y, "X is of type set"),
    (X, {"a": 1}, "y is of type dict"),
    (X, map(float, y), "y is of type map"),
    ("data.npy", y, "X is text: give an array, or name a file with data="),
    (X, b"data.npy", "y is text"),
    (Tensor(RuntimeError("it requires grad.\nUse detach")), y, r"X .*\(RuntimeError: it requires"),
    (X, Tensor("nothing"), "y cannot be read as an array"),
    (sp.csr_array(X) * 1j, y, "X holds complex128 values"),
    (changed("csr", "data", 4, np.nan), y, "X, row 3, column 3: nan is not a finite number"),
    (changed("csr", "data", 4, 1e200), y, r"X, row 3, column 3: 1e\+200 is larger than"),
    (changed("csr", "indices", 4, 99), y, r"X cannot be read as an array \(ValueError"),
    (changed("csc", "indices", 4, 99), y, r"X cannot be read as an array \(ValueError"),
    (sp.coo_array(y), y, r"X has (shape \(23,\)|1 rows)"),
    (sp.csr_array(X), y[1:], "X has 23 rows but y has 22"),
    (sp.csr_array((0, 3)), y[:0], "has no rows"),
    (sp.csr_array((23, 0)), y, "has no features"),
    (sp.csr_array(X), np.where(y == y[6], np.nan, y), "y, row 7: nan is not a finite number"),
    (X, sp.csr_array(y[None]), r"y is a sparse matrix of shape \(1, 23\)"),
    ([sp.csr_array(X[:1])] * 2, [1, 2], "X, row 1: .* is not a real number"),
]


@pytest.mark.parametrize(
    ("X", "y", "said"), BAD, ids=[f"{i}: {b[2][:30]}" for i, b in enumerate(BAD)]
)
def test_what_is_no_data_is_refused_by_name(X, y, said):
    with pytest.raises(DataError, match=said) as caught:
        trained(X, y, iterations=2)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_an_object_that_raises_whatever_is_asked_of_it():
    class Angry:
        def __getattr__(self, name):
            raise RuntimeError("no")

    for pair in ((Angry(), y), (X, Angry())):
        with pytest.raises(DataError, match=r"cannot be read as an array \(RuntimeError: no\)"):
            trained(*pair)
