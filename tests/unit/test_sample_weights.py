"""A row of weight 2 counts as two rows, wherever the weights come from."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from coded_dgd import train
from coded_dgd.cli import run_command_line
from coded_dgd.errors import DataError, Infeasible, UsageError
from coded_dgd.planner import convergence
from coded_dgd.problems import objectives
from coded_dgd.problems.fingerprint import fingerprint
from coded_dgd.problems.objectives.least_squares import LeastSquares
from coded_dgd.problems.preparation import prepare
from coded_dgd.problems.sources import Reading, open_source, save
from coded_dgd.problems.sources.base import ArraySource
from coded_dgd.problems.sources.in_memory import open_arrays

RNG = np.random.default_rng(11)
ROWS = 47
X = RNG.standard_normal((ROWS, 4)) + np.array([0, 5, 0, 0])
Y = X @ [1.0, -1.0, 2.0, 0.0] + RNG.standard_normal(ROWS) + 3
SIGNS = np.sign(Y - Y.mean())
WEIGHTS = RNG.integers(0, 4, ROWS).astype(float)
COPIES = WEIGHTS.astype(int)
SIMULATED = {"transport": "simulated", "workers": 5, "iterations": 30, "check_gradient": True}


def weighted(**options):
    return train(X, options.pop("y", Y), sample_weight=WEIGHTS, **SIMULATED | options)


def repeated(**options):
    y = options.pop("y", Y)
    return train(np.repeat(X, COPIES, axis=0), np.repeat(y, COPIES), **SIMULATED | options)


WAYS = {
    "uncoded": {},
    "uc-mmc": {"load": 2},
    "gc": {"load": 2},
    "lcc-mmc": {"load": 3},
    "mds-mmc": {"load": 2},
}


@pytest.mark.parametrize("scheme", WAYS)
@pytest.mark.parametrize("prepared", [False, True])
def test_least_squares_with_weights_is_that_of_repeated_rows(scheme, prepared):
    options = {"scheme": scheme, "ridge": 1.5, "intercept": prepared, "standardize": prepared}
    mine, theirs = (each(**options, **WAYS[scheme]) for each in (weighted, repeated))
    np.testing.assert_allclose(mine.parameters_, theirs.parameters_, rtol=1e-10)
    assert mine.summary["loss"] == pytest.approx(theirs.summary["loss"], rel=1e-10)
    for name in ("distance_to_optimum", "step_size"):
        assert mine.summary[name] == pytest.approx(theirs.summary[name], rel=1e-3)
    assert mine.summary["gradient_error"]["max"] < 1e-12


@pytest.mark.parametrize("objective", ["logistic", "poisson", "huber", "softmax"])
@pytest.mark.parametrize("scheme", ["uc-mmc", "gc"])
@pytest.mark.parametrize("prepared", [False, True])
def test_other_objectives_are_those_of_repeated_rows(objective, scheme, prepared):
    labels = {"logistic": SIGNS, "softmax": np.round(Y / 4), "poisson": np.abs(np.round(Y)) / 9}
    options = {"scheme": scheme, "load": 2, "objective": objective, "ridge": 1.5,
               "intercept": prepared, "standardize": prepared, "y": labels.get(objective, Y),
               "step_size": 1e-3}  # fmt: skip
    mine, theirs = weighted(**options), repeated(**options)
    np.testing.assert_allclose(mine.parameters_, theirs.parameters_, rtol=1e-10, atol=1e-13)
    for name in "loss", "accuracy":
        assert mine.summary.get(name, 0) == pytest.approx(theirs.summary.get(name, 0), rel=1e-10)
    assert mine.summary["gradient_error"]["max"] < 1e-12


@pytest.mark.parametrize("objective", ["least-squares", "logistic"])
def test_sparse_rows_have_weights_too(objective):
    some = sp.csr_array(np.where(X > 0.3, X, 0))
    y = Y if objective == "least-squares" else SIGNS
    options = {"scheme": "uc-mmc", "load": 2, "objective": objective, **SIMULATED}
    sparse = train(some, y, sample_weight=WEIGHTS, kernel="sparse", **options)
    dense = train(some.toarray(), y, sample_weight=WEIGHTS, kernel="products", **options)
    np.testing.assert_allclose(sparse.parameters_, dense.parameters_, rtol=1e-10)


class Mine(LeastSquares):
    """Least squares of one's own, whose loss is another function."""

    def loss(self, X, y, beta, weights=None):
        return super().loss(X, y, beta, weights)


def test_weights_of_ones_own_objective_need_copies_of_rows():
    with pytest.raises(Infeasible, match=r"lcc-mmc combines rows .* use uc-mmc, gc or another"):
        weighted(objective=Mine(), scheme="lcc-mmc", load=3, step_size=1e-3)
    options = {"scheme": "gc", "load": 2, "step_size": 1e-3}
    mine, built_in = weighted(objective=Mine(), **options), weighted(**options)
    np.testing.assert_allclose(mine.coef_, built_in.coef_, rtol=1e-12)


def bad(place, value):
    weights = WEIGHTS.copy()
    weights[place] = value
    return weights


WRONG = {
    "negative": (bad(3, -1.0), r"row 4: the weight -1 is not a number from 0 to 1e\+100"),
    "NaN": (bad(0, np.nan), "row 1: the weight nan is not a number"),
    "infinite": (bad(46, np.inf), "row 47: the weight inf is not a number"),
    "short": (WEIGHTS[:-1], r"has shape \(46,\), and the data have 47 rows: give one weight"),
    "all zero": (np.zeros(ROWS), "all weights are 0: give at least one row a weight above 0"),
    "matrix": (np.ones((ROWS, 2)), r"has shape \(47, 2\)"),
    "complex": (WEIGHTS * 1j, "holds complex128 values: give real numbers"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_weights_are_refused_in_one_line(tmp_path, wrong):
    weights, words = WRONG[wrong]
    with pytest.raises(DataError, match=f"^sample_weight.* ?{words}"):
        open_arrays(X, Y, weights)
    np.savez(tmp_path / "data.npz", X=X, y=Y, w=weights)
    with pytest.raises(DataError, match=f"data.npz, array w.* ?{words}"):
        open_source(str(tmp_path / "data.npz"), 0)
    np.save(tmp_path / "w.npy", weights)
    np.savez(tmp_path / "plain.npz", X=X, y=Y)
    with pytest.raises(DataError, match=f"^--weights .*w.npy.* ?{words}"):
        open_source(str(tmp_path / "plain.npz"), 0, Reading(weights=str(tmp_path / "w.npy")))


def test_columns_of_frames_and_lists_are_weights():
    for given in (WEIGHTS.tolist(), WEIGHTS[:, None], pd.Series(COPIES), COPIES):
        np.testing.assert_array_equal(open_arrays(X, Y, given).weights, WEIGHTS)
    frame, series = pd.DataFrame(X), pd.Series(WEIGHTS, index=range(1, ROWS + 1))
    with pytest.raises(DataError, match=r"X and sample_weight have different indexes"):
        open_arrays(frame, Y, series)
    with pytest.raises(DataError, match=r"^sample_weight.*row 1: 'a' is text"):
        open_arrays(X, Y, ["a"] * ROWS)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_data_files_hold_weights(tmp_path, suffix):
    if suffix == ".h5":
        pytest.importorskip("h5py")
    path = tmp_path / f"data{suffix}"
    source = open_arrays(X, Y, WEIGHTS)
    save(source, path)
    again = open_source(str(path), 0)
    np.testing.assert_array_equal(again.weights, WEIGHTS)
    assert again.describe().split(": ")[1].startswith("47 rows x 4 features, sample weights, ")
    save(ArraySource("data", X, Y, "in memory"), path)
    assert open_source(str(path), 0).weights is None


def test_a_file_of_weights_is_text_or_npy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", X=X, y=Y)
    np.savetxt("w.txt", WEIGHTS)
    np.save("w.npy", WEIGHTS)
    for name in "w.txt", "w.npy":
        source = open_source("data.npz", 0, Reading(weights=name))
        np.testing.assert_array_equal(source.weights, WEIGHTS)
    np.save("made.npy", np.ones(5))
    made = open_source("synthetic:rows=5,features=2", 0, Reading(weights="made.npy"))
    assert made.weights.tolist() == [1] * 5


def test_a_file_of_weights_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", X=X, y=Y)
    (tmp_path / "words.txt").write_text("1\n2\nthree\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    np.savez("both.npz", X=X, y=Y, w=WEIGHTS)
    np.save("w.npy", WEIGHTS)
    for data, name, words in (
        ("data.npz", "none.txt", "--weights none.txt cannot be read .*: check the path"),
        ("data.npz", "words.txt", "--weights words.txt, line 3: 'three' is no number"),
        ("data.npz", "bytes.txt", "--weights bytes.txt is no text"),
        ("data.npz", ".", "cannot be read"),
        ("both.npz", "w.npy", "both.npz has sample weights w of its own: leave --weights out"),
    ):
        with pytest.raises(DataError, match=words):
            open_source(data, 0, Reading(weights=name))


def test_convert_keeps_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", X=X, y=Y, w=WEIGHTS)
    assert run_command_line(["convert", "a.npz", "b.npz"]) == 0
    with np.load("b.npz") as archive:
        np.testing.assert_array_equal(archive["w"], WEIGHTS)
    np.save("c.npy", np.column_stack([X, Y]))
    np.save("w.npy", WEIGHTS)
    assert run_command_line(["convert", "c.npy", "d.npz", "--weights", "w.npy"]) == 0
    with np.load("d.npz") as archive:
        np.testing.assert_array_equal(archive["w"], WEIGHTS)
    capsys.readouterr()
    assert run_command_line(["convert", "a.npz", "e.csv"]) == 2
    assert "e.csv: csv files hold no sample weights: name it .npz" in capsys.readouterr().err
    assert not (tmp_path / "e.csv").exists()


def test_weights_are_part_of_the_fingerprint():
    plain, one = open_arrays(X, Y), open_arrays(X, Y, WEIGHTS)
    other = open_arrays(X, Y, bad(2, 9.0))
    marks = {str(fingerprint(each, "")) for each in (plain, one, other)}
    assert len(marks) == 3


@pytest.mark.parametrize("limit", [2000, 20])
def test_a_sample_of_the_planner_keeps_weights_and_intercept(monkeypatch, limit):
    monkeypatch.setattr(convergence, "SAMPLE_ROWS", limit)
    marked = np.column_stack([X, WEIGHTS])
    source = prepare(open_arrays(marked, Y, WEIGHTS), objectives.create("huber"), intercept=True)
    some = convergence.sample(source)
    assert some.intercept and some.rows == min(limit, ROWS)
    marks = some.read(0, some.rows)[0][:, 4] + WEIGHTS @ WEIGHTS / WEIGHTS.sum()
    np.testing.assert_allclose(some.weights, marks, atol=1e-12)


def test_train_says_where_weights_belong():
    with pytest.raises(UsageError, match="sample_weight belongs to X and y"):
        train(data="data.npy", sample_weight=WEIGHTS, transport="simulated")
    with pytest.raises(UsageError, match=r"weights has to be text.* the weights as sample_weight"):
        train(X, Y, weights=WEIGHTS, transport="simulated")
    with pytest.raises(UsageError, match="weights names a file: with X and y give sample_weight"):
        train(X, Y, weights="w.npy", transport="simulated")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run with weights from a file, in virtual time."""
    monkeypatch.chdir(tmp_path)
    np.save("data.npy", np.column_stack([X, Y]))
    np.save("w.npy", WEIGHTS)

    def run(*more):
        return run_command_line(
            ["run", "--data", "data.npy", "--weights", "w.npy", "--scheme", "uc-mmc", "--load",
             "2", "--transport", "simulated", "--workers", "5", "--iterations", "8", "--quiet",
             *more]
        )  # fmt: skip

    return run


@pytest.mark.parametrize("objective", ["least-squares", "huber"])
def test_workers_that_read_the_data_read_the_weights(run, objective):
    assert run("--out", "master", "--objective", objective) == 0
    assert run("--out", "local", "--objective", objective, "--encode", "local") == 0
    np.testing.assert_array_equal(np.load("master/beta.npy"), np.load("local/beta.npy"))


def test_a_run_goes_on_with_its_weights_only(run, tmp_path, monkeypatch, capsys):
    more = ["--iterations", "16", "--quiet"]
    assert run("--out", "whole", *more) == 0
    assert run("--out", "parts") == 0
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")  # the path of the weights is understood from the run's
    assert run_command_line(["run", "--resume", "../parts", *more]) == 0
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(np.load("parts/beta.npy"), np.load("whole/beta.npy"))
    np.save("w.npy", bad(2, 9.0))
    assert run_command_line(["run", "--resume", "parts", "--iterations", "20", "--quiet"]) == 2
    assert "is not what the run was trained on (other numbers)" in capsys.readouterr().err


def test_a_comparison_and_a_plan_take_weights(run, capsys):
    given = ["--data", "data.npy", "--weights", "w.npy", "--transport", "simulated", "--workers",
             "4", "--iterations", "8", "--quiet", "--json"]  # fmt: skip
    assert run_command_line(["compare", "--schemes", "gc,lcc-mmc", "--load", "4", *given]) == 0
    losses = [each["loss"] for each in json.loads(capsys.readouterr().out)["results"]]
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    plan = ["plan", "--probe", "3", "--schemes", "uc-mmc,sgc", "--objective", "huber"]
    assert run_command_line([*plan, *given]) == 0


def test_weights_that_were_moved_are_named_anew(run, tmp_path):
    assert run("--out", "parts") == 0
    (tmp_path / "w.npy").rename("v.npy")
    again = ["run", "--resume", "parts", "--iterations", "16", "--quiet"]
    assert run_command_line([*again, "--weights", "v.npy"]) == 0
    assert json.loads((tmp_path / "parts" / "summary.json").read_text())["iterations"] == 16


def test_arrays_go_on_with_their_weights_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"scheme": "uc-mmc", "load": 2, "transport": "simulated", "workers": 5}
    train(X, Y, sample_weight=WEIGHTS, out="r", iterations=4, **options)
    with pytest.raises(UsageError, match=r"is not what the run was trained on"):
        train(X, Y, resume="r", iterations=8, **options)
    found = train(X, Y, sample_weight=WEIGHTS, resume="r", iterations=8, **options)
    whole = train(X, Y, sample_weight=WEIGHTS, iterations=8, **options)
    np.testing.assert_array_equal(found.coef_, whole.coef_)


def test_paths_of_weights_may_be_objects(run, tmp_path):
    given = {"scheme": "gc", "load": 2, "transport": "simulated", "workers": 5, "iterations": 5}
    found = train(data=tmp_path / "data.npy", weights=tmp_path / "w.npy", **given)
    np.testing.assert_array_equal(found.coef_, train(X, Y, sample_weight=WEIGHTS, **given).coef_)


def test_the_accuracy_is_named_as_that_of_the_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    labels = np.where(np.median(Y) < Y, 1.0, 0.0)
    np.savez("with.npz", X=X, y=labels, w=WEIGHTS)
    np.savez("without.npz", X=X, y=labels)
    common = ["--scheme", "uc-mmc", "--load", "2", "--workers", "5", "--transport", "simulated"]
    for name, words in (("with", "of the sample weights"), ("without", "of the rows")):
        given = ["--data", f"{name}.npz", "--objective", "logistic", "--out", name]
        assert run_command_line(["run", *common, *given]) == 0
        assert f"% {words}\n" in "".join(capsys.readouterr())
