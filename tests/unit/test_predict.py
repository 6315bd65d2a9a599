"""coded-dgd predict and evaluate: what a model says of new rows, and how well."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from coded_dgd import train
from coded_dgd.cli import run_command_line
from coded_dgd.errors import DataError, UsageError
from coded_dgd.problems.metrics import area_under_curve
from coded_dgd.problems.model import Model
from coded_dgd.problems.objectives import LinearModel, Objective
from coded_dgd.problems.predictor import Predictor
from coded_dgd.problems.sources import base

RNG = np.random.default_rng(5)
X = np.round(RNG.standard_normal((60, 3)) * [1, 5, 20] + [3, 0, -100], 3)
Z = (X - X.mean(0)) / X.std(0) @ [1.0, -2.0, 0.5]
NOISE = RNG.standard_normal(60)
LABELS = {
    "least-squares": Z + NOISE,
    "huber:delta=0.5": Z + NOISE,
    "poisson": np.round(np.exp(Z / 4)),
    "logistic": np.where(Z + NOISE > 0, 2.0, -1.0),
    "softmax": np.digitize(Z + NOISE, [-1.0, 1.0]) * 2.0 + 1,
}
pytestmark = pytest.mark.filterwarnings("ignore::coded_dgd.errors.ConvergenceWarning")
NEW = np.round(RNG.standard_normal((50, 3)) * [1, 5, 20] + [3, 0, -100], 3)
OPTIONS = {"transport": "simulated", "workers": 4, "scheme": "uc-mmc", "load": 2}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def trained(objective="logistic", X=X, **options):
    """A model in the folder r."""
    y = LABELS.get(objective, LABELS["least-squares"])
    options = {"intercept": True, "standardize": True, "ridge": 0.1, **options}
    return train(X, y, objective=objective, optimizer="lbfgs", iterations=30, out="r", **OPTIONS,
                 **options)  # fmt: skip


def command(*words, code=0):
    assert run_command_line([*map(str, words)]) == code


def expected(objective, found, rows):
    """Predictions and probabilities by the formulas of the models."""
    z = rows @ found.coef_.T + found.intercept_
    if objective == "poisson":
        return np.exp(z), None
    if objective == "logistic":
        p = 1 / (1 + np.exp(-z[:, 0]))
        return np.where(z[:, 0] > 0, 2.0, -1.0), np.column_stack([1 - p, p])
    if objective == "softmax":
        powers = np.exp(z)
        return found.classes_[z.argmax(1)], powers / powers.sum(1, keepdims=True)
    return z, None


@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize("objective", LABELS)
def test_predictions_are_those_of_the_formula(objective, prepared):
    found = trained(objective, intercept=prepared, standardize=prepared)
    predicted, chances = expected(objective, found, NEW)
    np.savez("new.npz", X=NEW)
    command("predict", "r", "new.npz", "--out", "p.npy")
    np.testing.assert_allclose(np.load("p.npy"), predicted, rtol=1e-10)
    np.testing.assert_array_equal(Predictor.read(Path("r")).predict(NEW), np.load("p.npy"))
    if chances is None:
        command("predict", "r", "new.npz", "--proba", code=2)
        return
    command("predict", "r/model.npz", "new.npz", "--proba", "--out", "q.npy")
    np.testing.assert_allclose(np.load("q.npy"), chances, rtol=1e-9)
    decisions = Predictor.read(Path("r")).decision_function(NEW)
    np.testing.assert_allclose(decisions, (NEW @ found.coef_.T + found.intercept_).squeeze())


def write_all_formats():
    """The same rows in every format, with labels and without."""
    h5py = pytest.importorskip("h5py")
    y = np.arange(50.0)
    both, names = np.column_stack([NEW, y]), ["a", "b", "c"]
    np.save("y.npy", both)
    np.save("n.npy", NEW)
    np.savez("y.npz", X=NEW, y=y)
    np.savez_compressed("n.npz", X=NEW)
    for name, arrays in (("y.h5", {"X": NEW, "y": y}), ("n.h5", {"X": NEW})):
        with h5py.File(name, "w") as file:
            for key, values in arrays.items():
                file[key] = values
    pd.DataFrame(both).to_csv("y.csv", index=False, header=False)
    pd.DataFrame(NEW).to_csv("n.csv", index=False, header=False)
    frame = pd.DataFrame(NEW, columns=names)
    frame.to_csv("named.csv.gz", index=False)
    frame.insert(1, "price", y)
    frame.to_csv("labelled.csv", index=False)
    frame.rename(columns={"price": "y", "b": "label"}).to_csv("doubtful.csv", index=False)
    lines = (" ".join(f"{i + 1}:{v!r}" for i, v in enumerate(row)) for row in NEW.tolist())
    Path("y.svm").write_text("".join(f"0 {line}\n" for line in lines))
    return ["y.npy", "n.npy", "y.npz", "n.npz", "y.h5", "n.h5", "y.csv", "n.csv", "named.csv.gz",
            "labelled.csv", "y.svm"]  # fmt: skip


def test_every_format_with_and_without_labels_has_the_same_predictions(capsys):
    trained(X=pd.DataFrame(X, columns=["a", "b", "c"]))
    for name in write_all_formats():
        command("predict", "r", name, "--out", "p.npy", "--force")
        predicted = np.load("p.npy")
        np.testing.assert_array_equal(predicted, Predictor.read(Path("r")).predict(NEW), name)
        capsys.readouterr()
        command("predict", "r", name, "--proba")
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "-1,2" and len(lines) == 51
        command("predict", "r", name, "--out", "p.csv", "--force")
        assert Path("p.csv").read_text().splitlines()[0] == "prediction"
        np.testing.assert_array_equal(np.loadtxt("p.csv", skiprows=1), predicted)
    command("predict", "r", "doubtful.csv", "--label", "y", code=2)  # other names than in training


def test_parquet_and_shards_with_and_without_labels():
    pytest.importorskip("pyarrow")
    trained(X=pd.DataFrame(X, columns=["a", "b", "c"]))
    frame = pd.DataFrame(NEW, columns=["a", "b", "c"])
    frame.to_parquet("n.parquet", index=False)
    frame.insert(1, "price", np.arange(50.0))
    frame.to_parquet("y.parquet", index=False)
    for name in ("shards", "parts"):
        Path(name).mkdir()
    for part in (0, 1):
        rows = slice(25 * part, 25 * part + 25)
        frame[rows].to_csv(f"parts/{part}.csv", index=False)
        np.savez(f"shards/{part}.npz", X=NEW[rows])
    for name in ("n.parquet", "y.parquet", "parts", "shards"):
        command("predict", "r", name, "--out", "p.npy", "--force")
        np.testing.assert_array_equal(np.load("p.npy"), Predictor.read(Path("r")).predict(NEW))


@pytest.mark.parametrize("names", [["a", "b", "c"], None])
@pytest.mark.parametrize("values", ["texts", "missing", "dates"])
def test_predict_reads_no_column_that_is_no_feature(names, values):
    pytest.importorskip("pyarrow")
    columns = names or [*"012"]
    trained(X=pd.DataFrame(X, columns=names) if names else X)
    rows = np.repeat(NEW, 201, axis=0)
    frame = pd.DataFrame(rows, columns=columns)
    frame["who"] = {
        "texts": [f"person {number}" for number in range(len(rows))],
        "missing": np.full(len(rows), np.nan),
        "dates": pd.Timestamp("2026-01-31"),
    }[values]
    frame.to_csv("n.csv", index=False)
    frame.to_parquet("n.parquet", index=False)
    expected = Predictor.read(Path("r")).predict(rows)
    for name, *more in (["n.csv", "--header", "yes"], ["n.parquet"]):
        command("predict", "r", name, *more, "--out", "p.npy", "--force")
        np.testing.assert_array_equal(np.load("p.npy"), expected)
    np.savez("n.npz", X=NEW, y=np.full(50, np.nan))
    command("predict", "r", "n.npz", "--out", "p.npy", "--force")
    np.testing.assert_array_equal(np.load("p.npy"), Predictor.read(Path("r")).predict(NEW))


def test_columns_of_the_same_name_are_not_taken_for_each_other(capsys):
    trained(X=pd.DataFrame(X, columns=["a", "a", "c"]))
    pd.DataFrame(NEW, columns=["a", "a", "c"]).to_csv("n.csv", index=False)
    command("predict", "r", "n.csv", "--out", "p.npy")
    np.testing.assert_array_equal(np.load("p.npy"), Predictor.read(Path("r")).predict(NEW))
    frame = pd.DataFrame(np.column_stack([NEW, NEW[:, 0]]), columns=["a", "a", "c", "a"])
    frame.to_csv("more.csv", index=False)
    error = refusal(capsys, "predict", "r", "more.csv")
    assert "3 columns are called 'a', a feature of the model: name the features with" in error
    command("predict", "r", "more.csv", "--columns", "1:3", "--out", "p.npy", "--force")
    np.testing.assert_array_equal(np.load("p.npy"), Predictor.read(Path("r")).predict(NEW))


def test_columns_of_sparse_rows_are_chosen_by_number():
    trained(X=X[:, [2, 0]])
    Path("n.svm").write_text("".join(f"0 1:{a!r} 2:{b!r} 3:{c!r}\n" for a, b, c in NEW.tolist()))
    command("predict", "r", "n.svm", "--columns", "3,1", "--out", "p.npy")
    expected = Predictor.read(Path("r")).predict(NEW[:, [2, 0]])
    np.testing.assert_array_equal(np.load("p.npy"), expected)


def test_evaluate_asks_which_of_several_columns_is_the_label(capsys):
    trained(X=pd.DataFrame(X, columns=["a", "b", "c"]))
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["town"], frame["kind"] = "Oslo", LABELS["logistic"]
    frame.to_csv("people.csv", index=False)
    error = refusal(capsys, "evaluate", "r", "people.csv")
    assert "not clear which one is the label: name it with --label" in error
    command("evaluate", "r", "people.csv", "--label", "kind")
    assert "accuracy" in capsys.readouterr().out


def test_a_label_may_be_named(capsys):
    trained()
    np.save("first.npy", np.column_stack([np.arange(50.0), NEW]))
    command("predict", "r", "first.npy", "--label", "1", "--out", "p.npy")
    np.testing.assert_array_equal(np.load("p.npy"), Predictor.read(Path("r")).predict(NEW))


def test_rows_in_memory_may_be_of_any_kind():
    trained()
    model = Predictor.read(Path("r"))
    for rows in (NEW.tolist(), pd.DataFrame(NEW), csr_array(NEW), np.asfortranarray(NEW)):
        np.testing.assert_array_equal(model.predict(rows), model.predict(NEW))
    assert model.score(X, LABELS["logistic"]) == np.mean(
        model.predict(X) == LABELS["logistic"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (5, r"^X has shape \(\): give it as \(rows, features\)"),
        (None, "^X is of type NoneType, which is no array"),
        ((row for row in NEW), "^X is of type generator, which is no array"),
        ([], r"^X has shape \(0,\): give it as \(rows, features\)$"),
        (NEW[0], r"^X has shape \(3,\): .*; a single row is X.reshape\(1, -1\)$"),
        (NEW[:0], "has no rows"),
    ],
)
def test_what_is_no_matrix_of_rows_is_refused(rows, fault):
    trained()
    with pytest.raises(DataError, match=fault):
        Predictor.read(Path("r")).predict(rows)


def test_rows_without_labels_have_no_score():
    trained()
    with pytest.raises(DataError, match="and no labels: add the labels to evaluate the model"):
        Predictor.read(Path("r")).score(NEW, None)
    with pytest.raises(DataError, match="and no labels: add the labels, or give --validation"):
        train(X, LABELS["logistic"], objective="logistic", validation=(NEW, None), **OPTIONS)


def refusal(capsys, *words):
    capsys.readouterr()
    command(*words, code=2)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_what_does_not_fit_is_refused_in_one_line(capsys):
    trained(X=pd.DataFrame(X, columns=["a", "b", "c"]))
    np.savez("wide.npz", X=np.ones((4, 5)), y=np.ones(4))
    wide = "has 5 features{}, and the model was trained on 3"
    assert wide.format("") in refusal(capsys, "predict", "r", "wide.npz")
    assert wide.format(" beside the labels") in refusal(capsys, "evaluate", "r", "wide.npz")
    np.save("narrow.npy", np.ones((4, 2)))
    assert "was trained on 3" in refusal(capsys, "predict", "r", "narrow.npy")
    Path("wide.svm").write_text("1 1:2 9:3\n")
    assert "larger than --features 3" in refusal(capsys, "predict", "r", "wide.svm")
    pd.DataFrame(NEW, columns=["a", "b", "d"]).to_csv("other.csv", index=False)
    assert "calls a column 'd' that was 'c'" in refusal(capsys, "predict", "r", "other.csv")
    np.savez("new.npz", X=NEW)
    assert "has 3 columns and no labels" in refusal(capsys, "evaluate", "r", "new.npz")
    np.savez("third.npz", X=NEW, y=np.full(50, 7.0))
    assert "the label 7 is none of the classes -1, 2" in refusal(
        capsys, "evaluate", "r", "third.npz"
    )
    assert ".csv or .npy" in refusal(capsys, "predict", "r", "new.npz", "--out", "p.txt")
    Path("p.csv").write_text("mine")
    assert "exists" in refusal(capsys, "predict", "r", "new.npz", "--out", "p.csv")
    assert Path("p.csv").read_text() == "mine"
    assert "has no model.json" in refusal(capsys, "predict", ".", "new.npz")
    assert "too long: name the folder" in refusal(capsys, "predict", 300 * "9", "new.npz")
    with pytest.raises(DataError, match="not a finite number"):
        Predictor.read(Path("r")).predict([[1.0, np.nan, 2.0]])


def test_a_file_of_predictions_is_written_whole_or_not(capsys):
    trained()
    np.save("bad.npy", np.vstack([NEW, np.full((1, 3), np.nan)]))
    assert "is not a finite number" in refusal(capsys, "predict", "r", "bad.npy", "--out", "p.csv")
    assert not Path("p.csv").exists() and not list(Path().glob("*.tmp"))


class Ratio(LinearModel):
    """Least squares of relative errors, which says what it predicts."""

    def slope(self, z, y):
        return z - (0 if y is None else y)

    def losses(self, z, y):
        return (z - y) ** 2 / 2

    def predict(self, X, beta):
        return 10 * self.margins(X, beta)

    def scores(self, X, y, beta, weights=None):
        return {"mine": float(len(y))}


class Silent(Ratio):
    """It does not say what it predicts."""

    predict = Objective.predict


class Wrong(Ratio):
    def predict(self, X, beta):
        return self.margins(X, beta)[:-1]


def test_objectives_of_the_user_are_asked_or_refused(capsys, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    found = train(X, LABELS["least-squares"], objective=Ratio(), iterations=3, out="r",
                  step_size=1e-6, **OPTIONS)  # fmt: skip
    np.savez("new.npz", X=NEW, y=NEW[:, 0])
    assert "run only if you say so: add --objective" in refusal(capsys, "predict", "r", "new.npz")
    command("predict", "r", "new.npz", "--objective", "test_predict:Ratio", "--out", "p.npy")
    np.testing.assert_allclose(np.load("p.npy"), 10 * (NEW @ found.coef_), rtol=1e-12)
    capsys.readouterr()
    command("evaluate", "r", "new.npz", "--objective", "test_predict:Silent", "--json")
    figures = json.loads(capsys.readouterr().out)
    assert figures["mine"] == 1 and "r2" not in figures
    assert figures["loss"] == pytest.approx(np.mean((NEW @ found.coef_ - NEW[:, 0]) ** 2) / 2)
    assert "define predict(X, beta)" in refusal(
        capsys, "predict", "r", "new.npz", "--objective", "test_predict:Silent"
    )
    assert "predict returned float64 ndarray of shape (49,)" in refusal(
        capsys, "predict", "r", "new.npz", "--objective", "test_predict:Wrong"
    )
    assert "does not fit objective Logistic" in refusal(
        capsys, "predict", "r", "new.npz", "--objective", "logistic"
    )
    train(X, LABELS["poisson"], objective="huber", iterations=3, out="h", **OPTIONS)
    assert "leave --objective out" in refusal(
        capsys, "predict", "h", "new.npz", "--objective", "poisson"
    )


class Bent(Objective):
    """x^T u + tanh(x^T v), which is not linear."""

    def size(self, features):
        return 2 * features

    def start(self, features, seed):
        return np.full(2 * features, 0.1)

    def predict(self, X, beta):
        u, v = np.split(beta, 2)
        return X @ u + np.tanh(X @ v)

    def gradient(self, X, y, beta, weights):
        v = beta[len(beta) // 2 :]
        error = self.predict(X, beta) - y
        return np.concatenate([error @ X, (error * (1 - np.tanh(X @ v) ** 2)) @ X])

    def loss(self, X, y, beta, weights=None):
        return float(((self.predict(X, beta) - y) ** 2).sum()) / 2


def test_a_model_that_is_not_linear_is_given_scaled_columns():
    found = train(X, LABELS["least-squares"], objective=Bent(), standardize=True, iterations=3,
                  step_size=1e-4, out="r", **OPTIONS)  # fmt: skip
    model = Predictor(Model.read(Path("r")), Bent())
    scaled = NEW / X.std(axis=0)
    np.testing.assert_allclose(model.predict(NEW), Bent().predict(scaled, found.coef_), rtol=1e-10)
    with pytest.raises(UsageError, match="no linear classifier"):
        model.decision_function(NEW)


def test_predictions_take_the_memory_of_a_window(monkeypatch):
    trained()
    rows = 200_000
    np.save("many.npy", np.tile(NEW, (rows // 50, 1)))
    monkeypatch.setattr(base, "WINDOW_BYTES", 2**16)
    predictor = Predictor.read(Path("r"))
    command("predict", "r", "many.npy", "--out", "warm.npy", "--proba")
    tracemalloc.start()
    command("predict", "r", "many.npy", "--out", "p.npy", "--proba")
    command("predict", "r", "many.npy", "--out", "p.csv", "--proba")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6 < 8 * 2 * rows
    np.testing.assert_array_equal(np.load("p.npy"), np.tile(predictor.predict_proba(NEW),
                                                            (rows // 50, 1)))  # fmt: skip


def test_columns_with_names_are_found_in_any_order_and_beside_others():
    trained(X=pd.DataFrame(X, columns=["a", "b", "c"]))
    frame = pd.DataFrame(NEW, columns=["a", "b", "c"])
    frame["place"] = [f"house {number}" for number in range(50)]
    frame["number"] = range(50)
    frame[["c", "number", "a", "place", "b"]].to_csv("more.csv", index=False)
    command("predict", "r", "more.csv", "--out", "p.npy")
    np.testing.assert_array_equal(np.load("p.npy"), Predictor.read(Path("r")).predict(NEW))


@pytest.mark.parametrize("objective", ["logistic", "softmax"])
def test_classes_that_are_text_are_named_as_in_the_data(objective, capsys):
    words = np.where(LABELS["logistic"] > 0, "yes", "no")
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    train(frame, words, objective=objective, optimizer="lbfgs", iterations=30, out="r",
          intercept=True, **OPTIONS)  # fmt: skip
    frame.insert(0, "answer", words)
    frame.to_csv("d.csv", index=False)
    command("predict", "r", "d.csv", "--out", "p.csv")
    predicted = Path("p.csv").read_text().split()[1:]
    command("predict", "r", "d.csv", "--out", "p.npy")
    assert np.load("p.npy").tolist() == predicted
    model = Predictor.read(Path("r"))
    assert model.predict(X).tolist() == predicted and {*predicted} == {"yes", "no"}
    right = np.mean(np.array(predicted) == words)
    assert figures("r", "d.csv", "--label", "answer", capsys=capsys)["accuracy"] == right
    assert model.score(X, words) == right
    yes = words == "yes"  # only one of the classes
    assert model.score(X[yes], words[yes]) == np.mean(np.array(predicted)[yes] == "yes")
    capsys.readouterr()
    command("predict", "r", "d.csv", "--proba")
    assert capsys.readouterr().out.splitlines()[0] == "no,yes"
    with pytest.raises(DataError, match="the label 'maybe' is none of the classes 'no', 'yes'"):
        model.score(X[:2], np.array(["maybe", "yes"]))
    with pytest.raises(DataError, match="labels are numbers, and those of the training data text"):
        model.score(X[:2], [0, 1])


# evaluate


def figures(*words, capsys):
    capsys.readouterr()
    command("evaluate", *words, "--json")
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("objective", LABELS)
def test_figures_are_those_of_the_definitions(objective, capsys, monkeypatch):
    found = trained(objective)
    y = np.roll(LABELS[objective], 1)
    np.savez("d.npz", X=X, y=y)
    monkeypatch.setattr(base, "WINDOW_BYTES", 8 * 3 * 7)  # windows of 7 rows
    mine = figures("r", "d.npz", capsys=capsys)
    predicted, chances = expected(objective, found, X)
    if chances is None:
        residual = y - predicted
        assert mine["r2"] == pytest.approx(1 - residual.var() * 60 / y.var() / 60
                                           - residual.mean() ** 2 / y.var())  # fmt: skip
        assert mine["root_mean_squared_error"] == pytest.approx(np.sqrt(np.mean(residual**2)))
        assert mine["mean_absolute_error"] == pytest.approx(np.mean(np.abs(residual)))
    else:
        assert mine["accuracy"] == pytest.approx(np.mean(predicted == y))
        places = np.searchsorted(found.classes_, y)
        logs = -np.log(chances[np.arange(60), places]).mean()
        assert mine["log_loss"] == pytest.approx(logs) == mine["loss"]
    assert ("auc" in mine) == (objective == "logistic")
    assert ("mean_poisson_deviance" in mine) == (objective == "poisson")


def test_sample_weights_count_as_copies(capsys):
    trained()
    y, w = np.roll(LABELS["logistic"], 1), RNG.integers(0, 3, 60)
    np.savez("w.npz", X=X, y=y, w=w)
    np.savez("c.npz", X=np.repeat(X, w, axis=0), y=np.repeat(y, w))
    weighted, copies = (figures("r", name, capsys=capsys) for name in ("w.npz", "c.npz"))
    assert weighted.pop("rows") == 60 and copies.pop("rows") == w.sum()
    assert weighted == pytest.approx(copies)


def test_the_area_counts_pairs_and_halves_of_ties():
    margins = np.array([0.0, 1.0, 1.0, 2.0, 2.0, -1.0, 1.0])
    second = np.array([0, 1, 0, 1, 0, 1, 1], bool)
    weights = np.array([1.0, 2.0, 0.5, 1.0, 3.0, 1.0, 0.0])
    pairs = [
        (w * v, (a > b) + (a == b) / 2)
        for a, w, s in zip(margins, weights, second, strict=True)
        for b, v, t in zip(margins, weights, second, strict=True)
        if s and not t
    ]
    wanted = sum(w * each for w, each in pairs) / sum(w for w, _ in pairs)
    assert area_under_curve(margins, second, weights) == pytest.approx(wanted)
    assert area_under_curve(margins, np.ones(7, bool), weights) is None


def test_evaluate_prints_a_line_for_each_figure(capsys):
    trained()
    np.savez("d.npz", X=X, y=LABELS["logistic"])
    capsys.readouterr()
    command("evaluate", "r", "d.npz")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("d.npz: 60 rows x 3 features")
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "loss", "accuracy", "log loss", "ROC AUC",
    ]  # fmt: skip


def test_labels_that_are_all_the_same_have_an_r2():
    trained("least-squares")
    model = Predictor.read(Path("r"))
    assert model.score(X, np.zeros(60)) == 0
