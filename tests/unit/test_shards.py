"""Data in several files: a directory or a pattern, in the order of names."""

import gzip
import json
import re
import resource
from pathlib import Path

import h5py
import numpy as np
import pytest

from coded_dgd import train
from coded_dgd.cli import run_command_line
from coded_dgd.errors import DataError, UsageError
from coded_dgd.problems.fingerprint import fingerprint
from coded_dgd.problems.sources import Reading, open_source, save
from coded_dgd.problems.sources.base import ArraySource
from coded_dgd.problems.sources.sparse import SparseSource

A = np.random.default_rng(4).standard_normal((50, 5))
A[np.abs(A) < 0.5] = 0
CUTS = [(0, 20), (20, 21), (21, 50)]
OPTIONS = {"scheme": "uc-mmc", "workers": 3, "load": 2, "iterations": 5, "transport": "simulated"}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(suffix, folder="parts"):
    """Files that are written last first, with others that are no data."""
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    Path(folder).mkdir()
    for number, (start, stop) in reversed([*enumerate(CUTS)]):
        source = ArraySource("part", A[start:stop, :4], A[start:stop, 4], "in memory")
        save(source, Path(folder, f"part-{number}{suffix}"))
    for name in "_SUCCESS", ".part-0.crc":
        Path(folder, name).write_text("")
    return suffix


SUFFIXES = [".csv", ".csv.gz", ".npy", ".npz", ".h5", ".svm", ".svm.xz", ".parquet"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_follow_each_other_in_every_format(suffix, streamed):
    write(suffix)
    for text in "parts", f"parts/part-*{suffix}", f"{Path.cwd()}/par*/part-[0-9]{suffix}":
        source = open_source(text, 0, streamed=streamed)
        assert (source.rows, source.features) == (50, 4)
        assert source.describe().startswith(f"{text}: 50 rows x 4 features")
        for start, stop in (0, 50), (19, 22), (20, 21), (30, 30), (50, 50):
            X, y = source.read(start, stop)
            np.testing.assert_array_equal(np.c_[X, y], A[start:stop])
        for size in None, 1, 7:
            rows = [np.c_[X, y] for X, y in source.windows(size)]
            np.testing.assert_array_equal(np.concatenate(rows), A)
    if suffix.startswith(".svm") and not streamed:
        assert isinstance(source, SparseSource)


@pytest.mark.parametrize("encode", ["master", "local"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_run_trains_as_on_one_file(suffix, encode):
    write(suffix)
    whole = {".svm": "svm", ".xz": "svm"}.get(Path(f"a{suffix}").suffix, "npy")
    save(open_source("parts", 0), Path(f"whole.{whole}"))
    wanted = train(data=f"whole.{whole}", **OPTIONS)
    found = train(data=f"parts/part-*{suffix}", encode=encode, **OPTIONS)
    np.testing.assert_allclose(found.coef_, wanted.coef_, rtol=1e-12)


def test_one_file_in_a_directory_is_that_file():
    Path("parts").mkdir()
    np.save("parts/a.npy", A)
    assert open_source("parts", 0).describe().startswith("parts/a.npy: 50 rows x 4 features")


def test_a_file_whose_name_is_a_pattern_is_that_file():
    np.save("a[0].npy", A)
    np.save("a0.npy", A[:9])
    assert open_source("a[0].npy", 0).rows == 50


def text(folder, *contents):
    Path(folder).mkdir(exist_ok=True)
    for number, content in enumerate(contents):
        Path(folder, f"{number}.csv").write_text(content)


REFUSED = [
    (("a,b,y\n1,2,3\n", "a,c,y\n1,2,3\n"), "p/1.csv has 'c' where p/0.csv has 'b', as feature 2"),
    (("a,b,y\n1,2,3\n", "a,b,z\n1,2,3\n"), r"p/1.csv has the label \('z'\), and p/0.csv the lab"),
    (("a,b,y\n1,2,3\n", "1,2,3\n"), "p/1.csv has no names of columns, and p/0.csv has some"),
    (("1,2,3\n", "a,b,y\n1,2,3\n"), "p/1.csv has names of columns, and p/0.csv has none"),
    (("1,2,3\n", "1,2,3\n", "1,2\n"), "p/2.csv has 1 features, and p/0.csv has 2"),
    (("a,y\n1,u\n", "a,y\n1,2\n"), "p/1.csv has labels that are numbers, and those of p/0.csv are"),
    (("a,y\n1,2\n", "a,y\n1,u\n"), "p/1.csv has labels that are text, and those of p/0.csv are nu"),
    (("1,2\n", "1,x\n"), "p/1.csv, line 1"),
    (("1,2\n", ""), "p/1.csv is empty"),
    (("a,y\n1,2\n", "a,y\n"), "p/1.csv has no rows"),
    (("1,2\n", "1,nan\n"), "p/1.csv, row 1, the label"),
]


@pytest.mark.parametrize(("contents", "said"), REFUSED)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_file_that_does_not_belong_to_the_others_is_named(contents, said, streamed):
    text("p", *contents)
    with pytest.raises(DataError, match=f"^{said}") as caught:
        source = open_source("p", 0, streamed=streamed)
        source.read(0, source.rows)
    assert "\n" not in str(caught.value)


def test_files_of_several_formats_and_folders_are_named():
    text("p", "1,2\n")
    np.save("p/a.npy", A)
    with pytest.raises(DataError, match=r"p/a.npy is of another format than p/0.csv: .*\*.csv'"):
        open_source("p", 0)
    assert open_source("p/*.npy", 0).rows == 50
    Path("p/a.npy").rename("p/9.csv")
    with pytest.raises(DataError, match=r"p/9.csv is a NumPy array"):
        open_source("p", 0)
    Path("p/9.csv").unlink()
    Path("p/deeper").mkdir()
    with pytest.raises(DataError, match=r"p/deeper is a directory: name files, as in 'p/\*.csv'"):
        open_source("p", 0)
    Path("p/deeper").rmdir()
    Path("p/README.md").write_text("these are the data")
    with pytest.raises(DataError, match=r"p/README.md has unknown suffix '.md'"):
        open_source("p", 0)


@pytest.mark.parametrize(("name", "what"), [("none", "directory without"), ("b*.csv", "pattern")])
def test_no_file_is_one_line(name, what):
    Path("none").mkdir()
    with pytest.raises(DataError, match=rf"^{re.escape(name)} is a {what}.* data files: check"):
        open_source(name, 0)


def test_damage_is_named_by_its_file():
    text("p")
    whole = gzip.compress(b"1,2\n3,4\n" * 900)
    Path("p/a.csv.gz").write_bytes(whole)
    Path("p/b.csv.gz").write_bytes(whole[:-9])
    with pytest.raises(DataError, match=r"p/b.csv.gz is damaged or cut short"):
        open_source("p", 0)


@pytest.mark.parametrize("encode", ["master", "local"])
def test_text_labels_of_all_files_are_numbered_together(encode):
    text("p", "a,y\n1,new\n2,old\n", "a,y\n3,mid\n4,old\n", "a,y\n5,all\n2,new\n")
    source = open_source("p", 0)
    assert source.words == ("all", "mid", "new", "old")
    assert source.read(0, 6)[1].tolist() == [2, 3, 1, 3, 0, 2]
    found = train(data="p", objective="softmax", encode=encode, **OPTIONS)
    assert found.classes_.tolist() == ["all", "mid", "new", "old"]
    y = np.array(["new", "old", "mid", "old", "all", "new"])
    wanted = train([[1], [2], [3], [4], [5], [2]], y, objective="softmax", **OPTIONS)
    np.testing.assert_array_equal(found.coef_, wanted.coef_)


@pytest.mark.parametrize("streamed", [False, True])
def test_svm_files_share_the_number_of_features_and_the_first_index(streamed):
    Path("p").mkdir()
    Path("p/0.svm").write_text("1 1:5\n-1 2:6\n")
    Path("p/1.svm").write_text("1 3:7\n")
    source = open_source("p", 0, streamed=streamed)
    assert source.read(0, 3)[0].tolist() == [[5, 0, 0], [0, 6, 0], [0, 0, 7]]
    Path("p/1.svm").write_text("1 0:4 3:7\n")
    source = open_source("p", 0, streamed=streamed)
    assert source.read(0, 3)[0].tolist() == [[0, 5, 0, 0], [0, 0, 6, 0], [4, 0, 0, 7]]
    with pytest.raises(DataError, match=r"p/1.svm, line 1: index 3 is larger than --features 2"):
        open_source("p", 0, Reading(features=2), streamed)


def test_columns_are_chosen_by_name_whatever_else_a_file_has():
    text("p", "a,b,y\n1,2,3\n", "b,more,a,y\n2,9,1,3\n")
    source = open_source("p", 0, Reading(columns="b,a"))
    assert np.column_stack(source.read(0, 2)).tolist() == [[2, 1, 3], [2, 1, 3]]


def test_sample_weights_are_those_of_all_files_or_of_none():
    Path("p").mkdir()
    for number, (start, stop) in enumerate(CUTS):
        with h5py.File(f"p/{number}.h5", "w") as file:
            file["X"], file["y"] = A[start:stop, :4], A[start:stop, 4]
            file["w"] = np.arange(start, stop) + 1.0
    np.testing.assert_array_equal(open_source("p", 0).weights, np.arange(50) + 1.0)
    with h5py.File("p/1.h5", "a") as file:
        del file["w"]
    with pytest.raises(DataError, match=r"p/1.h5 has no sample weights, other than p/0.h5"):
        open_source("p", 0)


def test_a_file_of_weights_is_of_all_rows():
    write(".npy")
    np.save("w.npy", np.arange(50) + 1.0)
    source = open_source("parts", 0, Reading(weights="w.npy"))
    np.testing.assert_array_equal(source.weights, np.arange(50) + 1.0)
    np.save("w.npy", np.ones(20))
    with pytest.raises(DataError, match="data have 50 rows"):
        open_source("parts", 0, Reading(weights="w.npy"))


def test_float32_stays_what_it_is():
    Path("p").mkdir()
    for number in range(2):
        np.save(f"p/{number}.npy", A.astype(np.float32))
    assert open_source("p", 0).dtype == np.float32
    np.save("p/2.npy", A)
    assert open_source("p", 0).dtype == np.float64


def test_a_fingerprint_is_of_all_files():
    write(".npy")
    marks = {str(fingerprint(open_source("parts", 0), "parts"))}
    np.save("parts/part-3.npy", A[:2])
    marks.add(str(fingerprint(open_source("parts", 0), "parts")))
    Path("parts/part-3.npy").unlink()
    np.save("parts/part-1.npy", A[40:41])
    marks.add(str(fingerprint(open_source("parts", 0), "parts")))
    assert len(marks) == 3
    mark = fingerprint(open_source("parts", 0), "parts/part-*.npy")
    assert mark.size == sum(path.stat().st_size for path in Path("parts").glob("part-*"))


def test_a_run_is_resumed_and_changed_files_are_named(capsys, monkeypatch):
    write(".csv")
    command = ["run", "--data", "parts/part-*.csv", "--transport", "simulated", "--out", "r"]
    more = ["--scheme", "uc-mmc", "--workers", "3", "--load", "2", "--quiet"]
    assert run_command_line([*command, *more, "--iterations", "3"]) == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    resume = ["run", "--resume", "../r", "--quiet"]
    assert run_command_line([*resume, "--iterations", "5"]) == 0
    with Path("../parts/part-3.csv").open("w") as file:
        file.write("1.5,2.5,3.5,4.5,5.5\n")
    assert run_command_line([*resume, "--iterations", "7"]) == 2
    assert "51 rows instead of 50" in capsys.readouterr().err


def test_convert_joins_them(capsys):
    write(".csv.gz")
    assert run_command_line(["convert", "parts", "all.npy", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 50
    np.testing.assert_array_equal(np.load("all.npy"), A)


def test_an_option_without_a_meaning_is_refused():
    write(".npz")
    with pytest.raises(UsageError, match="parts: --label does nothing for npz files"):
        open_source("parts", 0, Reading(label="1"))


def test_more_files_than_may_be_open_are_read_or_refused(monkeypatch):
    Path("parts").mkdir()
    for part in range(60):
        np.savez(f"parts/{part:02}.npz", X=np.full((2, 3), part), y=np.zeros(2))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, hard))
        assert open_source("parts", 0).read(118, 120)[0].tolist() == [[59.0] * 3] * 2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (100, 300))
    with pytest.raises(DataError, match=r"parts: 60 files .* the limit is 300: raise it \(ulimit"):
        open_source("parts", 0)
