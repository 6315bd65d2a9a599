"""Tables say what they are: header, label, format, compression; others are refused by the cause."""

import bz2
import csv
import gzip
import json
import lzma
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coded_dgd.cli import run_command_line
from coded_dgd.config import RunConfig
from coded_dgd.engine.protocol import Assignment
from coded_dgd.errors import DataError, UsageError
from coded_dgd.problems.encoding import LocalEncoding, fingerprint
from coded_dgd.problems.layout import Layout
from coded_dgd.problems.sources import READERS, Reading, open_source
from coded_dgd.reading import FORMATS
from coded_dgd.values import plain

A = np.round(np.random.default_rng(5).standard_normal((23, 6)), 3)
BODY = "".join(",".join(map(repr, row)) + "\n" for row in A.tolist())
INDEXED = "".join(f"{i},{line}\n" for i, line in enumerate(BODY.splitlines()))
NAMES = "area,rooms,year,km,ones,price\n"
SVM = "1 1:0.5 3:2 # a comment\n-1 2:1\n"
PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, content):
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def both(name, **reading):
    """The file, held in memory and streamed, which have to agree."""
    held, streamed = (
        open_source(name, 0, Reading(**reading), streamed=each) for each in (False, True)
    )
    assert (held.rows, held.features) == (streamed.rows, streamed.features)
    for one, other in zip(held.read(0, held.rows), streamed.read(0, held.rows), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.flags.c_contiguous and one.flags.owndata
    assert streamed.columns == held.columns
    return held


def assert_is(source, label, rows=A):
    X, y = source.read(0, source.rows)
    np.testing.assert_array_equal(y, rows[:, label])
    np.testing.assert_array_equal(X, np.delete(rows, label, axis=1))


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("how", ["name", "number", "from the end"])
def test_the_label_may_be_any_column(place, how):
    name = NAMES.strip().split(",")[place]
    label = {"name": name, "number": f"{place + 1}", "from the end": f"{place - 6}"}[how]
    write("homes.csv", NAMES + BODY)
    source = both("homes.csv", label=label)
    assert_is(source, place)
    assert source.describe() == (
        f"homes.csv: 23 rows x 5 features, label {name!r} (column {place + 1} of 6), in memory"
    )
    if how != "name":
        np.save("homes.npy", A)
        source = open_source("homes.npy", 0, Reading(label=label))
        assert_is(source, place)
        for start, stop in ((0, 0), (3, 9), (22, 23)):
            rows, _ = source.read(start, stop)
            np.testing.assert_array_equal(rows, np.delete(A[start:stop], place, axis=1))
        assert source.describe() == (
            f"homes.npy: 23 rows x 5 features, label column {place + 1} of 6, memory-mapped"
        )


def test_a_mapped_table_of_float32_stays_float32_whatever_the_label():
    np.save("a.npy", A.astype("f4"))
    for label in "1", "3", "6":
        assert open_source("a.npy", 0, Reading(label=label)).dtype == np.float32


# content and options: the place of the label
GOOD = [
    (NAMES + BODY, {}, 5),
    (NAMES.replace("\n", "\r\n") + BODY.replace("\n", "\r\n"), {}, 5),
    ("\ufeff" + NAMES + BODY, {"label": "area"}, 0),
    ('"area, m2","rooms",year,km,ones,"price"\n' + BODY, {"label": "area, m2"}, 0),
    (NAMES + "".join('"' + line.replace(",", '","') + '"\n' for line in BODY.split()), {}, 5),
    (f"# {NAMES}{BODY}# the end\n", {"label": "km"}, 3),
    (f"# made by numpy\n#\n{BODY}", {}, 5),
    (f"{NAMES}# a comment, with commas\n\n{BODY}", {}, 5),
    (f"0,1,2,3,4,5\n{BODY}", {"header": "yes"}, 5),
    (f"1,2,3,4,5,6\n{BODY}", {"header": "yes", "label": "2"}, 1),
    (f"0,1,2,x,4,5\n{BODY}", {"header": "yes"}, 5),
    (f"label,a,b,c,d,e\n{BODY}", {"label": "label"}, 0),
    (f"label,a,b,c,d,e\n{BODY}", {"label": "e"}, 5),
    (BODY.replace(",", " , "), {"header": "no"}, 5),
    (BODY.replace(",", ",+", 1).replace("+-", "-", 1), {}, 5),
]


@pytest.mark.parametrize(("content", "reading", "label"), GOOD)
def test_tables_that_are_read(content, reading, label):
    write("a.csv", content)
    assert_is(both("a.csv", **reading), label)


def test_an_index_is_read_once_that_is_asked_for():
    rows = np.c_[np.arange(23.0), A]
    for content, header in ((f",{NAMES}{INDEXED}", "yes"), (INDEXED, "no")):
        write("a.csv", content)
        with pytest.raises(DataError, match=f"first column.*--header {header}"):
            open_source("a.csv", 0)
        assert_is(both("a.csv", header=header), 6, rows)


BAD = [
    (f"0,1,2,3,4,5\n{BODY}", {}, "line 1: '0,1,2,3,4,5' may be .*--header yes .*--header no"),
    (f",0,1,2,3,4,5\n{INDEXED}", {}, "line 1: .*--header yes"),
    (f"Unnamed: 0,{NAMES}{INDEXED}", {}, "first column has no name.*--header yes"),
    (INDEXED, {}, "first column counts the rows from 0.*index=False.*--header no"),
    (f"label,a,b,c,d,e\n{BODY}", {}, "column 1 is called 'label'.*--label label.*--label e"),
    (f"# label,a,b,c,d,e\n{BODY}", {}, "column 1 is called 'label'.*--label label"),
    ("5.1,3.5,Iris-setosa\n", {}, r"line 1: column 3 is text \('Iris-setosa'\).*--header yes"),
    (NAMES + BODY, {"label": "prices"}, r"called 'prices' \(did you mean 'price'\?\)"),
    (NAMES + BODY, {"header": "no"}, "line 1, column 1: 'area' is not a number"),
    ("a;b;c\n1;2;3\n", {}, "line 1: columns are separated by ';', not by commas"),
    ("1,5;2,5;3,5\n", {}, "line 1: columns are separated by ';'"),
    ("a\tb\n1\t2\n", {}, "line 1: columns are separated by tabs"),
    ("1.5 2.5\n", {}, "line 1: columns are separated by spaces.*delimiter=','"),
    ("a,b\n1;2\n", {}, "line 2: columns are separated by ';'"),
    (SVM, {}, "line 1 is a line of an svm file: add --format svm"),
    ('"living\narea",b\n1,2\n', {}, "line 1: a field in double quotes goes on in the next line"),
    ('a,b\n1,"2\n"\n', {}, "line 2: a field in double quotes goes on"),
    ("a,b,c\n1,,3\n", {}, r"line 2, column 2 \('b'\) is blank, a missing value"),
    ("a,b,c\n1,NA,3\n", {}, r"line 2, column 2 \('b'\): 'NA' stands for a missing value"),
    ("a,b,c\n1,2,NaN\n", {}, r"row 1, the label \('c'\): nan is not a finite number"),
    ("#N/A,1,2\n", {}, "line 1, column 1: '#N/A' stands for a missing value"),
    ("a,b,c\n1,2,red\n1,2,3\n", {}, r"line 3, column 3 \('c'\): the label '3' is a number"),
    ("a,b,c\n1,2,3\n1,2,red\n", {}, r"line 3, column 3 \('c'\): the label 'red' is text, and"),
    ("a,b,c\n1,2,red\n1,2,\n", {}, r"line 3, column 3 \('c'\) is blank, a missing value"),
    ("a,b,c\n1,2,red\n1,2,NA\n", {}, r"line 3, column 3 \('c'\): 'NA' stands for a missing value"),
    ("a,b,c\n1,red,3\n", {}, r"line 2, column 2 \('b'\): 'red' is not a number: encode text"),
    ('a,b,c\n1,"1,5",3\n', {}, r"line 2, column 2 \('b'\): '1,5' is not .*decimal point"),
    ("a,b,c\n1,2,3,\n", {}, "line 2: 4 columns, but 3 on the first line: delete the comma"),
    ("1,2,3,\n", {}, "line 1 ends with a comma, and its last column is blank"),
    ("a,b,c,\n1,2,3,\n", {}, "line 2 ends with a comma, and its last column is blank"),
    ('"a","b"\n"1",5,6\n', {}, "line 2: 3 columns, but 2 .*row.names=FALSE"),
    (f"{NAMES}{BODY}{NAMES}", {}, "line 25: this is the header again: delete"),
    ("1,5\n".encode("utf-16"), {}, "is text in UTF-16, not text in UTF-8: save it"),
    ("é,b\n1,5\n".encode("latin-1"), {}, "is not text in UTF-8: save it"),
    ("<!DOCTYPE html>\n", {}, "is a web page: download the data"),
    (NAMES + BODY, {"features": 5}, "--features does nothing for csv files"),
    (NAMES + BODY, {"format": "npy"}, "is not in NumPy's format"),
]


@pytest.mark.parametrize(("content", "reading", "message"), BAD)
@pytest.mark.parametrize("streamed", [False, True])
def test_tables_that_are_refused(content, reading, message, streamed):
    write("a.csv", content)
    with pytest.raises(DataError, match=message) as refusal:
        source = open_source("a.csv", 0, Reading(**reading), streamed)
        source.read(0, source.rows)
    assert str(refusal.value).startswith("a.csv")
    assert "\n" not in str(refusal.value)


def test_a_column_is_named_by_its_place_in_the_file():
    write("a.csv", NAMES + BODY + "1,2,3,inf,5,6\n")
    np.save("a.npy", np.r_[A, [[1, 2, 3, np.inf, 5, 6]]])
    for name, reading, where in [
        ("a.csv", {"label": "rooms"}, r"row 24, column 4 \('km'\)"),
        ("a.csv", {"label": "4"}, r"row 24, the label \('km'\)"),
        ("a.npy", {"label": "1"}, "row 24, column 4"),
        ("a.npy", {"label": "4"}, "row 24, the label"),
    ]:
        source = open_source(name, 0, Reading(**reading))
        with pytest.raises(DataError, match=f"{where}: inf is not"):
            source.read(0, 24)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.lists(
            st.sampled_from(
                ["0", "1", "2", "3", "0.5", "-1e3", "a", "label", "y", "", "NA", '"1"', '"a b"',
                 '"', "#", "# a", ";", "1_0", "1 2", "1:2", "nan", "\u0661"]
            ),
            max_size=4,
        ).map(",".join),
        max_size=5,
    ).map("\n".join),
    header=st.sampled_from(["auto", "yes", "no"]),
    label=st.sampled_from([None, "1", "-1", "2", "a", "label"]),
    packed=st.booleans(),
)  # fmt: skip
def test_held_and_streamed_any_table_is_the_same_or_refused_alike(lines, header, label, packed):
    name = write("a.csv.gz" if packed else "a.csv", b"")
    write(name, gzip.compress(lines.encode()) if packed else lines)
    said = []
    for streamed in False, True:
        try:
            source = open_source(name, 0, Reading(header, label), streamed)
            said.append([*map(np.ndarray.tolist, source.read(0, source.rows)), source.columns])
        except DataError as refusal:
            said.append(str(refusal))
            assert "\n" not in said[-1]
    assert said[0] == said[1]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    names=st.lists(st.text("abxy ,;\"'#é1", max_size=5), min_size=2, max_size=5),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_python_writes_is_read_or_its_header_is_in_doubt(data, names, quoting, end):
    numbers = st.lists(
        st.lists(st.floats(-1e9, 1e9), min_size=len(names), max_size=len(names)),
        min_size=1, max_size=4,
    )  # fmt: skip
    rows = data.draw(numbers)
    label = data.draw(st.integers(1, len(names)))
    with Path("a.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=quoting, lineterminator=end)
        writer.writerows([names, *rows])
    number = f"{label - len(names) - 1}"  # none of the names
    try:
        source = both("a.csv", label=number)
    except DataError as refusal:
        assert re.search("--header|separated by|is blank", str(refusal)) or names[0].startswith("#")
        return
    if source.rows == len(rows):
        assert_is(source, label - 1, np.array(rows))
        if not names[0].startswith("#"):  # such a line is a comment
            assert source.columns.names == tuple(name.strip() for name in names)
    else:  # a header without a letter
        assert not any(re.search("[abxyé]", name) for name in names)


# Formats and compression


def test_formats_are_the_readers():
    assert {f".{name}" for name in FORMATS} == READERS.keys()


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize(
    ("name", "content", "reading"),
    [
        ("a.csv", BODY, {}),
        ("a.CSV", BODY, {}),
        ("a.svm", SVM, {}),
        ("a9a", SVM, {"format": "svm"}),
        ("train.txt", BODY, {"format": "csv"}),
    ],
)
def test_compressed_text_is_read_and_damage_is_named(suffix, name, content, reading):
    write("plain", content)
    plain = open_source("plain", 0, Reading(format="csv" if content == BODY else "svm"))
    packed = PACKED[suffix](content.encode())
    path = write(f"{name}{suffix}", packed)
    for one, other in zip(plain.read(0, plain.rows), both(path, **reading).read(0, plain.rows),
                          strict=True):  # fmt: skip
        np.testing.assert_array_equal(one, other)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 255
    for spoilt in packed[:-9], packed[: len(packed) // 2], bytes(flipped), content.encode():
        write(path, spoilt)
        for streamed in False, True:
            with pytest.raises(DataError, match=f"^{path} is damaged or .*: copy") as refusal:
                open_source(path, 0, Reading(**reading), streamed)
            assert "\n" not in str(refusal.value)


def test_the_content_says_how_it_is_compressed():
    write("a.csv", gzip.compress(BODY.encode()))
    write("b.csv.gz", bz2.compress(BODY.encode()))
    write("c.csv", "BZh,b,c,d,e,f\n" + BODY)
    for name in "a.csv", "b.csv.gz", "c.csv":
        assert_is(both(name), 5)


@pytest.mark.parametrize("suffix", PACKED)
def test_arrays_are_not_read_compressed(suffix):
    unpack = {".gz": "gunzip", ".bz2": "bunzip2", ".xz": "unxz"}[suffix]
    for name in "a.npy", "a.npz", "a.h5":
        packed = PACKED[suffix](b"anything")
        for path in write(f"{name}{suffix}", packed), write(name, packed):
            with pytest.raises(DataError, match=f"^{path}.* only text .* unpack it with {unpack}"):
                open_source(path, 0)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("a9a", "add --format csv, --format svm"),
        ("train.txt", "add --format csv, --format svm"),
        ("train.dat.gz", "add --format csv, --format svm"),
        ("a.cvs", r"did you mean '.csv'\?.*--format"),
        ("a.mat", "scipy.io.loadmat"),
        ("a.feather", "pandas.read_feather and write it with to_csv"),
        ("a.xlsx", "pandas.read_excel"),
        ("a.json", "pandas.read_json"),
        ("a.tsv", "pandas.read_table"),
        ("a.csv.zip", "unpack it first"),
    ],
)
def test_an_unknown_suffix_names_what_helps(name, remedy):
    write(name, BODY)
    with pytest.raises(DataError, match=f"^{name} has unknown suffix '.*{remedy}"):
        open_source(name, 0)


def test_the_format_overrides_the_suffix():
    assert_is(both(write("a.npy", BODY), format="csv"), 5)
    np.save("b.npy", A)
    write("b.csv", Path("b.npy").read_bytes())
    assert_is(open_source("b.csv", 0, Reading(format="npy")), 5)
    with pytest.raises(DataError, match=r"b.csv is a NumPy array: give --format npy"):
        open_source("b.csv", 0)


@pytest.mark.parametrize(
    ("name", "option", "why"),
    [
        ("a.svm", {"label": "1"}, "--label does nothing for svm files"),
        ("a.svm", {"header": "no"}, "--header does nothing for svm files"),
        ("a.npy", {"header": "yes"}, "--header does nothing for npy files"),
        ("a.npy", {"label": "price"}, "has no names of columns"),
        ("a.npy", {"label": "7"}, "columns count from 1 to 6"),
        ("a.npz", {"label": "y"}, "--label does nothing for npz files"),
        ("synthetic:rows=3", {"label": "1"}, "--label does nothing for synthetic data"),
        ("synthetic:rows=3", {"format": "csv"}, "--format does nothing for synthetic data"),
    ],
)
def test_an_option_without_a_meaning_is_refused(name, option, why):
    write("a.svm", SVM)
    np.save("a.npy", A)
    np.savez("a.npz", X=A, y=A[:, 0])
    with pytest.raises(UsageError, match=f"^{name}.*{why}"):
        open_source(name, 0, Reading(**option))


# svm


def test_features_are_the_number_of_columns():
    write("a.svm", SVM)
    source = both("a.svm", features=5)
    np.testing.assert_array_equal(source.read(0, 2)[0], [[0.5, 0, 2, 0, 0], [0, 1, 0, 0, 0]])
    assert both("a.svm", features=3).features == both("a.svm").features == 3
    write("b.svm", "1\n-1\n")
    assert both("b.svm", features=4).read(0, 2)[0].tolist() == [[0] * 4] * 2


ZERO_BASED = "# Generated by\n# Column indices are zero-based\n1 2:5\n-1 1:4\n"


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("1 1:2 3:4\n-1 2:3\n", [[2, 0, 4], [0, 3, 0]]),
        ("1 1:2 3:4\n-1 0:1\n", [[0, 2, 0, 4], [1, 0, 0, 0]]),
        ("1 0:0 2:5\n-1\n", [[0, 0, 5], [0, 0, 0]]),
        (ZERO_BASED, [[0, 0, 5], [0, 4, 0]]),
    ],
)
def test_indices_from_0_are_detected(content, rows):
    write("a.svm", content)
    source = both("a.svm")
    np.testing.assert_array_equal(source.read(0, 2)[0], rows)
    assert source.describe().endswith(", indices from 0") == (
        len(rows[0]) == 4 or content[2] != "1"
    )
    if content is not ZERO_BASED:  # scikit-learn does not read the comment
        sklearn = pytest.importorskip("sklearn.datasets")
        np.testing.assert_array_equal(sklearn.load_svmlight_file("a.svm")[0].toarray(), rows)
    chosen = both("a.svm", columns="2").read(0, 2)[0]
    np.testing.assert_array_equal(chosen, np.array(rows)[:, 1:2])
    more = len(rows[0]) + 2
    wide = both("a.svm", features=more).read(0, 2)[0]
    np.testing.assert_array_equal(wide, np.pad(rows, ((0, 0), (0, 2))))


@pytest.mark.parametrize(
    ("line", "reading", "message"),
    [
        ("1 4:1", {"features": 3}, "line 3: index 4 is larger than --features 3: correct"),
        ("1 99999999999:1", {}, "line 3: index 99999999999 is larger than any .*--features"),
        ("1 2147483647:1", {}, "the largest index, 2147483647, is on a.svm, line 3: .*--features"),
        ("1 2147483647:1", {"features": 9}, "line 3: index 2147483647 is larger than --features 9"),
        ("1 0:1 3:1", {"features": 3}, "line 1: index 3 is larger than --features 3 .* from 0 in"),
        ("1,2,3", {}, "line 3: '1,2,3' is not a number.*--format csv"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_svm_lines_that_are_refused(line, reading, message, streamed, monkeypatch):
    monkeypatch.setattr("coded_dgd.problems.sources.base.memory", lambda: 2**33)
    write("a.svm", f"{SVM}{line}\n")
    with pytest.raises(DataError, match=f"^a.svm.*{message}"):
        open_source("a.svm", 0, Reading(**reading), streamed)


def test_a_sparse_matrix_of_scipy_without_labels_is_named():
    sparse = pytest.importorskip("scipy.sparse")
    sparse.save_npz("a.npz", sparse.csr_matrix(A))
    with pytest.raises(DataError, match=r"a sparse matrix of scipy, without labels: .*\.svm"):
        open_source("a.npz", 0)


# The options on their way


SIMULATED = ["--transport", "simulated", "--workers", "3", "--delay", "none", "--scheme", "uc-mmc",
             "--iterations", "2"]  # fmt: skip


@pytest.mark.parametrize("command", ["run", "compare", "plan"])
def test_commands_take_the_options_and_name_the_label(command, capsys):
    write("homes.txt", f"0,1,2,3,4,5\n{BODY}")
    more = {"compare": ["--schemes", "uc-mmc"], "plan": ["--probe", "2", "--load", "1"]}
    rest = [each for each in SIMULATED if each not in ("--scheme", "uc-mmc")]
    given = [command, *(SIMULATED if command == "run" else rest), *more.get(command, [])]
    reading = ["--data", "homes.txt", "--format", "csv", "--label", "-2", "--header", "yes"]
    assert run_command_line([*given, *reading]) == 0
    said = capsys.readouterr().err
    if command != "plan":
        assert "homes.txt: 23 rows x 5 features, label '4' (column 5 of 6), in memory" in said
    assert run_command_line([*given, *reading[:-2]]) == 2
    (line,) = [each for each in capsys.readouterr().err.splitlines() if "coded-dgd: " in each]
    assert "--header yes" in line


def test_theory_and_simulate_take_the_options(capsys):
    write("homes.txt", NAMES + BODY)
    common = ["--scheme", "sgc", "--workers", "4", "--data", "homes.txt", "--realisations", "10"]
    for command in "theory", "simulate":
        assert run_command_line([command, *common, "--quiet"]) == 2
        assert "unknown suffix '.txt'" in capsys.readouterr().err
        more = ["--format", "csv", "--label", "rooms"]
        assert run_command_line([command, *common, *more, "--quiet"]) == 0


def test_a_run_keeps_the_options_and_goes_on_with_them(capsys):
    write("homes.csv", f"label,a,b,c,d,e\n{BODY}")
    command = ["run", *SIMULATED, "--data", "homes.csv", "--out", "r", "--quiet"]
    assert run_command_line([*command, "--label", "label", "--checkpoint-every", "1"]) == 0
    assert 'label = "label"' in Path("r/config.toml").read_text()
    resume = ["run", "--resume", "r", "--iterations", "3", "--transport", "simulated", "--quiet"]
    assert run_command_line([*resume, "--label", "e"]) == 2
    assert "--label e differs from the run's label" in capsys.readouterr().err
    assert run_command_line([*resume, "--label", "label"]) == 0
    assert len(Path("r/iterations.jsonl").read_text().splitlines()) == 3


def test_a_configuration_takes_names_numbers_and_truth_values():
    assert RunConfig(**plain({"label": 3})).label == "3"
    assert RunConfig(**plain({"label": -1, "header": False})).reading == Reading(
        header="no", label="-1"
    )
    assert RunConfig(**plain({"header": True, "format": "svm", "features": 9})).reading == Reading(
        header="yes", format="svm", features=9
    )
    for options in {"label": 1.5}, {"header": "maybe"}, {"format": "xls"}, {"features": 0}:
        with pytest.raises(UsageError, match=f"--{next(iter(options))}"):
            RunConfig(**options)


def test_toml_and_variables_take_the_options(capsys, monkeypatch):
    write("c.toml", 'label = 2\nfeatures = 7\nformat = "svm"\n')
    monkeypatch.setenv("CODED_DGD_RUN_HEADER", "no")
    assert run_command_line(["run", "--config", "c.toml", "--print-config"]) == 0
    printed = capsys.readouterr().out
    for line in ('label = "2"', "features = 7", 'format = "svm"', 'header = "no"'):
        assert f"\n{line}\n" in printed
    monkeypatch.delenv("CODED_DGD_RUN_HEADER")
    write("c.toml", "header = true\n")
    assert run_command_line(["run", "--config", "c.toml", "--print-config"]) == 0
    assert '\nheader = "yes"\n' in capsys.readouterr().out


def test_training_from_python_takes_the_options():
    import coded_dgd

    write("homes.txt", NAMES + BODY)
    common = {"transport": "simulated", "workers": 3, "scheme": "uc-mmc", "iterations": 3000}
    found = coded_dgd.train(data="homes.txt", format="csv", label="km", **common)
    X, y = np.delete(A, 3, axis=1), A[:, 3]
    np.testing.assert_allclose(found.coef_, np.linalg.lstsq(X, y, rcond=None)[0], atol=1e-6)


def test_workers_read_as_rank_0_does():
    path = write("homes.txt", NAMES + BODY)
    reading = Reading(format="csv", label="rooms")
    mark = str(fingerprint(open_source(path, 0, reading), path))
    local_encoding = LocalEncoding.of(path, 0, reading, mark, 4, np.array([0, 1]), False)
    assignment = {
        "local_encoding": local_encoding.to_json(),
        "ends": [1],
        "shared": None,
    }
    assignment["layout"] = Layout(1)._asdict()
    blank = dict.fromkeys(Assignment.__annotations__)
    sent = Assignment.from_json(json.dumps(blank | assignment).encode()).local_encoding
    assert sent.reading == reading
    ((_, X, y),) = LocalEncoding(**vars(sent) | {"placement": (0, 1)}).pieces()
    np.testing.assert_array_equal(X[0, :5], np.delete(A[:5], 1, axis=1))
    np.testing.assert_array_equal(y[0, :5], A[:5, 1])
    other = Reading(format="csv", label="km")
    with pytest.raises(DataError, match="not what rank 0 reads"):
        list(LocalEncoding.of(path, 0, other, mark, 4, np.array([0, 1]), False).pieces())


# convert


@pytest.mark.parametrize("suffix", PACKED)
def test_convert_reads_and_writes_compressed_text(suffix):
    write("homes.txt", NAMES + BODY)
    reading = ["--format", "csv", "--label", "area"]
    for out in f"a.csv{suffix}", f"a.svm{suffix}":
        assert run_command_line(["convert", "homes.txt", out, *reading, "--quiet"]) == 0
        X, y = both(out).read(0, 23)
        np.testing.assert_array_equal(np.c_[X, y], A[:, [1, 2, 3, 4, 5, 0]])
        assert Path(out).read_bytes()[:2] == PACKED[suffix](b"")[:2]
    assert run_command_line(["convert", "homes.txt", f"a.npy{suffix}", *reading]) == 2


def test_what_convert_writes_is_read_without_a_doubt(capsys):
    np.save("a.npy", np.c_[np.arange(4.0), np.arange(1.0, 5), np.arange(2.0, 6)])
    assert run_command_line(["convert", "a.npy", "a.csv", "--quiet"]) == 0
    assert_is(both("a.csv"), 2, np.load("a.npy"))
    assert run_command_line(["convert", "a.npy", "b.npy", "--header", "no"]) == 2
    assert "--header does nothing for npy files" in capsys.readouterr().err
    assert run_command_line(["convert", "a.npy", "a.txt", "--force"]) == 2
    assert "a.txt has unknown suffix '.txt': name it by its format" in capsys.readouterr().err
