"""Data sources: every format reads to the same rows, and everything else is refused in one line."""

import io
import mmap
import operator
import os
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coded_dgd.errors import DataError, UsageError
from coded_dgd.problems.sources import READERS, Source, open_source
from coded_dgd.problems.sources.base import ArraySource

A9A = Path(__file__).parents[3] / "shared" / "data" / "a9a.svm"

X = np.random.default_rng(1).standard_normal((23, 5))
X[X < -1] = 0
X[7] = 0
y = np.arange(23.0) - 9
A = np.c_[X, y]


def csv_text(header=""):
    return header + "".join(",".join(map(repr, row)) + "\n" for row in A.tolist())


def svm_text(query=""):
    rows = []
    for row, label in zip(X.tolist(), y.tolist(), strict=True):
        entries = (f"{i}:{value!r}" for i, value in enumerate(row, 1) if value)
        rows.append(f"{label!r} {query}{' '.join(entries)} # a comment, 9:9\n")
    return "# a comment\n" + "\n".join(rows)


def saved(array, version=None):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), version)
    return stream.getvalue()


def save_h5(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values


GOOD = {
    "c.npy": lambda path: np.save(path, A),
    "fortran.npy": lambda path: np.save(path, np.asfortranarray(A)),
    "big_endian.NPY": lambda path: path.write_bytes(saved(A.astype(">f8"))),
    "version2.npy": lambda path: path.write_bytes(saved(A, (2, 0))),
    "stored.npz": lambda path: np.savez(path, y=y, X=X),
    "fortran.npz": lambda path: np.savez(path, X=np.asfortranarray(X), y=y, other=1),
    "column.npz": lambda path: np.savez(path, X=X, y=y[:, None]),
    "packed.npz": lambda path: np.savez_compressed(path, X=np.asfortranarray(X), y=y),
    "a.svm": lambda path: path.write_text(svm_text()),
    "a.libsvm": lambda path: path.write_text(svm_text("qid:3 ")),
    "a.svmlight": lambda path: path.write_text(svm_text(), newline="\r\n"),
    "plain.csv": lambda path: path.write_text(csv_text()),
    "header.csv": lambda path: path.write_text(csv_text("a,b,c,d,e,label\n\n")),
    "quoted.csv": lambda path: path.write_text(csv_text('"a, b",b,c,d,e,label\n')),
    "bom.csv": lambda path: path.write_text(csv_text(), "utf-8-sig", newline="\r\n"),
    "a.h5": lambda path: save_h5(path, X=X, y=y),
    "a.hdf5": lambda path: save_h5(path, X=X, y=y),
    "column.h5": lambda path: save_h5(path, X=X, y=y[:, None]),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_format_reads_to_the_same_rows(tmp_path, name):
    GOOD[name](tmp_path / name)
    source = open_source(str(tmp_path / name), seed=0)
    assert (source.rows, source.features) == X.shape
    assert "23 rows x 5 features" in source.describe()
    assert "\n" not in source.describe()
    for start, stop in [(0, 23), (4, 11), (22, 23), (6, 6)]:
        rows, labels = source.read(start, stop)
        np.testing.assert_array_equal(rows, X[start:stop])
        np.testing.assert_array_equal(labels, y[start:stop])
        for array in rows, labels:
            assert type(array) is np.ndarray
            assert array.dtype == np.float64
            assert array.flags.c_contiguous and array.flags.owndata and array.flags.writeable


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("rows_at_once", [1, 5, 23, 100, None])
def test_windows_cover_every_row_once_in_order(tmp_path, name, rows_at_once):
    GOOD[name](tmp_path / name)
    windows = list(open_source(str(tmp_path / name), seed=0).windows(rows_at_once))
    assert all(len(X) == len(y) for X, y in windows)
    np.testing.assert_array_equal(np.concatenate([X for X, _ in windows]), X)
    np.testing.assert_array_equal(np.concatenate([y for _, y in windows]), y)


@pytest.mark.parametrize("dtype", [bool, "i1", "u8", ">i4", "f2", "f4", "g"])
def test_any_real_type_becomes_float64(tmp_path, dtype):
    B = np.array([[1, 0, 1], [0, 1, 1]], dtype)
    np.save(tmp_path / "b.npy", B)
    np.savez(tmp_path / "b.npz", X=B[:, :2], y=B[:, 2])
    for suffix in "npy", "npz":
        rows, labels = open_source(str(tmp_path / f"b.{suffix}"), 0).read(0, 2)
        assert rows.dtype == labels.dtype == np.float64
        np.testing.assert_array_equal(np.c_[rows, labels], B.astype(float))


def test_what_is_read_belongs_to_the_caller(tmp_path):
    np.save(tmp_path / "a.npy", A)
    for text in "synthetic", str(tmp_path / "a.npy"):
        source = open_source(text, 0)
        rows, labels = source.read(0, source.rows)
        expected = rows.copy(), labels.copy()
        rows[:] = labels[:] = 0
        for again, before in zip(source.read(0, source.rows), expected, strict=True):
            np.testing.assert_array_equal(again, before)


@pytest.mark.parametrize("name", GOOD)
def test_rows_are_read_into_memory_of_the_caller(tmp_path, name):
    GOOD[name](tmp_path / name)
    source = open_source(str(tmp_path / name), 0)
    memory = np.full((7, 6), np.nan), np.full((9,), np.nan)
    out = memory[0][1:6, :5], memory[1][2:7]
    assert all(map(operator.is_, source.read(4, 9, out), out))
    np.testing.assert_array_equal(out[0], X[4:9])
    np.testing.assert_array_equal(out[1], y[4:9])
    assert (np.isnan(memory[0]).sum(), np.isnan(memory[1]).sum()) == (17, 4)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_what_is_read_into_memory_is_checked(dtype):
    rows = np.ones((4, 3), dtype)
    source, out = ArraySource("a", rows, rows[:, 0], "here"), (np.empty((4, 3), dtype), np.empty(4))
    rows[1] = 1e30  # its square is out of range of float32
    assert source.read(0, 4, out)[0] is out[0]
    for value in (np.inf, -np.inf, np.nan):
        rows[2, 1] = value
        with pytest.raises(DataError, match=f"^a, row 3, column 2: {value} is not a finite number"):
            source.read(0, 4, out)


@pytest.mark.parametrize("mode", ["c", "r+", None])
def test_a_mapped_array_keeps_what_has_been_written_to_it(tmp_path, mode):
    shape = (700, 1000)  # more than may stay in memory
    if mode:
        np.save(tmp_path / "b.npy", np.zeros(shape))
        B = np.load(tmp_path / "b.npy", mmap_mode=mode)
    else:
        private = mmap.mmap(-1, 8 * 700 * 1000, mmap.MAP_PRIVATE)
        B = np.frombuffer(private).reshape(shape)
    B[:] = 1
    source = ArraySource("B", B[:, :-1], B[:, -1], "mapped")
    for _ in range(2):
        assert all(X.all() and y.all() for X, y in source.windows())


def test_rows_that_are_not_there_are_an_index_error():
    source = open_source("synthetic:rows=10,features=2", 0)
    for start, stop in [(-1, 3), (4, 3), (0, 11)]:
        with pytest.raises(IndexError, match="of 10"):
            source.read(start, stop)


@pytest.mark.parametrize("name", ["c.npy", "fortran.npy", "c.npz", "a.h5"])
def test_a_window_of_a_large_file_takes_little_memory(tmp_path, name):
    B = np.ones((80_000, 51), order="F" if name == "fortran.npy" else "C")  # 33 MB
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, B)
    else:
        (np.savez if path.suffix == ".npz" else save_h5)(path, X=B[:, :50], y=B[:, 50])
    del B
    open_source("synthetic:rows=1,features=1", 0)
    tracemalloc.start()
    try:
        source = open_source(str(path), 0)
        assert source.read(70_000, 70_100)[0].shape == (100, 50)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2e6
    if path.suffix != ".h5":
        assert isinstance(source._X, np.memmap) and isinstance(source._y, np.memmap)
        assert "memory-mapped" in source.describe()


def test_a_reader_is_imported_only_when_a_file_needs_it(tmp_path):
    np.save(tmp_path / "a.npy", A)
    script = (
        "import sys; from coded_dgd.problems.sources import open_source;"
        f"open_source({str(tmp_path / 'a.npy')!r}, 0).read(0, 3); open_source('synthetic', 0);"
        "print(*{'scipy', 'h5py', 'zipfile', 'click', 'mpi4py'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


# What is refused: the file's name, what is written to it, and words of the message.


def zipped(compressed=False, **arrays):
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


def zip_of(method, **members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def hdf5(**datasets):
    stream = io.BytesIO()
    save_h5(stream, **datasets)
    return stream.getvalue()


def npy_header(text):
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def with_nan(array, where, value=np.nan):
    copy = array.copy()
    copy[where] = value
    return copy


ONES = np.ones(3)
packed = zipped(compressed=True, X=X, y=y)
hdf5_bytes = hdf5(X=X, y=y)

BAD = [
    ("a.npy", b"", "is empty: write"),
    ("a.npy", b"1,2,3\n", "not in NumPy's format: write it with numpy.save"),
    ("a.npy", saved(A)[:7], "not in NumPy's format: write it with numpy.save"),
    ("a.npy", saved(A)[:-1], "cut short: write or copy it again"),
    ("a.npy", npy_header("(" * 9000), "not in NumPy's format: write it with numpy.save"),
    ("a.npy", npy_header("{'descr': '<f8', 'fortran_order': (,"), "not in NumPy's format: write"),
    (
        "a.npy",
        npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-2, -2)}") + b"8" * 32,
        "cut short: write or copy it again",
    ),
    (
        "a.npy",
        npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (9" + "0" * 30 + ", 9)}"),
        "cut short: write or copy it again",
    ),
    ("a.npy", saved(ONES), r"shape \(3,\): save it as \(rows, features \+ 1\)"),
    ("a.npy", saved(np.ones((2, 3, 4))), r"shape \(2, 3, 4\): save it as \(rows, features \+ 1\)"),
    ("a.npy", saved(np.float64(1)), r"shape \(\): save it as \(rows, features \+ 1\)"),
    ("a.npy", saved(np.ones((0, 4))), "no rows: give at least one"),
    ("a.npy", saved(np.ones((4, 0))), "no features: give at least one"),
    ("a.npy", saved(np.ones((4, 1))), "no features: give at least one"),
    ("a.npy", saved(A + 1j), "complex128 values: give real numbers"),
    ("a.npy", saved(A.astype(str)), "<U32 values: give real numbers"),
    ("a.npy", saved(A.astype("M8[s]")), r"datetime64\[s\] values: give real numbers"),
    ("a.npy", saved(A.astype(object)), "object values: give real numbers"),
    ("a.npy", saved(np.zeros(3, "f8,i4")), "values: give real numbers"),
    ("a.npy", saved(with_nan(A, (4, 2))), "row 5, column 3: nan is not a finite.*: drop the row"),
    ("a.npy", saved(with_nan(A, (22, 5), np.inf)), "row 23, the label: inf is not a finite.*drop"),
    ("a.npy", saved(with_nan(A.astype("g"), (0, 0), "1e4000")), "row 1, column 1: inf .*drop"),
    ("a.npz", b"PK not a zip", "damaged or not a .npz: write it with numpy.savez"),
    ("a.npz", saved(A), "is a NumPy array: give --format npy, or name it .npy"),
    ("a.npz", packed[:90] + b"#" * 9 + packed[99:], "damaged or not a .npz: write it with"),
    ("a.npz", packed[:300] + b"#" + packed[301:], "damaged or not a .npz: write it with"),
    ("a.npz", zip_of(zipfile.ZIP_LZMA, X=saved(X), y=saved(y)), "damaged or not a .npz: write"),
    ("a.npz", zipped(X=X, z=y), r"no array y \(it has: X, z\): write it with numpy.savez"),
    ("a.npz", zipped(a=A), r"no array X \(it has: a\): write it with numpy.savez"),
    ("a.npz", zip_of(0), r"no array X \(it has: none\): write it with numpy.savez"),
    ("a.npz", zip_of(0, X=b"text", y=b""), "array X is not in NumPy's format: write it"),
    ("a.npz", zip_of(0, X=saved(X)[:-1], y=saved(y)), "array X, of shape .*cut short: write"),
    ("a.npz", zip_of(8, X=saved(X), y=saved(y)[:-1]), "array y, of shape .*cut short: write"),
    ("a.npz", zipped(X=X, y=y.astype(object)), "array y holds object values: give real"),
    ("a.npz", zipped(True, X=X * 1j, y=y), "array X holds complex128 values: give real"),
    ("a.npz", zipped(X=X, y=y[1:]), "X has 23 rows but y has 22: give one label"),
    ("a.npz", zipped(X=X, y=A[:, :2]), r"y \(23, 2\): give X as .*, y as \(rows,\); of several"),
    ("a.npz", zipped(X=X, y=y[None]), r"y \(1, 23\): give X as .*, y as \(rows,\); a row is y.rav"),
    ("a.npz", zipped(X=y, y=X), r"X has shape \(23,\) and .*; they seem to have changed places"),
    ("a.npz", zipped(X=y, y=y), r"X has shape \(23,\) and .*: give X as \(rows, features\)"),
    ("a.npz", zipped(X=X[:0], y=y[:0]), "no rows: give at least one"),
    ("a.npz", zipped(X=X[:, :0], y=y), "no features: give at least one"),
    ("a.npz", zipped(X=X, y=with_nan(y, 6, -np.inf)), "row 7, the label: -inf is not .*drop"),
    ("a.svm", "# nothing\n\n", "no rows: give at least one"),
    ("a.svm", "1\n-1\n", "no features: give at least one"),
    ("a.svm", "# Column indices are zero-based\n1\n", "no features: give at least one"),
    ("a.svm", "1 0:2 0:3\n", "line 1: index 0 after 0: write the indices .* ascending"),
    ("a.svm", "1 -1:2\n", "line 1: '-1:2' is not a number or index:value"),
    ("a.svm", "1 2:2 2:3\n", "line 1: index 2 after 2: write the indices .* ascending"),
    ("a.svm", "\n\n1 2:2 1:3\n", "line 3: index 1 after 2: write the indices .* ascending"),
    ("a.svm", f"1 {2**31}:1\n", f"line 1: index {2**31} is larger than any .*--features"),
    ("a.svm", "one 1:2\n", "line 1: 'one' is not a number.*: write lines as 'label index:value"),
    ("a.svm", "1 1:2\n1 1:x\n", "line 2: '1:x' is not a number.*: write lines as"),
    ("a.svm", "1 1:2:3\n", "line 1: '1:2:3' is not a number.*: write lines as"),
    ("a.svm", "1 1.5:2\n", "line 1: '1.5:2' is not a number.*: write lines as"),
    ("a.svm", "1 -1:2\n", "line 1: '-1:2' is not a number.*: write lines as"),
    ("a.svm", "1 7\n", "line 1: '7' is not a number.*: write lines as"),
    ("a.svm", "1 1:1_0\n", "line 1: '1:1_0' is not a number.*: write lines as"),
    ("a.svm", "1_0 1:1\n", "line 1: '1_0' is not a number.*: write lines as"),
    ("a.svm", "1,2,3\n", "line 1: '1,2,3' is not a number.*: write lines as"),
    ("a.svm", "1 1:2\n1 1:nan\n", "row 2, column 1: nan is not a finite number: drop"),
    ("a.svm", "inf 1:2\n", "row 1, the label: inf is not a finite number: drop"),
    ("a.svm", saved(A), "is a NumPy array: give --format npy"),
    ("a.svm", "1 1:2\0\n", "line 1, is not text: save it"),
    ("a.csv", "\n \n", "no rows: give at least one"),
    ("a.csv", "a,b,c\n", "no rows: give at least one"),
    ("a.csv", "1\n2\n", "no features: give at least one"),
    ("a.csv", "a,b\n1,2,3\n", "line 2: 3 columns, but 2 on the first line: give every line"),
    ("a.csv", "1,2\n1,2\n3\n", "line 3: 1 columns, but 2 on the first line: give every line"),
    (
        "a.csv",
        "1,2\n3,x\n",
        "line 2, column 2: the label 'x' is text, and the labels before it are",
    ),
    (
        "a.csv",
        "1,x\n3,4\n",
        r"line 1: column 2 is text \('x'\) and column 1 a number .*--header yes",
    ),
    ("a.csv", "1,2\n,4\n", "line 2, column 1 is blank, a missing value: drop the row or fill"),
    ("a.csv", "1,2\n1_0,4\n", "line 2, column 1: '1_0' is not a number: write a decimal point"),
    ("a.csv", "a;b\n1;2\n", "line 1: columns are separated by ';', not by commas: write"),
    ("a.csv", "a,b\n1,2\nnan,2\n", r"row 2, column 1 \('a'\): nan is not a finite number: drop"),
    ("a.csv", "1,1e999\n", "row 1, the label: inf is not a finite number: drop"),
    ("a.csv", saved(A), "is a NumPy array: give --format npy"),
    ("a.csv", b"\0" * 99, "line 1, is not text: save it"),
    ("a.csv", "1,2\n".encode("utf-16"), "not text in UTF-8: save it"),
    ("a.h5", b"not HDF5", "not an HDF5 file: write it with h5py, datasets X and y"),
    ("a.h5", hdf5_bytes[:-100], "cannot be read .*: write"),
    ("a.h5", hdf5_bytes[:150] + b"#" * 30 + hdf5_bytes[180:], "cannot be read .*: write it again"),
    ("a.h5", hdf5(data=X, y=y), r"no dataset X \(it has: data, y\): write datasets X"),
    ("a.h5", hdf5(), r"no dataset X \(it has: none\): write datasets X"),
    ("a.h5", hdf5(**{"X/inner": X, "y": y}), "no dataset X .*: write datasets X"),
    ("a.h5", hdf5(X=X, y=1.0), r"y \(\): give X as \(rows, features\)"),
    ("a.h5", hdf5(X=X, y=h5py.Empty("f8")), "y None: give X as"),
    ("a.h5", hdf5(X=X, y=y[:5]), "X has 23 rows but y has 5: give one label"),
    ("a.h5", hdf5(X=X * 1j, y=y), "dataset X holds complex128 values: give real"),
    ("a.h5", hdf5(X=X, y=["text"] * 23), "dataset y holds object values: give real"),
    ("a.h5", hdf5(X=X[:0], y=y[:0]), "no rows: give at least one"),
    ("a.h5", hdf5(X=with_nan(X, (9, 0)), y=y), "row 10, column 1: nan is not a finite.*: drop"),
    ("a.txt", "1,2\n", r"unknown suffix '.txt': name it by its format, one of .npy, .npz, .svm"),
    ("a.cvs", "1,2\n", r"unknown suffix '.cvs' \(did you mean '.csv'\?\): name it by its format"),
    ("a9a", "1 1:2\n", "unknown suffix '': name it by its format, one of"),
]


@pytest.mark.parametrize(
    ("name", "content", "message"), BAD, ids=[f"{i}-{name}" for i, (name, *_) in enumerate(BAD)]
)
def test_bad_content_is_refused_in_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=message) as refusal:
        source = open_source(str(path), 0)
        source.read(0, source.rows)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


def test_a_row_is_named_by_its_place_in_the_file_not_in_the_window(tmp_path):
    np.save(tmp_path / "a.npy", with_nan(A, (17, 1)))
    source = open_source(str(tmp_path / "a.npy"), 0)
    source.read(0, 17)
    with pytest.raises(DataError, match="row 18, column 2"):
        source.read(15, 20)


def test_a_missing_file_names_the_nearest_one(tmp_path):
    (tmp_path / "data.csv").write_text("1,2\n")
    with pytest.raises(DataError, match=r"dta.csv: no such file \(did you mean 'data.csv'\?\): "):
        open_source(str(tmp_path / "dta.csv"), 0)
    with pytest.raises(DataError, match=r"x.csv: no such file: give the path"):
        open_source(str(tmp_path / "no" / "folder" / "x.csv"), 0)
    with pytest.raises(DataError, match=r"or synthetic:rows=1000,features=100"):
        open_source("synthetik:rows=10", 0)


@pytest.mark.parametrize("text", ["", "a\0b.csv", "x" * 5000 + ".csv"])
def test_an_impossible_path_is_refused(text):
    with pytest.raises(DataError, match=": "):
        open_source(text, 0)


def test_what_is_not_a_readable_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(DataError, match="is a directory without data files"):
        open_source(str(tmp_path / "folder.npy"), 0)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="not a regular file: save"):
        open_source(str(tmp_path / "pipe.csv"), 0)
    (tmp_path / "a.csv").write_text("1,2\n")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as root, who may read anything
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\): check .* permiss"):
        open_source(str(tmp_path / "a.csv"), 0)


def test_hdf5_without_h5py_names_what_to_install(tmp_path, monkeypatch):
    save_h5(tmp_path / "a.h5", X=X, y=y)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r"pip install h5py"):
        open_source(str(tmp_path / "a.h5"), 0)


def test_rows_that_do_not_fit_in_memory_are_refused(tmp_path):
    class Huge(Source):
        def _read(self, start, stop):
            raise MemoryError

    with pytest.raises(DataError, match=r"huge: 5 rows x 7 .* do not fit in memory \(2.8e-07 GB"):
        Huge("huge", 10, 7, "nowhere").read(0, 5)


def test_synthetic_is_the_data_of_the_sgc_paper():
    source = open_source("synthetic:rows=4000,features=20", 3)
    assert (source.rows, source.features) == (4000, 20)
    X, y = source.read(0, 4000)
    assert abs(X.mean()) < 4 / np.sqrt(X.size)
    assert abs(X.var() - 1) < 4 * np.sqrt(2 / X.size)
    beta, *_ = np.linalg.lstsq(X, y)
    coefficients = beta.round()
    assert np.abs(beta - coefficients).max() < 5 / np.sqrt(4000)
    assert set(coefficients) <= set(range(1, 11))
    noise = y - X @ coefficients
    assert abs(noise.mean()) < 4 / np.sqrt(4000)
    assert abs(noise.var() - 1) < 4 * np.sqrt(2 / 4000)


def test_synthetic_coefficients_reach_from_1_to_10():
    X, y = open_source("synthetic:rows=2000,features=400", 5).read(0, 2000)
    beta, *_ = np.linalg.lstsq(X, y)
    assert set(beta.round()) == set(range(1, 11))


def test_synthetic_is_reproducible_and_differs_by_seed():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (open_source("synthetic", seed).read(0, 1000) for seed in (1, 1, 2))
    assert first[0].shape == (1000, 100)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.isclose(a, c).any(axis=-1).all()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert first[0][0, 0] != np.random.default_rng(1).standard_normal()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("synthetic:row=5", r"no parameter 'row' \(did you mean 'rows'\?\); it takes: rows, feat"),
        ("synthetic:rows=0", "have to be 1 or more"),
        ("synthetic:features=-3", "have to be 1 or more"),
        ("synthetic:rows=many", "rows=many is not a whole number"),
        ("synthetic:rows=1,rows=2", "gives 'rows' twice"),
        ("synthetic:5", "synthetic has no parameter .*it takes: rows, features"),
        (f"synthetic:rows={10**9},features={10**6}", "does not fit in memory: ask for fewer"),
        (f"synthetic:rows={10**30}", "does not fit in memory: ask for fewer"),
    ],
)
def test_synthetic_refuses_what_it_cannot_make(text, message):
    with pytest.raises(UsageError, match=message):
        open_source(text, 0)


@pytest.mark.skipif(not A9A.exists(), reason=f"{A9A} is not here")
def test_a9a_parses_in_a_moment():
    start = time.perf_counter()
    source = open_source(str(A9A), 0)
    assert time.perf_counter() - start < 5  # 0.2 s alone; two seconds on a loaded machine
    assert (source.rows, source.features) == (32_561, 123)
    total = positive = 0
    for X, y in source.windows(4096):
        total += X.sum()
        positive += (y == 1).sum()
        assert set(y) <= {-1, 1}
    assert (total, positive) == (451_592, 7841)


@pytest.mark.parametrize("suffix", sorted(READERS))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.text("01:#.,-e_nq \n\t\r", max_size=60).map(str.encode),
    )
)
def test_any_content_is_a_source_or_a_data_error(tmp_path, suffix, content):
    if READERS[suffix] == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"fuzz{suffix}"
    path.write_bytes(content)
    try:
        source = open_source(str(path), 0)
        if source.features < 10_000:
            X, y = source.read(0, source.rows)
            assert X.shape == (source.rows, source.features) and y.shape == (source.rows,)
            assert np.isfinite(X).all() and np.isfinite(y).all()
    except DataError as refusal:
        assert str(path) in str(refusal) and "\n" not in str(refusal)


@pytest.mark.parametrize("name", ["c.npy", "stored.npz", "packed.npz", "a.h5"])
def test_a_damaged_file_is_a_source_or_a_data_error(tmp_path, name):
    GOOD[name](tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(0)
    for trial in range(150):
        damaged = bytearray(whole[: rng.integers(len(whole))] if trial % 5 == 0 else whole)
        for place in rng.integers(len(damaged) + 1, size=3):
            damaged[place : place + 1] = rng.bytes(1)
        path = tmp_path / f"{trial}{name}"  # HDF5 knows an open file by its inode: a new one each
        path.write_bytes(damaged)
        try:
            source = open_source(str(path), 0)
            if source.rows * source.features < 10**6:
                source.read(0, source.rows)
        except DataError as refusal:
            assert str(path) in str(refusal) and "\n" not in str(refusal)
