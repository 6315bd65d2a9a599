"""What estimators do under mpiexec: every rank calls them, and writes down what it has seen."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from mpi4py import MPI
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from coded_dgd.errors import ConvergenceWarning
from coded_dgd.estimators import CodedClassifier, CodedLogisticRegression, CodedRidge

RANK = MPI.COMM_WORLD.rank
X, Y = load_iris(return_X_y=True)


def refusal(model, X, y):
    """Return the type and the message of the error of a fit."""
    try:
        model.fit(X, y)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return None


def main() -> None:
    """Fit models, some of which are refused."""
    seen = {}
    model = CodedLogisticRegression(tol=1e-8)
    # the data of the other ranks do not count
    model.fit(*((X, Y) if RANK == 0 else (None, None)))
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    names = CodedRidge().fit(frame, Y)
    seen["names"] = [names.feature_names_in_.tolist()]
    seen["names"].append(hasattr(names.fit(X, Y), "feature_names_in_"))
    seen["coef"] = model.coef_.tolist()
    seen["predicted"] = model.predict(X).tolist()
    seen["known"] = [model.n_iter_, model.n_features_in_, len(model.history_), model.score(X, Y)]
    seen["refused"] = [
        refusal(clone(model), np.where(X > 7.5, np.nan, X), Y),  # by rank 0 before the training
        refusal(clone(model).set_params(options={"rigde": 1}), X, Y),  # in the training
        refusal(clone(model).set_params(workers=5), X, Y),
        refusal(CodedClassifier("huber"), X, Y),
        refusal(clone(model), X, 0 * Y),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # raises on rank 0 after the training
        seen["refused"].append(refusal(CodedRidge(max_iter=1), X * [1, 10, 100, 1000], Y))
    search = GridSearchCV(CodedRidge(), {"alpha": [0.1, 1.0, 10.0], "load": [1, 2]}, cv=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, Y)
        CodedRidge(max_iter=1).fit(X * [1, 10, 100, 1000], Y)
    seen["search"] = [search.best_params_, search.cv_results_["mean_test_score"].tolist()]
    seen["warned"] = [issubclass(each.category, ConvergenceWarning) for each in caught]
    Path(sys.argv[1], f"{RANK}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
