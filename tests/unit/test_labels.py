"""Classifiers train with any two labels: nothing but `classes` tells which ones they were."""

import json
from itertools import count

import numpy as np
import pytest

from coded_dgd import train
from coded_dgd.cli import run_command_line
from coded_dgd.errors import DataError, UsageError
from coded_dgd.problems.encoding import LocalEncoding, fingerprint
from coded_dgd.problems.objectives import Objective, create
from coded_dgd.problems.objectives.logistic import Logistic
from coded_dgd.problems.preparation import labels, preparation_of, prepare
from coded_dgd.problems.preparation.labels import encoded
from coded_dgd.problems.sources import Reading, open_source, save
from coded_dgd.problems.sources.base import ArraySource

RNG = np.random.default_rng(6)
X = RNG.standard_normal((61, 6))
SIGNS = np.where(X @ RNG.standard_normal(6) + RNG.standard_normal(61) > 0, 1.0, -1.0)
PAIRS = [(0.0, 1.0), (1.0, 2.0), (-4.0, -3.5), (1e-60, 1e60)]


def with_labels(pair):
    return np.where(SIGNS > 0, pair[1], pair[0])


def fit(pair, **options):
    options = {"scheme": "uc-mmc", "workers": 5, "load": 2, "iterations": 20} | options
    if "data" not in options:
        options |= {"X": X, "y": with_labels(pair)}
    return train(objective="logistic", transport="simulated", check_gradient=True, **options)


@pytest.mark.parametrize("objective", ["logistic", "softmax"])
def test_one_class_alone_is_refused_where_weights_leave_out_the_other(objective):
    """A weight of 0 is as no copy of a row, and the intercept of one class grows for ever."""
    options = {"scheme": "uc-mmc", "workers": 5, "load": 2, "transport": "simulated"}
    with pytest.raises(DataError, match=r"a weight above 0 have.* all of them are"):
        train(X, SIGNS, sample_weight=1.0 * (SIGNS > 0), objective=objective, **options)
    weights = np.where(SIGNS > 0, 0.0, 1.0)
    weights[np.flatnonzero(SIGNS > 0)[-1]] = 0.5
    assert train(X, SIGNS, sample_weight=weights, objective=objective, **options).n_iter_ > 0


def write(path, pair):
    """The data with these labels; `.svm` leaves out what is small."""
    kept = np.where(X > 1, X, 0) if path.suffix == ".svm" else X
    save(ArraySource("data", kept, with_labels(pair), "in memory"), path)
    return str(path)


WAYS = {
    "dense": {},
    "single": {"dtype": "float32"},
    "gc": {"scheme": "gc"},
    "sgc": {"scheme": "sgc", "load": None},
    "local": {"data": ".npy", "encode": "local"},
    "sparse": {"data": ".svm", "kernel": "sparse"},
    "sparse single": {"data": ".svm", "kernel": "sparse", "dtype": "float32"},
    "sparse as dense": {"data": ".svm", "kernel": "products"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pair", PAIRS)
def test_all_pairs_train_alike(tmp_path, way, pair):
    options, same = WAYS[way], WAYS[way]
    if suffix := options.get("data"):
        options = options | {"data": write(tmp_path / f"other{suffix}", pair)}
        same = same | {"data": write(tmp_path / f"signs{suffix}", (-1.0, 1.0))}
    found, expected = fit(pair, **options), fit((-1.0, 1.0), **same)
    np.testing.assert_array_equal(found.coef_, expected.coef_)
    for name in "loss", "accuracy", "gradient_error", "kernel":
        assert found.summary[name] == expected.summary[name]
    assert found.summary["classes"] == list(pair)
    assert expected.summary["classes"] == [-1, 1]
    if not options.get("data", "").endswith(".svm"):
        assert found.summary["accuracy"] == np.mean(np.sign(X @ found.parameters_) == SIGNS)
        assert found.summary["accuracy"] > 0.7


def test_regression_has_no_classes_and_its_labels_stay():
    source = ArraySource("data", X, SIGNS, "in memory")
    assert encoded(source, create("least-squares")) is source
    assert train(X, SIGNS, transport="simulated", workers=3).summary["classes"] is None


SIMULATED = ["--transport", "simulated", "--workers", "4", "--delay", "none"]
COMMANDS = {
    "run": ["run", "--scheme", "gc"],
    "auto": ["run", "--scheme", "auto"],
    "compare": ["compare", "--schemes", "uc-mmc,gc"],
    "plan": ["plan", "--probe", "3", "--schemes", "sgc,uc-mmc"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_take_them(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    ticks = count()  # a plan depends on how fast the machine is, and that varies
    for module in ("engine.worker", "planner.costs", "planner.measurements"):
        monkeypatch.setattr(f"coded_dgd.{module}.perf_counter", lambda: 1e-5 * next(ticks))
    results = []
    for pair in (-1.0, 1.0), (1.0, 2.0):
        arguments = [*SIMULATED, "--iterations", "8", "--json"]
        data = write(tmp_path / f"{pair[0]}.npy", pair)
        given = [*arguments, "--data", data, "--objective", "logistic"]
        assert run_command_line([*COMMANDS[command], *given]) == 0
        results.append(json.loads(capsys.readouterr().out))
    if command in ("run", "auto"):
        assert [each["classes"] for each in results] == [[-1, 1], [1, 2]]
        folder = next(iter((tmp_path / "runs").iterdir()))
        assert "classes" in json.loads((folder / "summary.json").read_text())
    if command in ("run", "compare"):
        losses = [[scheme["loss"] for scheme in each.get("results", [each])] for each in results]
        assert losses[0] == losses[1]
    if command == "plan":  # so do iterations of schemes whose gradients are approximate
        first, second = ([e["iterations"] for e in each["candidates"]] for each in results)
        assert sorted(map(str, first)) == sorted(map(str, second))


def test_a_source_with_encoded_labels_is_the_source_otherwise(tmp_path):
    inner = open_source(write(tmp_path / "data.svm", (1.0, 2.0)), 0)
    source = encoded(inner, create("logistic"))
    assert encoded(source, create("logistic")) is source
    assert source.describe() == inner.describe()
    assert (source.rows, source.features) == (inner.rows, inner.features)
    assert (source.density, source.dtype) == (inner.density, inner.dtype)
    np.testing.assert_array_equal(source.entries()[2], inner.entries()[2])
    np.testing.assert_array_equal(source.entries()[3], SIGNS)
    np.testing.assert_array_equal(np.concatenate([y for _, y in source.windows(7)]), SIGNS)
    for mine, theirs in zip(source.read(3, 9), (inner.read(3, 9)[0], SIGNS[3:9]), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_label_that_was_not_there_at_first_is_refused():
    y = with_labels((1.0, 2.0))
    source = encoded(ArraySource("data", X, y, "in memory"), create("logistic"))
    for strange in 0.0, 1.5, 9.0:
        y[4] = strange
        with pytest.raises(DataError, match=f"data: the label {strange:g} is none of the classes"):
            source.read(0, 9)


def test_a_worker_that_reads_the_data_itself_finds_the_same_classes(tmp_path):
    path = write(tmp_path / "data.npy", (1.0, 2.0))
    raw, preparation = preparation_of(prepare(open_source(path, 0), create("logistic")))
    assert preparation.coding == ((1.0, 2.0), (-1.0, 1.0))
    blocks, mark = np.arange(2), str(fingerprint(raw, path))
    local_encoding = LocalEncoding.of(path, 0, Reading(), mark, 2, blocks, False, preparation)
    local_encoding = LocalEncoding.from_json(json.loads(json.dumps(local_encoding.to_json())))
    found = np.concatenate([y.ravel() for _, _, y in local_encoding.pieces()])
    assert set(found) <= {-1.0, 0.0, 1.0}
    write(tmp_path / "data.npy", (1.0, 3.0))
    with pytest.raises(DataError, match="--encode local"):
        list(local_encoding.pieces())


class Three(Objective):
    """Least squares on places in a list of classes."""

    curvature = 1.0

    def encode_labels(self, classes):
        return np.arange(1.0, 1 + len(classes))

    def gradient(self, X, y, beta, weights):
        residual = X @ beta - y
        return (residual if weights is None else weights * residual) @ X

    def loss(self, X, y, beta):
        return float(np.sum((X @ beta - y) ** 2)) / 2


def test_an_objective_of_ones_own_encodes_labels():
    y = np.resize([10.0, 30.0, 20.0], 61)
    options = {"scheme": "uc-mmc", "transport": "simulated", "workers": 4, "iterations": 200}
    found = train(X, y, objective=Three(), **options)
    expected = train(X, y / 10, **options).coef_
    np.testing.assert_allclose(found.coef_, expected, rtol=1e-12)
    assert found.summary["classes"] == [10, 20, 30]


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (lambda self, classes: [1.0], "encode_labels returned a list, and has to return 3 finite"),
        (lambda self, classes: classes * np.nan, "encode_labels returned float64 ndarray"),
        (lambda self, classes: "abc", "encode_labels raised ValueError"),
        (lambda self, classes: 1 / 0, "encode_labels raised ZeroDivisionError"),
    ],
)
def test_what_goes_wrong_in_it_is_one_line(method, words):
    mine = type("Mine", (Three,), {"encode_labels": method})()
    with pytest.raises(UsageError, match=f"objective Mine: {words}"):
        encoded(ArraySource("data", X, np.resize([1.0, 2, 3], 61), "in memory"), mine)


def test_what_check_labels_says_is_said_with_what_was_found():
    class Counts(Three):
        def check_labels(self, y):
            return None if (y >= 0).all() else "counts, 0 or more"

        encode_labels = Objective.encode_labels

    source = ArraySource("data", X, np.resize([1.0, -2], 61), "in memory")
    with pytest.raises(
        DataError, match=r"^data: the labels have to be counts, 0 or more, and ther"
    ):
        encoded(source, Counts())
    source = ArraySource("data", X, np.resize([1.0, 2], 61), "in memory")
    assert encoded(source, Counts()) is source
    with pytest.raises(UsageError, match="check_labels raised ZeroDivisionError"):
        encoded(source, type("Mine", (Counts,), {"check_labels": lambda self, y: 1 / 0})())


def test_labels_are_read_once(monkeypatch):
    reads = []

    class Counted(ArraySource):
        def windows(self, rows_at_once=None):
            reads.append(rows_at_once)
            return super().windows(rows_at_once)

    source = Counted("data", X, SIGNS, "in memory")
    assert labels.encoded(labels.encoded(source, Logistic()), Logistic()) is not source
    assert len(reads) == 1


class PerClass(Logistic):
    """A logistic regression that counts the classes of its data."""

    learnt: list[list[float]] = []

    def learn_classes(self, classes):
        self.learnt.append(classes.tolist())


def test_classes_are_told_to_the_objective_on_rank_0_and_on_workers():
    PerClass.learnt.clear()
    train(
        X, with_labels((3, 7)), objective=f"{__name__}:PerClass", workers=2, scheme="uncoded",
        transport="simulated", iterations=2,
    )  # fmt: skip
    assert len(PerClass.learnt) == 3  # rank 0 and two workers
    assert all(classes == [3, 7] for classes in PerClass.learnt)
