"""Which columns are features: --columns by name, number and range, in every format."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from coded_dgd import train
from coded_dgd.cli import run_command_line
from coded_dgd.errors import DataError, UsageError
from coded_dgd.problems.sources import Reading, base, open_source
from coded_dgd.problems.sources._choice import chosen_places

A = np.random.default_rng(5).standard_normal((30, 6)).round(3)
NAMES = ("id", "age", "size", "city", "a:b", "price")
OPTIONS = {"scheme": "uc-mmc", "workers": 3, "load": 2, "iterations": 4, "transport": "simulated"}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


CHOICES = [
    ("age", [1]),
    ("2", [1]),
    (" size , age ", [2, 1]),
    ("age:city", [1, 2, 3]),
    ("2:4", [1, 2, 3]),
    ("age:-3,id", [1, 2, 3, 0]),
    ("a:b", [4]),
    ("id:price", [0, 1, 2, 3, 4]),
    ("age:age", [1]),
]


@pytest.mark.parametrize(("text", "places"), CHOICES)
def test_names_numbers_and_ranges(text, places):
    assert chosen_places(text, 6, NAMES, "here", 5) == tuple(places)


REFUSED = [
    ("agee", r"no column is called 'agee' \(did you mean 'age'\?\).*give --columns one of these"),
    ("0", "--columns 0: columns count from 1 to 6, or from the end"),
    ("7", "--columns 7: columns count from 1"),
    ("", "no column is called ''"),
    ("age,,size", "no column is called ''"),
    ("age,2", "--columns names column age twice"),
    ("price", "--columns names price, which is the label: .* or give --label another column"),
    ("price:6", "--columns price:6 names the label alone"),
    ("city:age", "the first column of this range comes after the last: give age:city"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_what_is_no_choice_is_refused(text, said):
    with pytest.raises(DataError, match=f"here: .*{said}|here.*{said}"):
        chosen_places(text, 6, NAMES, "here", 5)


def write(kind):
    if kind == "csv":
        text = [",".join(NAMES)]
        for row in A:
            fields = [repr(value) for value in row.tolist()]
            fields[0], fields[3] = "row_1", '"Ulm, #1"'  # text that is not to be read
            text.append(",".join(fields))
        Path("a.csv").write_text("\n".join(text))
    elif kind == "npy":
        np.save("a.npy", A)
    elif kind == "npz":
        np.savez("a.npz", X=A[:, :5], y=A[:, 5])
    elif kind == "packed.npz":
        np.savez_compressed("a.packed.npz", X=A[:, :5], y=A[:, 5])
    elif kind == "h5":
        with h5py.File("a.h5", "w") as file:
            file["X"], file["y"] = A[:, :5], A[:, 5]
    else:
        rows = ([f"{c + 1}:{v!r}" for c, v in enumerate(row)] for row in A[:, :5].tolist())
        lines = (" ".join([repr(y), *row]) for y, row in zip(A[:, 5].tolist(), rows, strict=True))
        Path("a.svm").write_text("\n".join(lines))
    return f"a.{kind}"


KINDS = ["csv", "npy", "npz", "packed.npz", "h5", "svm"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("text", "places"), [("5,2:3", [4, 1, 2]), ("2:3", [1, 2]), ("3", [2])])
def test_every_format_has_the_columns(kind, text, places, streamed):
    source = open_source(write(kind), 0, Reading(columns=text), streamed)
    for start, stop in (0, 30), (7, 8):
        X, y = source.read(start, stop)
        np.testing.assert_array_equal(X, A[start:stop, places])
        np.testing.assert_array_equal(y, A[start:stop, 5])
        assert X.flags.c_contiguous
    np.testing.assert_array_equal(np.concatenate([X for X, _ in source.windows(7)]), A[:, places])
    assert source.feature_title(0).startswith(f"column {places[0] + 1}")
    assert source.names == (tuple(NAMES[place] for place in places) if kind == "csv" else None)


@pytest.mark.parametrize("encode", ["master", "local"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_trains_on_them(kind, encode):
    wanted = train(A[:, [4, 1]], A[:, 5], **OPTIONS)
    found = train(data=write(kind), columns="5,2", encode=encode, **OPTIONS)
    np.testing.assert_allclose(found.coef_, wanted.coef_, rtol=1e-12)


def test_text_among_the_features_names_the_option():
    with pytest.raises(
        DataError, match=r"line 2, column 1 \('id'\): 'row_1' is .*dummies.*--columns"
    ):
        open_source(write("csv"), 0)
    with pytest.raises(DataError, match=r"column 4 \('city'\): 'Ulm, #1' is not a number.*--colum"):
        open_source("a.csv", 0, Reading(columns="age:city"))


@pytest.mark.parametrize("streamed", [False, True])
def test_columns_that_are_not_chosen_may_be_anything_but_lines_are_lines(streamed):
    Path("a.csv").write_text('n,x,y\n"a, b",1,2\n,3,4\n# c,8,8\nNA,5,6\n')
    source = open_source("a.csv", 0, Reading(columns="x"), streamed)
    assert np.column_stack(source.read(0, 3)).tolist() == [[1, 2], [3, 4], [5, 6]]
    Path("b.csv").write_text('n,x,y\na,1,2\n"a,1",2\n')
    with pytest.raises(DataError, match="line 3: 2 columns, but 3 on the first line"):
        open_source("b.csv", 0, Reading(columns="x"), streamed)


def test_an_index_is_left_out_by_the_choice():
    Path("a.csv").write_text(",x,y\n0,1,2\n1,3,4\n2,5,6\n")
    with pytest.raises(DataError, match="first column has no name"):
        open_source("a.csv", 0)
    assert open_source("a.csv", 0, Reading(columns="x")).features == 1
    Path("b.csv").write_text("0,3,2\n1,3,5\n2,5,6\n")
    with pytest.raises(DataError, match="counts the rows from 0"):
        open_source("b.csv", 0)
    assert open_source("b.csv", 0, Reading(columns="2")).features == 1


def test_text_labels_beside_chosen_columns():
    Path("a.csv").write_text("kind,x,note,z\nb,1,u,5\na,2,v,6\n")
    for streamed in False, True:
        source = open_source("a.csv", 0, Reading(columns="z,x", label="kind"), streamed)
        assert source.words == ("a", "b")
        assert np.column_stack(source.read(0, 2)).tolist() == [[5, 1, 1], [6, 2, 0]]


def test_a_wrong_value_is_named_by_its_column_in_the_file():
    B = A.copy()
    B[3, 4] = np.nan
    np.savez("a.npz", X=B[:, :5], y=B[:, 5])
    with pytest.raises(DataError, match="row 4, column 5: nan"):
        open_source("a.npz", 0, Reading(columns="2,5")).read(0, 30)


def test_pages_of_a_mapped_matrix_are_given_back(monkeypatch):
    monkeypatch.setattr(base, "MAPPED_BYTES", 0)
    source = open_source(write("npz"), 0, Reading(columns="5,2"))
    assert len(source._mappings) == 2
    np.testing.assert_array_equal(np.concatenate([X for X, _ in source.windows(7)]), A[:, [4, 1]])


def test_synthetic_data_and_arrays_have_no_choice():
    with pytest.raises(UsageError, match="--columns does nothing for synthetic data"):
        open_source("synthetic:rows=3", 0, Reading(columns="1"))
    with pytest.raises(UsageError, match="columns says how to read a file"):
        train(A, A[:, 0], columns="1", **OPTIONS)
    with pytest.raises(UsageError, match=r'columns.*in one text, such as "age,size"'):
        train(data=write("npy"), columns=["1"], **OPTIONS)


def test_commands_take_the_option(capsys):
    write("csv")
    command = ["run", "--data", "a.csv", "--columns", "age:size", "--transport", "simulated"]
    assert run_command_line([*command, "--iterations", "2", "--out", "r", "--json"]) == 0
    assert "30 rows x 2 features, label 'price'" in capsys.readouterr().err
    assert json.loads(Path("r/model.json").read_text())["names"] == ["age", "size"]
    assert run_command_line(["convert", "a.csv", "b.csv", "--columns", "size"]) == 0
    assert open_source("b.csv", 0).features == 1
