"""Arguments of `coded_dgd.train`, fuzzed: numpy's result, or one line.

What is taken has to give the model that numpy computes from the same numbers; what is no data, and
what is no option, has to end in one `CodedDGDError`.
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import fractions
import io
import warnings
from collections import deque
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from hypothesis import strategies as st

from coded_dgd import schemes, train
from coded_dgd.app.running import Records
from coded_dgd.config import RunConfig
from coded_dgd.errors import CodedDGDError, ConvergenceWarning, Infeasible
from coded_dgd.problems.objectives.least_squares import LeastSquares


class Offering:
    """What offers `__array__`."""

    def __init__(self, values):
        self._values = values

    def __array__(self, dtype=None, copy=None):
        return self._values


class Broken:
    """What fails whatever it is asked for."""

    def __getattr__(self, name):
        raise RuntimeError("broken\nin two lines")


# Whole data: X and y of whole numbers, which every type holds, in whatever they may come

TYPES = ["f8", "f4", "f2", "g", "i1", "i8", "u2", "u8", "?", ">f8", ">f4", ">i2", "O"]


def read_only(array):
    array.flags.writeable = False
    return array


def mapped(array):
    np.save(path := f"mapped-{array.ndim}.npy", array)
    return np.load(path, mmap_mode="c")


def matrix(array):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asmatrix(array)


CONTAINERS = {
    "array": lambda array: array,
    "by columns": np.asfortranarray,
    "backwards": lambda array: array[::-1].copy()[::-1],
    "strided": lambda array: np.repeat(array, 3, axis=0)[::3],
    "a part": lambda array: np.concatenate([array, array])[: len(array)],
    "read-only": lambda array: read_only(array.copy()),
    "not masked": lambda array: np.ma.masked_array(array, np.zeros(array.shape, bool)),
    "list": lambda array: array.tolist(),
    "tuple of arrays": tuple,
    "deque": lambda array: deque(array.tolist()),
    "offering": Offering,
    "objects": lambda array: array.astype(object),
    "fractions": lambda array: np.vectorize(
        lambda value: fractions.Fraction(float(value)), otypes=[object]
    )(array),
    "frame": lambda array: pd.DataFrame(array) if array.ndim == 2 else pd.Series(array),
    "frame of objects": lambda array: (
        pd.DataFrame(array).astype(object) if array.ndim == 2 else pd.Series(array, dtype=object)
    ),
    "mapped": lambda array: mapped(array) if array.dtype != object else array,
    "column": lambda array: array if array.ndim == 2 else array[:, None],
    "matrix": lambda array: matrix(array) if array.ndim == 2 else matrix(array).T,
}
SPARSE = ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"]
SPARSE_TYPES = ["f8", "f4", "i1", "i8", "u2", "?", "g"]
EXACT = ["uncoded", "uc-mmc", "gc", "lcc", "lcc-mmc", "mds-mmc"]


class Whole(NamedTuple):
    """Data that are to be taken."""

    rows: int
    features: int
    seed: int
    types: tuple[str, str]
    containers: tuple[str, str]
    options: dict[str, Any]


def base(rows: int, features: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(-3, 4, (rows, features)), rng.integers(-5, 6, rows)


def typed(array: np.ndarray, kind: str) -> np.ndarray:
    return (abs(array) if np.dtype(kind).kind == "u" else array).astype(kind)


def contained(array: np.ndarray, container: str) -> Any:
    if container not in SPARSE:
        return CONTAINERS[container](array)
    kind = array.dtype if array.dtype.str[1:] in SPARSE_TYPES and array.dtype.isnative else "f8"
    if array.ndim == 1:
        return sp.csr_array(array[:, None].astype(kind)).asformat(container)
    make = (sp.csr_array, sp.csr_matrix)[len(array) % 2]
    return make(array.astype(kind)).asformat(container)


def steps(X: np.ndarray, y: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """The model after gradient descent, by numpy."""
    beta = np.zeros(X.shape[1])
    for _ in range(int(options["iterations"])):
        gradient = X.T @ (X @ beta - y) + float(options.get("ridge", 0)) * beta
        beta = beta - float(options["step_size"]) * gradient
    return beta


def check_whole(case: Whole) -> None:
    X, y = (typed(array, kind) for array, kind in zip(base(*case[:3]), case.types, strict=True))
    given = [contained(array, each) for array, each in zip((X, y), case.containers, strict=True)]
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            result = train(*given, transport="simulated", **case.options)
        except Infeasible:  # a load of 1 is too little for some schemes
            assert case.options.get("load") == 1
            return
    expected = steps(X.astype(float), y.astype(float), case.options)
    single = str(case.options.get("dtype", "")).find("32") >= 0
    np.testing.assert_allclose(result.coef_, expected, rtol=1e-3 if single else 1e-9, atol=1e-12)
    assert not said.getvalue()


def wholes() -> st.SearchStrategy[Whole]:
    containers = st.sampled_from([*CONTAINERS, *SPARSE])
    options = st.fixed_dictionaries(
        {
            "scheme": st.sampled_from(EXACT),
            "workers": st.sampled_from([1, 2, 4, np.int64(3)]),
            "iterations": st.sampled_from([1, 3, np.int32(2)]),
            "step_size": st.sampled_from(
                [0.001, np.float64(0.002), "0.001", np.float32(0.25) / 128]
            ),
        },
        optional={
            "load": st.sampled_from([None, 1]),
            "ridge": st.sampled_from([0, 1, 0.5, np.float32(0.25), fractions.Fraction(1, 2)]),
            "seed": st.sampled_from([0, np.int64(7), 10**20]),
            "check_gradient": st.sampled_from([True, np.True_]),
            "objective": st.sampled_from(["least-squares", LeastSquares, LeastSquares()]),
            "dtype": st.sampled_from(["float64", np.float64, np.float32]),
            "kernel": st.sampled_from(["auto", "products"]),
            "delay": st.sampled_from(["none", "shifted-exponential"]),
        },
    )
    return st.builds(
        Whole,
        st.sampled_from([1, 2, 3, 7, 20]),
        st.integers(1, 4),
        st.integers(0, 10**6),
        st.tuples(st.sampled_from(TYPES), st.sampled_from(TYPES)),
        st.tuples(containers, containers),
        options,
    )


# Data that are none: one thing is wrong with X or y

VALUES = [
    *[np.ma.masked] * 4, np.nan, np.inf, -np.inf, 1e101, -1e300, None, "word", "1.0", 1j, pd.NA,
    pd.NaT,
    10**400, datetime.date(2020, 1, 1), decimal.Decimal("NaN"), decimal.Decimal("sNaN"), {},
    np.datetime64("2020-01-01"), b"1", object(), Broken,
]  # fmt: skip
KINDS = ["c8", "c16", "M8[D]", "m8[s]", "S4", "U8", "V8", "f8,i4"]
THINGS = {
    "None": lambda: None,
    "text": lambda: "data.npy",
    "bytes": lambda: b"data",
    "bytearray": lambda: bytearray(b"data"),
    "path": lambda: Path("data.npy"),
    "set": lambda: {1.0, 2.0},
    "dict": lambda: {"X": [1.0]},
    "generator": lambda: (value for value in [1.0]),
    "map": lambda: map(float, "12"),
    "number": lambda: 3.0,
    "bool": lambda: True,
    "0-d": lambda: np.array(1.0),
    "object": object,
    "class": lambda: int,
    "function": lambda: train,
    "broken": Broken,
    "ragged": lambda: [[1.0, 2.0], [3.0]],
    "ragged inside": lambda: [[1.0, [2.0]], [3.0, 4.0]],
    "ragged objects": lambda: np.array([[1.0, 2.0], [3.0]], dtype=object),
    "empty list": lambda: [],
    "3-d": lambda: np.zeros((4, 2, 2)),
    "words": lambda: ["yes", "no"],
    "sparse in a list": lambda: [sp.csr_array(np.eye(2))],
    "masked constant": lambda: np.ma.masked,
    "groups": lambda: pd.DataFrame({"a": [1.0]}).groupby("a"),
    "dates": lambda: pd.date_range("2020", periods=4),
}
SHAPES = {
    "y short": lambda X, y: (X, y[1:]),
    "X short": lambda X, y: (X[1:], y),
    "no rows": lambda X, y: (X[:0], y[:0]),
    "no features": lambda X, y: (X[:, :0], y),
    "X flat": lambda X, y: (X.ravel(), y),
    "X deep": lambda X, y: (X[None], y),
    "y row": lambda X, y: (X, y[None]),
    "y wide": lambda X, y: (X, np.c_[y, y]),
    "exchanged": lambda X, y: (y, X),
    "sparse row": lambda X, y: (X, sp.csr_array(y[None])),
    "sparse short": lambda X, y: (sp.csr_array(X), y[1:]),
    "sparse without rows": lambda X, y: (sp.csr_array(X.shape)[:0], y[:0]),
    "other index": lambda X, y: (pd.DataFrame(X), pd.Series(y, index=range(1, len(y) + 1))),
    "shuffled": lambda X, y: (pd.DataFrame(X)[::-1], pd.Series(y)),
}
SPOILT_ROWS = {
    "nan": lambda rows: rows.data.__setitem__(0, np.nan),
    "large": lambda rows: rows.data.__setitem__(-1, 1e200),
    "column": lambda rows: rows.indices.__setitem__(0, 99),
    "negative column": lambda rows: rows.indices.__setitem__(0, -1),
    "starts": lambda rows: rows.indptr.__setitem__(1, 99),
}


class Flawed(NamedTuple):
    """Data with a flaw."""

    how: str
    what: Any
    of_labels: bool
    container: str
    seed: int


def flawed(case: Flawed) -> tuple[Any, Any]:
    """X and y with the flaw."""
    X, y = (array.astype(float) for array in base(4 + case.seed % 5, 3, case.seed))
    chosen: Any = y if case.of_labels else X
    place = tuple(case.seed % length for length in chosen.shape)
    if case.how == "shape":
        return SHAPES[case.what](X, y)
    if case.how == "value":
        held = chosen if isinstance(case.what, float) else chosen.astype(object)
        if case.what is np.ma.masked:
            held = np.ma.masked_array(chosen)
        held[place] = Broken() if isinstance(case.what, type) else case.what
        chosen = held if case.what is np.ma.masked else CONTAINERS[case.container](held)
    elif case.how == "kind":
        chosen = np.zeros(chosen.shape, case.what)
    elif case.how == "thing":
        chosen = THINGS[case.what]()
    elif case.how == "sparse":
        rows = sp.csr_array(X + 10)
        SPOILT_ROWS[case.what](rows)
        return rows, y
    return (X, chosen) if case.of_labels else (chosen, y)


def check_flawed(case: Flawed) -> None:
    X, y = flawed(case)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            result = train(X, y, transport="simulated", workers=3, scheme="uc-mmc", iterations=2)
        except CodedDGDError as error:
            message = str(error)
        else:
            raise AssertionError(f"it was taken: {result.coef_}")
    assert "\n" not in message
    assert len(message) < 500
    assert not said.getvalue()
    of_labels = case.of_labels and case.how in ("value", "kind", "thing")
    named = "y" if of_labels or (case.how, case.what) == ("shape", "sparse row") else "X"
    assert named in message, message
    if case.how == "value" and case.what is not Broken:
        rows = 4 + case.seed % 5
        assert f"row {case.seed % rows + 1}" in message, message


def flaws() -> st.SearchStrategy[Flawed]:
    values = ["array", "by columns", "read-only", "objects", "list", "frame", "offering", "deque"]
    return st.one_of(
        *(
            st.builds(
                Flawed,
                st.just(how),
                st.sampled_from(what),
                st.booleans(),
                st.sampled_from(values),
                st.integers(0, 1000),
            )
            for how, what in (
                ("value", VALUES),
                ("kind", KINDS),
                ("thing", [*THINGS]),
                ("shape", [*SHAPES]),
                ("sparse", [*SPOILT_ROWS]),
            )
        )
    )


# Options of any kind

JUNK = [
    None, True, False, np.True_, 0, 1, -1, 2, 3.0, 0.5, -0.5, np.nan, np.inf, 1e308, 5e-324, 10**12,
    10**400, 10**5000, np.int64(2), np.uint8(3), np.float32(0.1), np.array(3), np.array([1, 2]),
    np.eye(3), 1j, "", "1", "0.1", "auto", "none", "all", "yes", "\0", "\udc80", "x" * 300, "a\nb",
    b"bytes", [], [1], (), {}, {"a": 1}, set(), object(), int, list[int], LeastSquares, train,
    Path("file"), Path("no/file"), decimal.Decimal("0.1"), fractions.Fraction(1, 3), "gc", "sgc",
    fractions.Fraction(10**400), datetime.date(2020, 1, 1), schemes.find("gc")[0], Broken(), "mpi",
    np.float64, "float32", "json:loads", "os:no", np.str_("gc"), pd.NA, np.ma.masked,
]  # fmt: skip
NAMES = [field.name for each in (RunConfig, Records) for field in fields(each)]
NAMES += ["step-size", "stepsize", "json", "X", "self", "comm", "config", "objective"]
LONG = ("iterations", "workers", "blocks", "load", "adapt")


class Optional(NamedTuple):
    """Options, of which some are nonsense."""

    options: dict[str, Any]
    unnamed: tuple[Any, ...]


def check_options(case: Optional) -> None:
    X, y = base(8, 3, 0)
    options = {"workers": 3, "scheme": "uc-mmc", "iterations": 2} | case.options
    transport = options.setdefault("transport", "simulated")
    if isinstance(transport, str) and transport == "mpi":  # that is not for this process
        options["transport"] = "mip"
    options.pop("X", None)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            result = train(X, y, *case.unnamed, **options)
        except CodedDGDError as error:
            assert "\n" not in str(error), str(error)
            return
    assert np.isfinite(result.coef_).all()
    assert not case.unnamed
    assert not said.getvalue() or not options.get("quiet", True)


def optionals() -> st.SearchStrategy[Optional]:
    junk = st.sampled_from(JUNK)
    return st.builds(
        Optional,
        st.dictionaries(st.sampled_from(NAMES), junk, min_size=1, max_size=3),
        st.one_of(*[st.just(())] * 9, st.tuples(junk)),
    )


# All


def cases() -> st.SearchStrategy[Whole | Flawed | Optional]:
    return st.one_of(wholes(), wholes(), flaws(), flaws(), optionals())


def check(case: Whole | Flawed | Optional) -> None:
    """Raise if the property does not hold of a case."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # of a few iterations
    checks: dict[type, Any] = {
        Whole: check_whole,
        Flawed: check_flawed,
        Optional: check_options,
    }
    checks[type(case)](case)
