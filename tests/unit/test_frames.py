"""Data frames: their columns in order, each checked by its name."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from coded_dgd import train
from coded_dgd.errors import DataError
from coded_dgd.problems.sources.in_memory import open_arrays

X = np.random.default_rng(0).standard_normal((20, 3))
BETA = np.array([1.0, -2.0, 0.5])
y = X @ BETA
FRAME = pd.DataFrame(X, columns=["age", "size", "rooms"])
LABELS = pd.Series(y, name="price")

pytestmark = pytest.mark.filterwarnings("error")


def trained(X, y):
    return train(X, y, transport="simulated", workers=4, scheme="uc-mmc", load=2, iterations=150)


def rows(X, y):
    source = open_arrays(X, y)
    return source.read(0, source.rows)


WHOLE = {
    "float64": (FRAME, LABELS),
    "float32": (FRAME.astype("f4"), LABELS.astype("f4")),
    "objects": (FRAME.astype(object), LABELS.astype(object)),
    "nullable": (FRAME.astype("Float64"), LABELS.astype("Float64")),
    "sparse": (pd.DataFrame.sparse.from_spmatrix(sp.csr_array(X)), LABELS),
    "a column": (FRAME, LABELS.to_frame()),
    "same names": (FRAME.set_axis(["a", "a", "b"], axis=1), LABELS),
    "no names": (FRAME.set_axis([0, 1, 2], axis=1), LABELS),
    "same index": (FRAME.set_index(np.arange(20) * 2), LABELS.set_axis(np.arange(20) * 2)),
    "one index": (FRAME.sort_index(ascending=False), y[::-1]),
    "y only": (X, LABELS.set_axis(range(20, 40))),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_frame_is_its_columns(name):
    frame, labels = WHOLE[name]
    expected = np.asarray(frame, float), np.asarray(labels, float).ravel()
    for found, right in zip(rows(frame, labels), expected, strict=True):
        np.testing.assert_array_equal(found, right)
    np.testing.assert_allclose(trained(frame, labels).coef_, BETA, atol=1e-5)


def test_columns_of_several_types():
    frame = FRAME.assign(
        size=pd.array(range(20), dtype="Int64"),
        rooms=[True, False] * 10,
        new=np.arange(20, dtype="i1"),
    )
    found, _ = rows(frame, LABELS)
    np.testing.assert_array_equal(found, np.c_[X[:, 0], range(20), [1, 0] * 10, range(20)])


def test_a_frame_of_one_type_is_not_copied():
    assert np.shares_memory(open_arrays(FRAME, LABELS)._X, FRAME.to_numpy())


def test_sparse_columns_stay_sparse():
    assert open_arrays(*WHOLE["sparse"]).density == np.count_nonzero(X) / X.size


MISSING = [None, *range(19)]
BAD = [
    (FRAME.assign(size=["word"] * 20), LABELS, "X, column 'size', row 1: 'word' is text"),
    (FRAME.assign(size=pd.date_range("2020", periods=20)), LABELS, "X, column 'size' holds dateti"),
    (
        FRAME.assign(size=pd.date_range("2020", periods=20, tz="UTC")),
        LABELS,
        "X, column 'size', row 1: Timestamp.* is not a real number",
    ),
    (FRAME.assign(size=pd.to_timedelta(range(20))), LABELS, "X, column 'size' holds timedelta64"),
    (FRAME.assign(size=1j), LABELS, "X, column 'size' holds complex128 values"),
    (FRAME.assign(size=pd.Categorical([1, 2] * 10)), LABELS, "X, column 'size' holds categories"),
    (FRAME.assign(size=pd.array(MISSING, "Int64")), LABELS, "X.* row 1.*(missing|nan is not)"),
    (FRAME.assign(size=[pd.NA, *range(19)]), LABELS, "X, column 'size', row 1: the value is missi"),
    (FRAME.assign(size=[np.nan, *range(19)]), LABELS, r"X, row 1, column 2 \('size'\): nan is not"),
    (FRAME.mask(X > 1), LABELS, "X, row .*, column . .*: nan is not a finite number"),
    (FRAME, LABELS.astype(str), "the labels are text .* needs numbers"),
    (FRAME, LABELS.round().astype("category"), "y holds categories"),
    (FRAME, pd.Series(MISSING, dtype="Int64"), "y, row 1: .*(missing|nan is not)"),
    (FRAME, FRAME[["age", "size"]], r"y \(20, 2\)"),
    (FRAME["age"], LABELS, "a single feature is"),
    (FRAME[[]], LABELS, "has no features"),
    (FRAME[:0], LABELS[:0], "has no rows"),
    (FRAME, LABELS[1:], "X has 20 rows but y has 19"),
    (FRAME.sort_index(ascending=False), LABELS, r"different indexes.*: give y.loc\[X.index\]"),
    (FRAME, LABELS.set_axis(range(1, 21)), "different indexes"),
    (FRAME.set_axis(["a\nb"] * 3, axis=1).astype(str), LABELS, r"X, column 'a\\nb', row 1"),
]


@pytest.mark.parametrize(
    ("X", "y", "said"), BAD, ids=[f"{i}: {b[2][:30]}" for i, b in enumerate(BAD)]
)
def test_a_column_that_is_no_data_is_refused_by_name(X, y, said):
    with pytest.raises(DataError, match=said) as caught:
        trained(X, y)
    assert "\n" not in str(caught.value)


def test_frames_of_polars():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"age": X[:, 0], "size": X[:, 1], "rooms": X[:, 2]})
    np.testing.assert_array_equal(rows(frame, pl.Series(y))[0], X)
    np.testing.assert_array_equal(rows(frame, pl.DataFrame({"y": y}))[1], y)
    for column, said in (
        (["word"] * 20, "X, column 'size'.* text|X, column 'size' holds"),
        (MISSING, "row 1, column 2 .'size'.: nan is not"),
        ([None, *[True] * 19], "X, column 'size', row 1: the value is missing"),
    ):
        with pytest.raises(DataError, match=said):
            rows(frame.with_columns(pl.Series("size", column)), y)
    with pytest.raises(DataError, match="X is of type LazyFrame"):
        rows(frame.lazy(), y)


def test_tables_of_arrow():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"age": X[:, 0], "size": X[:, 1], "rooms": np.arange(20)})
    found, labels = rows(table, pa.chunked_array([y[:9], y[9:]]))
    np.testing.assert_array_equal(found, np.c_[X[:, :2], range(20)])
    np.testing.assert_array_equal(labels, y)
    with pytest.raises(DataError, match="X, column 'size', row 1: 'word' is text"):
        rows(table.set_column(1, "size", [["word"] * 20]), y)
