"""coded-dgd convert: every format into every other, by the window, whole or not at all."""

import itertools
import json
import tracemalloc
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest

from coded_dgd.cli import run_command_line
from coded_dgd.problems import sources
from coded_dgd.problems.sources import base, open_source, save

FORMATS = [".npy", ".npz", ".svm", ".libsvm", ".csv", ".h5"]
FORMATS += [".parquet"] * (find_spec("pyarrow") is not None)

rng = np.random.default_rng(3)
X = rng.standard_normal((40, 6)) * 10.0 ** rng.integers(-30, 30, (40, 6))
X[X < 0] = 0
X[5] = 0
X[:, -1] = 0  # a format of sparse rows could forget it
X[3, 2], X[7, 1], X[8, 0] = 5e-324, 2.0**53 + 2, 0.1
y = np.where(rng.random(40) < 0.5, -1.0, 1.0)
y[4] = -0.25


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def convert(*arguments):
    return run_command_line(["convert", *arguments])


def rows(path):
    source = open_source(str(path), 0)
    return source.read(0, source.rows)


def assert_holds(path, X=X, y=y):
    for found, wanted in zip(rows(path), (X, y), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(("first", "second"), [*itertools.product(FORMATS, FORMATS)])
def test_every_format_becomes_every_other_and_stays_what_it_is(first, second):
    np.savez("start.npz", X=X, y=y)
    assert convert("start.npz", f"a{first}", "--quiet") == 0
    assert convert(f"a{first}", f"b{second}", "--quiet") == 0
    assert convert(f"b{second}", "end.npz", "--quiet") == 0
    assert_holds(f"b{second}")
    with np.load("end.npz") as end:
        np.testing.assert_array_equal(end["X"], X)
        np.testing.assert_array_equal(end["y"], y)
        assert end["X"].dtype == end["y"].dtype == np.float64


@pytest.mark.parametrize("rows_at_once", [1, 7, 40])
@pytest.mark.parametrize("suffix", FORMATS)
def test_windows_are_put_together(suffix, rows_at_once, monkeypatch):
    np.savez("start.npz", X=X, y=y)
    assert convert("start.npz", f"a{suffix}", "--quiet") == 0
    monkeypatch.setattr(base, "WINDOW_BYTES", 8 * 6 * rows_at_once)
    monkeypatch.setattr("coded_dgd.problems.sources._text.STREAMED_BYTES", 8 * 6 * rows_at_once)
    for other in FORMATS:
        assert convert(f"a{suffix}", f"b{other}", "--quiet") == 0
        assert_holds(f"b{other}")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
@pytest.mark.parametrize(
    ("kind", "kept"), [("f4", "f4"), ("f2", "f4"), ("f8", "f8"), ("i2", "f8"), ("?", "f8")]
)
def test_float32_stays_what_it_is(suffix, kind, kept):
    values = (np.arange(12).reshape(4, 3) / 7 if kind in ("f4", "f2") else np.eye(4, 3)).astype(
        kind
    )
    np.savez("start.npz", X=values, y=values[:, 0])
    assert convert("start.npz", f"a{suffix}", "--quiet") == 0
    assert open_source(f"a{suffix}", 0).dtype == np.dtype(kept)
    assert_holds(f"a{suffix}", values.astype(float), values[:, 0].astype(float))


def test_what_others_read():
    np.savez("start.npz", X=X, y=y)
    for suffix in (".npy", ".csv", ".h5"):
        assert convert("start.npz", f"a{suffix}", "--quiet") == 0
    np.testing.assert_array_equal(np.load("a.npy"), np.c_[X, y])
    np.testing.assert_array_equal(np.loadtxt("a.csv", delimiter=","), np.c_[X, y])
    with h5py.File("a.h5") as file:
        np.testing.assert_array_equal(file["X"][:], X)


def test_synthetic_data_become_a_file():
    text = "synthetic:rows=30,features=4"
    assert convert(text, "a.npy", "--seed", "5", "--quiet") == 0
    assert_holds("a.npy", *open_source(text, 5).read(0, 30))


def test_what_is_told(capsys):
    np.savez("start.npz", X=X, y=y)
    assert convert("start.npz", "a.csv") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("a.csv: 40 rows x 6 features, ")
    assert convert("start.npz", "b.npy", "--json", "--quiet") == 0
    said = capsys.readouterr()
    assert not said.err
    told = json.loads(said.out)
    assert told.pop("seconds") >= 0
    assert told == {
        "in": "start.npz", "out": "b.npy", "rows": 40, "features": 6, "dtype": "float64",
        "bytes": Path("b.npy").stat().st_size,
    }  # fmt: skip


def refused(capsys, *arguments):
    capsys.readouterr()
    assert convert(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_nothing_is_overwritten_unless_that_is_asked_for(capsys):
    np.savez("start.npz", X=X, y=y)
    Path("a.csv").write_text("mine\n")
    assert "a.csv exists and is not overwritten" in refused(capsys, "start.npz", "a.csv")
    assert Path("a.csv").read_text() == "mine\n"
    assert convert("start.npz", "a.csv", "--force", "--quiet") == 0
    assert_holds("a.csv")
    assert convert("a.csv", "a.csv", "--force", "--quiet") == 0  # onto itself
    assert_holds("a.csv")


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("1,2,3\n4,nan,6\n", "row 2, column 2: nan is not a finite number"),
        ("1,2,3\n4,5\n", "line 2: 2 columns, but 3"),
        ("1,2,3\n4,x,6\n", "line 2, column 2: 'x' is not a number"),
        ("a,b\n", "has no rows"),
        ("1\n2\n", "has no features"),
        ("", "is empty"),
    ],
)
@pytest.mark.parametrize("target", ["a.npy", "a.npz", "a.svm", "a.csv", "a.h5"])
def test_an_error_leaves_nothing_behind_and_what_was_there(capsys, bad, says, target):
    Path("bad.csv").write_text(bad)
    assert says in refused(capsys, "bad.csv", target)
    assert sorted(path.name for path in Path().iterdir()) == ["bad.csv"]
    Path(target).write_text("mine\n")
    assert says in refused(capsys, "bad.csv", target, "--force")
    assert Path(target).read_text() == "mine\n"


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        ("no.csv", "a.npy", "no.csv: no such file"),
        ("a.csv", "a.xls", "a.xls has unknown suffix '.xls'"),
        ("a.csv", "a", "a has unknown suffix ''"),
        ("a.csv", "no/a.npy", "no/a.npy cannot be written (No such file or directory)"),
        ("a.csv", "folder.npy", "folder.npy exists and is not overwritten"),
        ("a.csv", f"{'x' * 300}.npy", "cannot be written (File name too long)"),
        ("folder.npy", "b.npy", "folder.npy is a directory"),
        ("synthetic:rows=0", "b.npy", "have to be 1 or more"),
    ],
)
def test_what_cannot_be_done_is_refused(capsys, source, target, says):
    Path("a.csv").write_text("1,2\n")
    Path("folder.npy").mkdir()
    assert says in refused(capsys, source, target)
    assert says in refused(capsys, source, target, "--force") or target == "folder.npy"


def test_a_folder_is_not_replaced(capsys):
    Path("a.csv").write_text("1,2\n")
    Path("folder.npy").mkdir()
    line = refused(capsys, "a.csv", "folder.npy", "--force")
    assert "folder.npy cannot be written (Is a directory)" in line
    assert sorted(path.name for path in Path().iterdir()) == ["a.csv", "folder.npy"]


def test_hdf5_without_h5py_names_what_to_install(capsys, monkeypatch):
    Path("a.csv").write_text("1,2\n")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    assert "pip install h5py" in refused(capsys, "a.csv", "a.h5")
    assert not Path("a.h5").exists()


@pytest.mark.parametrize(
    ("first", "second"),
    [(".npy", ".npz"), (".npz", ".h5"), (".h5", ".npy"), (".csv", ".npy"), (".npy", ".svm"),
     (".svm", ".csv")],
)  # fmt: skip
def test_a_large_file_takes_little_memory(first, second, monkeypatch):
    """0.96 MB of X, in windows of 6 kB: what is held at once is a quarter of it at most."""
    large = np.tile(X[:, :5], (600, 1))
    np.savez("start.npz", X=large, y=np.tile(y, 600))
    save(open_source("start.npz", 0), Path(f"a{first}"))
    monkeypatch.setattr(base, "WINDOW_BYTES", 6_000)
    monkeypatch.setattr("coded_dgd.problems.sources._text.STREAMED_BYTES", 6_000)
    open_source("synthetic:rows=1,features=1", 0)
    tracemalloc.start()
    try:
        save(open_source(f"a{first}", 0, streamed=True), Path(f"b{second}"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    labels = 1.92e5 if second == ".npz" else 0
    assert peak < 2.4e5 + labels, peak


def test_a_file_that_becomes_shorter_is_refused(monkeypatch):
    Path("a.csv").write_text("1,2\n3,4\n5,6\n")
    source = open_source("a.csv", 0, streamed=True)
    Path("a.csv").write_text("1,2\n")
    with pytest.raises(base.DataError, match="has become shorter while it was read"):
        save(source, Path("b.npy"))
    assert not Path("b.npy").exists()


def test_every_reader_has_a_writer():
    for module in {*sources.READERS.values()}:
        found = __import__(f"coded_dgd.problems.sources.{module}", fromlist=["write"])
        assert callable(found.write)


def test_names_of_columns_are_kept_where_a_header_is_written():
    table = 'age,"size, cm",kind,town\n1,2.5,yes,Oslo\n3,4.5,no,Rome\n'
    Path("a.csv").write_text(table)
    reading = sources.Reading(label="kind", columns="2,age")
    save(open_source("a.csv", 0, reading), Path("b.csv"))
    assert Path("b.csv").read_text() == '"size, cm",age,kind\n2.5,1.0,yes\n4.5,3,no\n'
    pytest.importorskip("pyarrow")
    save(open_source("b.csv", 0), Path("c.parquet"))
    found = open_source("c.parquet", 0)
    assert (found.names, found.label_title()) == (("size, cm", "age"), "the label ('kind')")
    Path("d.csv").write_text("a b,a  b,kind\n1,2,yes\n3,4,no\n")
    save(open_source("d.csv", 0), Path("e.csv"))
    assert Path("e.csv").read_text().startswith("x1,x2,label\n")
