"""Held-out rows: which they are, their figures while a run goes on, and patience."""

import json
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from coded_dgd import train
from coded_dgd.cli import run_command_line
from coded_dgd.engine.checkpoint import latest
from coded_dgd.errors import CodedDGDError
from coded_dgd.problems import held_out
from coded_dgd.problems.held_out import separate
from coded_dgd.problems.sources import AS_THEY_ARE
from coded_dgd.problems.sources.in_memory import open_arrays
from coded_dgd.report import plots
from coded_dgd.report.progress import Progress
from coded_dgd.runs.reading import read_run

pytestmark = pytest.mark.filterwarnings("ignore::coded_dgd.errors.ConvergenceWarning")
RNG = np.random.default_rng(7)
X = RNG.standard_normal((80, 6)) * [1, 5, 20, 1, 1, 1] + [3, 0, -100, 0, 0, 0]
Z = (X - X.mean(0)) / X.std(0) @ [1.0, -2.0, 0.5, 0, 0, 0] + 2 * RNG.standard_normal(80)
Y = np.where(Z > 0, 3.0, 1.0)
OPTIONS = {"transport": "simulated", "workers": 4, "iterations": 12}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def trained(X=X, y=Z, **options):
    return train(X, y, **{**OPTIONS, "scheme": "uc-mmc", "load": 2, **options})


def parts(X=X, y=Z, fraction="0.25", seed=0):
    """Rows to train on and rows that are held out, as arrays."""
    found = separate(open_arrays(X, y), fraction, seed, AS_THEY_ARE)
    return [rows.read(0, rows.rows) for rows in found]


def test_a_fraction_divides_the_rows():
    (mine, y), (out, z) = parts()
    assert len(out) == 20 and len(mine) == 60
    whole = np.vstack([np.column_stack([mine, y]), np.column_stack([out, z])])
    assert {*map(tuple, whole)} == {*map(tuple, np.column_stack([X, Z]))}
    order = [X[:, 0].tolist().index(each) for each in mine[:, 0]]
    assert order == sorted(order) and order != [*range(60)]
    assert np.array_equal(parts()[1][0], out) and not np.array_equal(parts(seed=1)[1][0], out)


def test_windows_of_some_rows_are_those_rows(monkeypatch):
    monkeypatch.setattr("coded_dgd.problems.sources.selected.WINDOW_BYTES", 8 * 6 * 10)
    mine, _ = separate(open_arrays(X, Z), "0.75", 0, AS_THEY_ARE)
    found = [*mine.windows()]
    assert max(len(y) for _, y in found) == 2
    both = mine.read(0, 20)
    for place in (0, 1):
        np.testing.assert_array_equal(np.concatenate([each[place] for each in found]), both[place])


@pytest.mark.parametrize(
    "options",
    [
        {"scheme": "uc-mmc", "load": 2},
        {"scheme": "gc", "load": 2},
        {"scheme": "lcc-mmc", "load": 3},
        {"scheme": "uc-mmc", "load": 2, "kernel": "gram"},
        {"scheme": "uc-mmc", "load": 2, "intercept": True, "standardize": True, "ridge": 0.1},
    ],
)
def test_workers_compute_with_the_other_rows_only(options):
    (mine, y), (out, z) = parts()
    with_all = trained(validation=0.25, **options)
    alone = trained(mine, y, **options)
    np.testing.assert_array_equal(with_all.coef_, alone.coef_)
    predicted = out @ with_all.coef_ + with_all.intercept_
    figures = with_all.summary["validation"]["figures"]
    assert figures["root_mean_squared_error"] == pytest.approx(
        np.sqrt(np.mean((predicted - z) ** 2)), rel=1e-9
    )
    assert with_all.history[-1].validation == pytest.approx(figures)
    assert with_all.summary["validation"]["rows"] == 20
    assert all(record.validation_time > 0 for record in with_all.history)


def test_rows_of_sparse_data_and_weights_are_held_out():
    sparse = csr_array(np.where(RNG.random((80, 6)) < 0.4, RNG.standard_normal((80, 6)), 0.0))
    weights = RNG.integers(1, 4, 80).astype(float)
    options = {"validation": "0.25", "sample_weight": weights}
    found = trained(sparse, kernel="sparse", **options)
    dense = trained(sparse.toarray(), **options)
    np.testing.assert_allclose(found.coef_, dense.coef_, rtol=1e-9)
    assert found.summary["validation"]["figures"] == pytest.approx(
        dense.summary["validation"]["figures"]
    )


def test_a_file_of_rows_is_read_as_the_data_are(monkeypatch):
    (mine, y), (out, z) = parts(y=Y)
    names = [*"abcdef"]
    for name, rows, labels in (("d.csv", mine, y), ("v.csv", out, z)):
        frame = pd.DataFrame(rows, columns=names)
        frame.insert(2, "kind", labels)
        frame.to_csv(name, index=False)
    options = {"objective": "logistic", "intercept": True, "standardize": True}
    of_file = train(data="d.csv", label="kind", validation=Path("v.csv"), **OPTIONS,
                    scheme="uc-mmc", load=2, **options)  # fmt: skip
    of_rows = trained(y=Y, validation=0.25, **options)
    assert [*of_file.history[3].validation] == ["loss", "accuracy", "log_loss", "auc"]
    for mine, other in zip(of_file.history, of_rows.history, strict=True):
        assert mine.validation == pytest.approx(other.validation)
    monkeypatch.setattr(held_out, "KEPT_BYTES", 0)
    again = trained(y=Y, validation=0.25, **options)
    assert again.history[5].validation == pytest.approx(of_rows.history[5].validation)


@pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame, csr_array, np.ndarray.tolist])
def test_rows_in_memory_are_held_out_as_those_of_a_file(kind):
    weights = np.arange(20.0)
    np.savez("v.npz", X=X[:20], y=Y[:20], w=weights)
    options = {"y": Y, "objective": "logistic", "intercept": True, "standardize": True}
    of_file = trained(validation="v.npz", **options)
    of_rows = trained(validation=(kind(X[:20]), Y[:20].tolist(), weights), **options)
    assert of_rows.summary["validation"]["rows"] == 20
    np.testing.assert_array_equal(of_rows.coef_, of_file.coef_)
    for mine, other in zip(of_rows.history, of_file.history, strict=True):
        assert mine.validation == pytest.approx(other.validation)
    words = np.where(Y > 1, "yes", "no")
    named = trained(validation=(X[:20], words[:20]), **{**options, "y": words})
    plain = trained(validation=(X[:20], Y[:20]), **options)
    assert named.history[7].validation == plain.history[7].validation


def test_a_run_with_held_out_rows_in_memory_is_resumed_with_them():
    np.savez("d.npz", X=X, y=Z)
    options = {"data": "d.npz", "validation": (X[:20], Z[:20]), "scheme": "uc-mmc", "load": 2}
    whole = train(**{**OPTIONS, **options})
    train(**{**OPTIONS, **options, "iterations": 5}, out="r", checkpoint_every=1)
    again = {"resume": "r", "transport": "simulated", "iterations": 12}
    with pytest.raises(CodedDGDError, match=r"give them to train again, as validation=\(X, y\)"):
        train(**again)
    found = train(validation=options["validation"], **again)
    assert found.history[9].validation == whole.history[9].validation
    np.testing.assert_array_equal(found.coef_, whole.coef_)


def run(*more, code=0):
    words = ["--transport", "simulated", "--workers", "4", "--scheme", "uc-mmc", "--load", "2"]
    assert run_command_line(["run", "--data", "d.npz", *words, *more]) == code


def test_figures_are_in_table_records_summary_and_plots(capsys):
    np.savez("d.npz", X=X, y=Y)
    run("--objective", "logistic", "--validation", "0.25", "--validation-every", "3", "--out", "r",
        "--iterations", "10")  # fmt: skip
    lines = capsys.readouterr().err.splitlines()
    assert any("60 of 80 rows x 6 features" in line for line in lines)
    table = [line for line in lines if line.startswith("held-out")]
    assert [line.split("  ")[0] for line in table] == [
        "held-out loss", "held-out accuracy", "held-out log loss", "held-out ROC AUC",
    ]  # fmt: skip
    assert "of 20 rows; lowest after iteration" in table[0]
    records = [json.loads(line) for line in Path("r/iterations.jsonl").read_text().splitlines()]
    assert [k for k, each in enumerate(records) if each["validation"]] == [2, 5, 8]
    assert [k for k, each in enumerate(records) if each["validation_time"]] == [2, 5, 8]
    kept = read_run(Path("r"))
    assert kept.log[2].validation == records[2]["validation"]
    assert kept.summary.validation.figures["accuracy"] <= 1
    (drawn,) = [each for each in plots.plots([kept]) if each.name == "validation"]
    assert len(drawn.panels) == 4 and drawn.panels[0].series[0].x.tolist() == [2, 5, 8]
    assert run_command_line(["report", "r", "--html", "r.html"]) == 0
    assert "held-out accuracy" in Path("r.html").read_text()
    told = capsys.readouterr().out
    assert "held-out rows     loss: " in told and "                    accuracy: " in told


def test_rows_with_text_labels_are_held_out():
    words = np.where(Y > 1, "yes", "no")
    named = trained(y=words, objective="logistic", validation=0.25)
    numbered = trained(y=Y, objective="logistic", validation=0.25)
    assert named.history[4].validation == numbered.history[4].validation
    frame = pd.DataFrame(np.vstack([X, X[:2]]), columns=[*"abcdef"])
    frame["kind"] = [*words, "yes", "yes"]
    frame[:80].to_csv("d.csv", index=False)
    frame[80:].to_csv("v.csv", index=False)
    of_file = train(data="d.csv", objective="logistic", validation="v.csv", **OPTIONS,
                    scheme="uc-mmc", load=2)  # fmt: skip
    z = X[:2] @ of_file.coef_[0]
    assert of_file.summary["validation"]["figures"]["accuracy"] == np.mean(z > 0)


# patience


WIDE = np.random.default_rng(2).standard_normal((60, 60))
NOISY = WIDE[:, :5].sum(axis=1) + 2 * np.random.default_rng(2).standard_normal(60)


def overfitted(**options):
    """A run whose held-out loss has a minimum, as the features outnumber the rows."""
    usual = {"iterations": 200, "validation": 0.25, "step_size": 0.001}
    return trained(WIDE, NOISY, **{**usual, **options})


def test_patience_stops_and_keeps_the_best_model():
    losses = [record.validation["loss"] for record in overfitted().history]
    best = int(np.argmin(losses))
    assert 0 < best < 200
    found = overfitted(patience=4, out="r")
    assert found.n_iter_ == best + 5
    validated = found.summary["validation"]
    assert validated["iteration"] == best
    assert validated["figures"]["loss"] == pytest.approx(losses[best]) == min(losses)
    assert found.summary["stop_reason"] == "patience"
    assert found.summary["status"] == "stopped by --patience"
    np.testing.assert_array_equal(found.coef_, overfitted(iterations=best + 1).coef_)
    with np.load("r/model.npz") as kept:
        np.testing.assert_array_equal(kept["coef"], found.coef_)


def test_without_patience_the_last_model_is_kept():
    found = overfitted(iterations=50)
    validated = found.summary["validation"]
    assert validated["figures"] == pytest.approx(found.history[-1].validation)
    assert validated["iteration"] == np.argmin([each.validation["loss"] for each in found.history])


def test_a_resumed_run_goes_on_with_the_best_model_and_the_patience(monkeypatch):
    whole = overfitted(patience=6, out="whole")
    best = whole.summary["validation"]["iteration"]
    stop_at, iteration = best + 3, Progress.iteration

    def update(self, record):
        if record.iteration == stop_at:
            signal.raise_signal(signal.SIGUSR2)
        return iteration(self, record)

    monkeypatch.setattr(Progress, "iteration", update)
    with pytest.raises(CodedDGDError):
        overfitted(patience=6, out="parts")
    monkeypatch.setattr(Progress, "iteration", iteration)
    kept, _ = latest(Path("parts"), lambda each: True)
    assert kept.values["validation"]["stale"] == 3
    again = train(WIDE, NOISY, resume="parts", transport="simulated")
    assert again.n_iter_ == whole.n_iter_
    assert again.summary["validation"]["iteration"] == best
    np.testing.assert_array_equal(again.coef_, whole.coef_)
    for mine, other in zip(again.history, whole.history, strict=True):
        assert mine.validation == other.validation


# refusals


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"validation": 1.5}, "a fraction of the rows, above 0 and below 1, or a file"),
        ({"validation": "0"}, "a fraction of the rows, above 0 and below 1, or a file"),
        ({"validation": 0.001}, "of 80 rows is 0 rows"),
        ({"validation": "none.csv"}, "no such file"),
        ({"validation": "wide.npz"}, "has 7 features beside the labels"),
        (
            {"validation": "bare.npz"},
            "and no labels: add the labels, or give --validation a fraction",
        ),
        ({"validation": (X, Z, None, None)}, r"has 4 items: give \(X, y\) or \(X, y, sample_w"),
        ({"validation": {"X": X}}, r"a fraction of the rows, a path, or arrays as \(X, y\)"),
        ({"validation": (X[:, :3], Z)}, "^validation X, y has 3 features beside the labels"),
        ({"validation": (X[:9], Z)}, "^validation X, y: X has 9 rows but y has 80"),
        ({"validation": (X, np.full(80, np.nan))}, "^validation y, row 1: nan is not a finite"),
        ({"validation": (np.full((80, 6), np.inf), Z)}, "^validation X, row 1, column 1: inf"),
        ({"validation": (X, Z, -X[:, 0])}, "^validation sample_weight, row 1: the weight"),
        ({"patience": 3}, "add --validation"),
        ({"validation_every": 3}, "add --validation"),
        ({"validation": 0.5, "validation_every": 0}, "has to be 1 or more"),
    ],
)
def test_what_cannot_be_held_out_is_refused(options, fault):
    np.savez("wide.npz", X=np.ones((3, 7)), y=np.ones(3))
    np.savez("bare.npz", X=np.ones((3, 6)))
    with pytest.raises(CodedDGDError, match=fault) as caught:
        trained(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("names", "rare"), [([1.0, 2.0, 7.0], "7"), (["a", "b", "z"], "'z'")])
def test_a_class_of_which_all_rows_are_drawn_is_refused(names, rare):
    (out, _) = parts()[1]
    places = (np.arange(80) % 2) + np.where((out[0] == X).all(axis=1), 10, 0)
    y = np.array(names)[np.minimum(places, 2)]
    with pytest.raises(CodedDGDError, match=f"every row of class {rare}: give another --seed"):
        trained(y=y, objective="softmax", validation=0.25)


@pytest.mark.parametrize("names", [[1.0, 7.0], ["a", "z"]])
def test_a_draw_that_leaves_one_class_of_two_names_the_seed(names):
    (out, _) = parts()[1]
    y = np.array(names)[np.where((X[:, None] == out).all(axis=2).any(axis=1), 1, 0)]
    remedy = "that --validation leaves for training are .*: give another --seed"
    with pytest.raises(CodedDGDError, match=remedy):
        trained(y=y, objective="logistic", validation=0.25)


def test_workers_that_read_all_rows_are_refused(capsys):
    np.savez("d.npz", X=X, y=Z)
    run("--validation", "0.2", "--encode", "local", code=2)
    assert "give the held-out rows as a file" in capsys.readouterr().err


def test_a_class_that_is_only_held_out_is_refused():
    y = np.where(np.arange(80) % 2, 1.0, 0.0)
    np.savez("v.npz", X=X[:2], y=[0.0, 5.0])
    with pytest.raises(CodedDGDError, match="the label 5 is none of the classes 0, 1"):
        trained(y=y, objective="logistic", validation="v.npz")
