"""What do estimators cost, and are their coefficients those of scikit-learn?

python benchmarks/estimators.py search [--workers 2] [--repeats 3]
python benchmarks/estimators.py coefficients [--data NAME ...] [--tol 1e-11] [--a9a FILE]

`search` times a GridSearchCV over 5 folds and 6 settings of a logistic regression on the digits,
30 fits and the one of the best setting, on real ranks: within `coded_dgd.workers`; the same fits in
a plain loop on the same ranks; and with ranks of its own for each fit. They take turns (search,
loop, loop, search, search with own ranks), so that a load that rises or falls meanwhile counts for
all. The start of the kept ranks counts against own ranks, and not against the loop.

`coefficients` states the largest difference from the coefficients of scikit-learn, relative to the
largest coefficient, with and without weights of rows and intercept, without scaling, in a pipeline
with a StandardScaler, and with ``standardize``; sparse columns are scaled and not centred. Workers
are simulated.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from common import state
from sklearn import datasets
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, ParameterGrid, StratifiedKFold
from sklearn.preprocessing import StandardScaler

import coded_dgd
from coded_dgd.estimators import CodedLogisticRegression, CodedRidge

DATA = {
    "diabetes": datasets.load_diabetes,
    "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}
GRID = {"C": [0.01, 0.1, 1.0], "fit_intercept": [True, False]}
FOLDS = StratifiedKFold(5)
EXACT = {"tol": 1e-12, "max_iter": 10_000}


def seconds(work: Callable[[], Any]) -> float:
    """Return how long something takes."""
    begin = perf_counter()
    work()
    return perf_counter() - begin


def search(workers: int, repeats: int) -> None:
    """Time a search with kept ranks against a loop, and against ranks of each fit."""
    X, y = datasets.load_digits(return_X_y=True)
    X /= 16
    kept_model = CodedLogisticRegression(tol=1e-4)
    own_model = CodedLogisticRegression(tol=1e-4, workers=workers)

    def searched(model: Any) -> None:
        GridSearchCV(model, GRID, cv=FOLDS).fit(X, y)

    def looped() -> None:
        scores = []
        for setting in ParameterGrid(GRID):
            model = clone(kept_model).set_params(**setting)
            for train, test in FOLDS.split(X, y):
                scores.append(clone(model).fit(X[train], y[train]).score(X[test], y[test]))
        best = int(np.reshape(scores, (-1, FOLDS.get_n_splits())).mean(axis=1).argmax())
        clone(kept_model).set_params(**ParameterGrid(GRID)[best]).fit(X, y)

    starts, kept, loops, own = [], [], [], []
    for _ in range(repeats):
        begin = perf_counter()
        with coded_dgd.workers(workers):
            CodedRidge().fit(X[:100], y[:100])  # libraries are loaded
            starts.append(perf_counter() - begin)
            first = seconds(lambda: searched(kept_model))
            loops.append((seconds(looped) + seconds(looped)) / 2)
            kept.append((first + seconds(lambda: searched(kept_model))) / 2)
        own.append(seconds(lambda: searched(own_model)))
    print(f"31 fits on {workers} workers")
    state("start of the kept ranks", starts, " s")
    state("search on kept ranks", kept, " s")
    state("plain loop on kept ranks", loops, " s")
    state("search with ranks of its own for each fit", own, " s")
    state("search / loop", [a / b for a, b in zip(kept, loops, strict=True)])
    both = [(a + b) / c for a, b, c in zip(starts, kept, own, strict=True)]
    state("(start + search) / ranks of its own", both)


class Row(NamedTuple):
    """A comparison of an estimator with that of scikit-learn."""

    data: str
    scaled: str
    weighted: bool
    intercept: bool
    difference: float
    iterations: int


def compared(name: str, data: tuple[Any, Any], tol: float) -> Iterator[Row]:
    """Compare coefficients on one data set in all ways."""
    X, y = data
    dense = isinstance(X, np.ndarray)
    ways = ("no", "pipeline", "standardize")
    some = np.random.default_rng(0).uniform(0.2, 3.0, len(y))
    for scaled, weights, intercept in product(ways, (None, some), (True, False)):
        scaler = StandardScaler(
            with_mean=dense and (scaled == "pipeline" or (scaled == "standardize" and intercept)),
            with_std=scaled != "no",
        )
        rows = scaler.fit_transform(X, sample_weight=weights)
        options: dict[str, Any] = {"fit_intercept": intercept}
        ours = CodedRidge() if name == "diabetes" else CodedLogisticRegression()
        ours.set_params(transport="simulated", tol=tol, max_iter=20_000, **options)
        theirs: Any = Ridge(solver="cholesky" if dense else "auto", **options)
        if name != "diabetes":
            solver = "newton-cholesky" if len(np.unique(y)) == 2 else "newton-cg"
            theirs = LogisticRegression(solver=solver, **EXACT, **options)
        ours.set_params(standardize=scaled == "standardize")
        ours.fit(rows if scaled == "pipeline" else X, y, weights)
        coef = theirs.fit(rows, y, sample_weight=weights).coef_
        if scaled == "standardize":
            coef = coef / scaler.scale_
        difference = float(np.abs(ours.coef_ - coef).max() / np.abs(coef).max())
        yield Row(name, scaled, weights is not None, intercept, difference, ours.n_iter_)


def coefficients(names: list[str], tol: float, a9a: Path | None) -> None:
    """Print the table of differences."""
    sets = {name: DATA[name](return_X_y=True) for name in names}
    if a9a is not None:
        sets["a9a"] = datasets.load_svmlight_file(str(a9a))
    print("data           scaled       weights  intercept  difference  iterations")
    for name, data in sets.items():
        for row in compared(name, data, tol):
            print(
                f"{row.data:14s} {row.scaled:12s} {row.weighted!s:8s} {row.intercept!s:10s} "
                f"{row.difference:10.1e}  {row.iterations:10d}",
                flush=True,
            )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser()
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("search")
    part.add_argument("--workers", type=int, default=2)
    part.add_argument("--repeats", type=int, default=3)
    part = parts.add_parser("coefficients")
    part.add_argument("--data", nargs="*", choices=DATA, default=[*DATA], metavar="NAME")
    part.add_argument("--tol", type=float, default=1e-11)
    part.add_argument("--a9a", type=Path)
    given = parser.parse_args()
    if given.part == "search":
        search(given.workers, given.repeats)
    else:
        coefficients(given.data, given.tol, given.a9a)


if __name__ == "__main__":
    main()
