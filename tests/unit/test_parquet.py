"""Parquet files: read by row groups in bounded memory, and refused in one line."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coded_dgd import train
from coded_dgd.errors import DataError, UsageError
from coded_dgd.problems.sources import Reading, _words, open_source, save
from coded_dgd.problems.sources import parquet as own

A = np.random.default_rng(8).standard_normal((61, 5))
NAMES = ["age", "size", "a.b", "price", "label"]
FRAME = pd.DataFrame(A, columns=NAMES)
OPTIONS = {"scheme": "uc-mmc", "workers": 3, "load": 2, "iterations": 6, "transport": "simulated"}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_without_pyarrow_one_line_says_what_to_install(monkeypatch):
    Path("a.parquet").write_bytes(b"PAR1\x15")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"a.parquet needs pyarrow: pip install 'coded_dgd\[parq"):
        open_source("a.parquet", 0)
    with pytest.raises(UsageError, match=r"needs pyarrow: pip install 'coded_dgd\[parquet\]'"):
        save(open_source("synthetic:rows=5,features=2", 0), Path("b.parquet"))
    assert not Path("b.parquet").exists()


def write(frame=FRAME, name="a.parquet", **options):
    pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")
    frame.to_parquet(name, **{"index": False, "row_group_size": 7} | options)
    return name


@pytest.mark.parametrize("batch", [1, 40 * 3, 2**22])
@pytest.mark.parametrize("group", [1, 7, 61])
def test_any_rows_of_any_groups(batch, group, monkeypatch):
    monkeypatch.setattr(own, "BATCH_BYTES", batch)
    source = open_source(write(row_group_size=group), 0)
    assert source.describe() == (
        "a.parquet: 61 rows x 4 features, label 'label' (column 5 of 5), read by row groups"
    )
    assert source.names == tuple(NAMES[:4])
    rng = np.random.default_rng(1)
    ranges = [(0, 61), (5, 9), (9, 30), (40, 41), (41, 41), (3, 60), (61, 61), (60, 61), (0, 0)]
    for start, stop in ranges + [sorted(rng.integers(0, 62, 2).tolist()) for _ in range(40)]:
        X, y = source.read(start, stop)
        np.testing.assert_array_equal(X, A[start:stop, :4])
        np.testing.assert_array_equal(y, A[start:stop, 4])
        assert X.flags.c_contiguous and X.flags.owndata and y.flags.owndata
    np.testing.assert_array_equal(np.concatenate([X for X, _ in source.windows(10)]), A[:, :4])


def test_reads_in_order_decode_the_file_once(monkeypatch):
    source = open_source(write(), 0)
    begun = []
    decoded = source._decoded
    monkeypatch.setattr(source, "_decoded", lambda group: begun.append(group) or decoded(group))
    for start in range(0, 60, 4):
        source.read(start, start + 4)
    source.read(57, 60)  # from the ninth group on
    assert begun == [0, 8]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_file_that_is_read_again_and_again_is_decoded_into_a_temporary_one(kind, monkeypatch):
    """Blocks side by side would else decode from the beginning for each of their windows."""
    words = np.where(A[:, 4] > 0, "yes", "no")
    source = open_source(write(FRAME.astype(kind).assign(label=words)), 0)
    begun = []
    decoded = source._decoded
    monkeypatch.setattr(source, "_decoded", lambda group: begun.append(group) or decoded(group))
    for start in range(30):
        for block in 0, 30:
            X, y = source.read(block + start, block + start + 1)
            np.testing.assert_array_equal(X[0], A[block + start, :4].astype(kind))
            assert source.words[int(y[0])] == words[block + start]
    assert len(begun) <= 5
    assert source._decoded_once._mappings


def test_no_space_for_it_is_one_line(monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    source = open_source(write(), 0)
    source.read(0, 61)
    source.read(0, 61)
    monkeypatch.setattr(own, "TemporaryFile", full)
    with pytest.raises(DataError, match=r"temporary file \(No space left on device\): set TMPDIR"):
        source.read(0, 61)


def test_columns_of_every_real_type_and_its_index_is_no_column():
    frame = pd.DataFrame(
        {
            "int": [1, 2, 3],
            "small": np.array([1, 2, 255], np.uint8),
            "flag": [True, False, True],
            "decimal": [Decimal("1.50"), Decimal("2.25"), Decimal("-3.00")],
            "single": np.array([1, 2, 3], np.float32),
            "nullable": pd.array([4, 5, 6], "Int64"),
            "y": [0.5, 1.5, 2.5],
        },
        index=pd.Index([7, 8, 9], name="row"),
    )
    for index in None, True:
        write(frame, index=index)
        X, y = open_source("a.parquet", 0).read(0, 3)
        wanted = frame.astype(float).to_numpy()
        np.testing.assert_array_equal(np.column_stack([X, y]), wanted)


@pytest.mark.parametrize("encode", ["master", "local"])
def test_a_run_trains_on_chosen_columns(encode):
    wanted = train(A[:, [3, 2]], A[:, 0], **OPTIONS)
    options = {"columns": "price,a.b", "label": "age", "encode": encode, **OPTIONS}
    np.testing.assert_array_equal(train(data=write(), **options).coef_, wanted.coef_)


@pytest.mark.parametrize("kind", [object, "string", "category"])
@pytest.mark.parametrize("encode", ["master", "local"])
def test_labels_may_be_text(kind, encode):
    words = np.array(["red", "a, b", "Blue"])[(A[:, 0] > 0) * 1 + (A[:, 1] > 0)]
    name = write(FRAME.assign(label=pd.Series(words).astype(kind)))
    assert open_source(name, 0).words == ("Blue", "a, b", "red")
    found = train(data=name, objective="softmax", encode=encode, **OPTIONS)
    wanted = train(A[:, :4], words, objective="softmax", **OPTIONS)
    np.testing.assert_array_equal(found.coef_, wanted.coef_)
    assert found.classes_.tolist() == ["Blue", "a, b", "red"]


def bad(column, values):
    return FRAME.assign(**{column: values})


REFUSED = [
    (lambda: bad("size", [None, *"ab" * 30]), {}, r"column 2 \('size'\), is text, which is no n"),
    (lambda: bad("size", pd.Categorical(["a"] * 61)), {}, r"'size'\), is text.*--columns"),
    (lambda: bad("size", pd.date_range("2020", periods=61)), {}, r"'size'\), is of type timest"),
    (lambda: bad("label", [[1.0]] * 61), {}, r"the label \('label'\), is of type list"),
    (lambda: bad("label", [["a"]] * 61), {}, r"the label \('label'\), is of type list"),
    (lambda: bad("size", [*range(60), None]), {}, r"row 61, column 2 \('size'\): (null|nan)"),
    (
        lambda: bad("size", pd.array([*range(20), None, *range(40)], "Int64")),
        {},
        r"row 21, column 2 \('size'\): null is a missing value: drop the row",
    ),
    (lambda: bad("label", [*"ab" * 30, None]), {}, r"row 61, the label \('label'\): null is a mi"),
    (lambda: FRAME, {"label": "labl"}, r"no column is called 'labl' \(did you mean 'label'"),
    (lambda: FRAME, {"columns": "sise"}, r"no column is called 'sise' \(did you mean 'size'"),
    (lambda: FRAME, {"header": "no"}, "--header does nothing for parquet files"),
    (lambda: FRAME[["label", *NAMES[:4]]], {}, "column 1 is called 'label' and the last one 'pr"),
    (lambda: FRAME[:0], {}, "has no rows"),
    (lambda: FRAME[["label"]], {}, "has no features"),
    (lambda: FRAME[[]], {}, "has no columns"),
]


@pytest.mark.parametrize(("frame", "reading", "said"), REFUSED)
def test_what_is_refused(frame, reading, said):
    write(frame())
    with pytest.raises(UsageError, match=f"^a.parquet.*{said}") as caught:
        source = open_source("a.parquet", 0, Reading(**reading))
        source.read(0, source.rows)
    assert "\n" not in str(caught.value)


def test_damage_is_named_wherever_it_is():
    whole = Path(write()).read_bytes()
    for size in 12, len(whole) // 2, len(whole) - 1:
        Path("a.parquet").write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"a.parquet is damaged or no Parquet file"):
            open_source("a.parquet", 0)
    for place in range(4, len(whole) - 8, 41):
        Path("a.parquet").write_bytes(whole[:place] + b"\xff" * 8 + whole[place + 8 :])
        try:
            open_source("a.parquet", 0).read(0, 61)
        except UsageError as error:
            assert "a.parquet" in str(error)


def test_a_column_of_names_is_no_column_of_classes(monkeypatch):
    monkeypatch.setattr(_words, "MOST_WORDS", 20)
    write(bad("label", [f"row {row}" for row in range(61)]))
    with pytest.raises(DataError, match="more than 20 different texts"):
        open_source("a.parquet", 0)


def test_the_content_and_the_format_say_what_it_is():
    content = Path(write()).read_bytes()
    Path("a.csv").write_bytes(content)
    with pytest.raises(DataError, match="is a Parquet file: give --format parquet"):
        open_source("a.csv", 0)
    assert open_source("a.csv", 0, Reading(format="parquet")).rows == 61


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("words", [False, True])
def test_convert_writes_it(kind, words):
    pytest.importorskip("pyarrow")
    y = np.where(A[:, 4] > 0, "yes", "no") if words else A[:, 4].astype(kind)
    np.savez("a.npz", X=A[:, :4].astype(kind), y=y)
    source = open_source("a.npz", 0)
    save(source, Path("b.parquet"))
    found = open_source("b.parquet", 0)
    assert found.words == source.words
    assert found.names == ("x1", "x2", "x3", "x4")
    for read, wanted in zip(found.read(0, 61), source.read(0, 61), strict=True):
        np.testing.assert_array_equal(read, wanted)
    if not words:
        assert found.dtype == kind
    save(found, Path("c.csv"))
    assert open_source("c.csv", 0).words == source.words


SCRIPT = """
import resource, sys
from coded_dgd.problems.sources import open_source
before = None
for name in sys.argv[1:]:
    source = open_source(name, 0)
    rows = sum(len(y) for _, y in source.windows())
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if before is not None:
        print(rows, (after - before) / 1024)
    before = after
"""


def test_memory_does_not_grow_with_the_rows():
    """A group of 400,000 rows, 64 MB decoded, takes less than half of that."""
    pytest.importorskip("pyarrow")
    X = np.random.default_rng(2).standard_normal((400_000, 20))
    frame = pd.DataFrame(X, columns=[f"x{place}" for place in range(20)])
    write(frame[:200_000], "small.parquet", row_group_size=10**6)
    write(frame, "large.parquet", row_group_size=10**6)
    command = [sys.executable, "-c", SCRIPT, "small.parquet", "large.parquet"]
    rows, grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(rows) == 400_000
    assert float(grown) < 16


def test_memory_does_not_grow_with_the_files():
    """A decoder whose rows have all been read is let go."""
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(np.ones((20_000, 40))).rename(columns=str)
    for folder, files in (("few", 4), ("many", 24)):
        Path(folder).mkdir()
        for number in range(files):
            write(frame, f"{folder}/{number:02}.parquet", row_group_size=10_000)
    command = [sys.executable, "-c", SCRIPT, "few", "many"]
    rows, grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(rows) == 24 * 20_000
    assert float(grown) < 64
