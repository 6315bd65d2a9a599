"""Labels that are text: classes by their names, from every format, to the model."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coded_dgd import train
from coded_dgd.cli import run_command_line
from coded_dgd.errors import DataError
from coded_dgd.problems.fingerprint import fingerprint
from coded_dgd.problems.model import Model
from coded_dgd.problems.sources import Reading, _words, open_source, save

RNG = np.random.default_rng(11)
X = RNG.standard_normal((60, 4))
PLACES = (X[:, 0] > 0.5) * 1 + (X[:, 1] > 0)
NAMES = {
    "softmax": np.array(["versi_color", "Setosa", "virginica, or not"]),
    "logistic": np.array(["yes", "no", "no"]),
}
OPTIONS = {"scheme": "uc-mmc", "workers": 3, "load": 2, "iterations": 15, "transport": "simulated"}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, labels, order=(0, 1, 2, 3, "label")):
    frame = pd.DataFrame(X).assign(label=labels)[list(order)]
    frame.columns = [f"x{name}" if name != "label" else name for name in frame.columns]
    if name == "a.npz":
        np.savez(name, X=X, y=labels)
    else:
        frame.to_csv(name, index=False)
    return name


FILES = [("a.csv", {}), ("a.csv.gz", {}), ("first.csv", {"label": "label"}), ("a.npz", {})]


@pytest.mark.parametrize("objective", NAMES)
@pytest.mark.parametrize(("name", "reading"), FILES)
@pytest.mark.parametrize("encode", ["master", "local"])
def test_files_train_as_with_numbers(objective, name, reading, encode):
    labels = NAMES[objective][PLACES]
    wanted, numbers = np.unique(labels, return_inverse=True)
    order = ["label", 0, 1, 2, 3] if name == "first.csv" else [0, 1, 2, 3, "label"]
    write(name, labels, order)
    found = train(data=name, objective=objective, encode=encode, **reading, **OPTIONS)
    alike = train(X, numbers, objective=objective, **OPTIONS)
    np.testing.assert_array_equal(found.coef_, alike.coef_)
    np.testing.assert_array_equal(found.classes_, wanted)
    assert found.summary["classes"] == wanted.tolist()
    assert found.summary["accuracy"] == alike.summary["accuracy"]


LABELS = NAMES["softmax"][PLACES]
FORMS = {
    "array": LABELS,
    "column": LABELS[:, None],
    "objects": LABELS.astype(object),
    "list": LABELS.tolist(),
    "series": pd.Series(LABELS),
    "text of pandas": pd.Series(LABELS, dtype="string"),
    "categories": pd.Series(LABELS, dtype="category"),
    "frame": pd.DataFrame({"species": LABELS}),
}


@pytest.mark.parametrize("form", FORMS)
def test_arrays_and_frames_train_as_with_numbers(form):
    found = train(X, FORMS[form], objective="softmax", **OPTIONS)
    wanted, numbers = np.unique(LABELS, return_inverse=True)
    alike = train(X, numbers.reshape(-1), objective="softmax", **OPTIONS)
    np.testing.assert_array_equal(found.coef_, alike.coef_)
    assert found.classes_.tolist() == found.summary["classes"] == wanted.tolist()


def test_sparse_rows_have_them_too():
    from scipy.sparse import csr_array

    found = train(csr_array(X), LABELS, objective="softmax", **OPTIONS)
    assert found.classes_.tolist() == sorted(NAMES["softmax"])


MIXED = [
    ([*LABELS[:-1], 3], "y, row 1: .* is text"),
    ([*LABELS[:-1], None], "y, row 1: .* is text"),
    ([None, *LABELS[1:]], "y, row 1: the value is missing"),
    (np.array([b"a", b"b"] * 30), r"y holds \|S1 values: .* or text with .astype\(str\)"),
    ([b"a", b"b"] * 30, r"y holds \|S1 values: .* or text with .astype\(str\)"),
    (LABELS[:-1], "X has 60 rows but y has 59"),
]


@pytest.mark.parametrize(("y", "said"), MIXED)
def test_what_is_not_all_text_is_refused(y, said):
    with pytest.raises(DataError, match=said):
        train(X, y, objective="softmax", **OPTIONS)


@pytest.mark.parametrize("objective", ["least-squares", "huber", "poisson"])
def test_a_regression_refuses_text_in_one_line(objective, capsys):
    write("a.csv", LABELS)
    command = ["run", "--data", "a.csv", "--scheme", "uc-mmc", "--transport", "simulated"]
    command += ["--objective", objective]
    assert run_command_line(command) == 2
    message = capsys.readouterr().err.strip()
    assert "\n" not in message
    for part in "a.csv", "labels are text ('Setosa'", "--objective logistic", "softmax", "--label":
        assert part in message


def test_errors_show_the_texts():
    with pytest.raises(DataError, match=r"softmax.* 3 .*\('Setosa', 'versi_color', 'virg"):
        train(X, LABELS, objective="logistic", **OPTIONS)
    with pytest.raises(DataError, match="all of them are 'alone'"):
        train(X, ["alone"] * 60, objective="logistic", **OPTIONS)


def test_windows_are_those_of_the_whole():
    write("a.csv", LABELS)
    held, streamed = (open_source("a.csv", 0, streamed=each) for each in (False, True))
    assert held.words == streamed.words == tuple(sorted(NAMES["softmax"]))
    y = np.concatenate([y for _, y in streamed.windows(7)])
    np.testing.assert_array_equal(y, held.read(0, 60)[1])
    np.testing.assert_array_equal(np.array(held.words)[y.astype(int)], LABELS)
    np.testing.assert_array_equal(streamed.read(5, 9)[1], y[5:9])
    assert "label 'label' (column 5 of 5), 3 different texts as labels" in held.describe()


def test_a_first_row_with_a_text_label_is_settled_by_the_option():
    Path("iris.csv").write_text("5.1,3.5,setosa\n7.0,3.2,versicolor\n")
    with pytest.raises(
        DataError, match=r"--header yes .* or --header no if it is a row whose label"
    ):
        open_source("iris.csv", 0)
    source = open_source("iris.csv", 0, Reading(header="no"))
    assert source.words == ("setosa", "versicolor")
    assert source.read(0, 2)[0].tolist() == [[5.1, 3.5], [7.0, 3.2]]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_column_of_names_is_no_column_of_classes(streamed, monkeypatch):
    monkeypatch.setattr(_words, "MOST_WORDS", 20)
    write("a.csv", [f"row {row}" for row in range(60)])
    with pytest.raises(DataError, match=r"line 22, .*more than 20 different texts.*--label"):
        open_source("a.csv", 0, streamed=streamed)
    with pytest.raises(DataError, match="more than 20 different texts"):
        train(X, [f"row {row}" for row in range(60)], objective="softmax", **OPTIONS)


def test_other_texts_are_other_data():
    marks = set()
    for words in ("no", "yes"), ("no", "yet"), ("not", "yes"):
        np.savez("a.npz", X=X, y=np.resize(words, 60))
        marks.add(str(fingerprint(open_source("a.npz", 0), "a.npz")))
    assert len(marks) == 3


def test_the_model_keeps_them_and_a_run_goes_on():
    write("a.csv", LABELS)
    command = ["run", "--data", "a.csv", "--objective", "softmax", "--out", "out"]
    more = ["--transport", "simulated", "--scheme", "uc-mmc", "--workers", "3", "--load", "2"]
    assert run_command_line([*command, *more, "--iterations", "5", "--quiet"]) == 0
    summary = json.loads(Path("out/summary.json").read_text())
    assert summary["classes"] == sorted(NAMES["softmax"])
    assert Model.read(Path("out")).classes.tolist() == sorted(NAMES["softmax"])
    assert run_command_line(["run", "--resume", "out", "--iterations", "9", "--quiet"]) == 0
    assert Model.read(Path("out")).classes.tolist() == sorted(NAMES["softmax"])


@pytest.mark.parametrize("first", ["a.csv", "a.npz"])
@pytest.mark.parametrize("second", ["b.csv", "b.csv.xz", "b.npz"])
def test_convert_keeps_them(first, second):
    labels = np.array(['a "b", c', "#d", "e_1"])[PLACES]
    source = open_source(write(first, labels), 0, streamed=True)
    save(source, Path(second))
    found = open_source(second, 0)
    assert found.words == source.words
    for read, wanted in zip(found.read(0, 60), source.read(0, 60), strict=True):
        np.testing.assert_array_equal(read, wanted)


@pytest.mark.parametrize("name", ["b.npy", "b.svm", "b.h5"])
def test_convert_refuses_formats_without_text(name):
    source = open_source(write("a.npz", LABELS), 0)
    with pytest.raises(
        DataError, match=f"{name}: .* files hold no text.*name it .npz, .parquet or .csv"
    ):
        save(source, Path(name))
