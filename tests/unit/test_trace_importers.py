"""Traces in the formats in which they were published; what is no trace is refused in one line."""

import csv
import importlib
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from coded_dgd import delays
from coded_dgd.cli import run_command_line
from coded_dgd.errors import DataError, UsageError
from coded_dgd.traces import importers
from coded_dgd.traces.importers import _cells
from coded_dgd.traces.importers._plain_pickle import read_plain


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(kind, name):
    return importers.read(kind, Path(name))


def refused(kind, name):
    """The one line that refuses a file, which it names."""
    with pytest.raises(DataError) as caught:
        read(kind, name)
    line = str(caught.value)
    assert name in line
    assert "\n" not in line
    assert ": " in line
    return line


# AWS Lambda


def rounds(durations, number=np.float64):
    """The published structure, with numbers of numpy in it."""
    start = 1.6e9
    return [
        {
            "round": t,
            "started": number(start + 10 * t),
            "finished": number(start + 10 * t + max(row)),
            "results": [
                {
                    "started": number(start + 10 * t),
                    "finished": number(start + 10 * t + duration),
                    "response": {"statusCode": 200, "body": "done"},
                }
                for duration in row
            ],
        }
        for t, row in enumerate(durations)
    ]


DURATIONS = [[0.5, 0.75, 2.0], [1.0, 0.25, 0.5]]


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("number", [float, np.float64, np.dtype(">f8").type])
def test_lambda_durations_are_those_of_the_calls(protocol, number):
    Path("a.pkl").write_bytes(pickle.dumps(rounds(DURATIONS, number), protocol))
    found = read("lambda", "a.pkl")
    np.testing.assert_allclose(found.times, DURATIONS, atol=1e-6)
    assert not found.relative
    assert found.notes[0].startswith("a time is start-up and work together")


def test_pickles_of_numpy_1_and_2_are_alike():
    content = pickle.dumps(rounds(DURATIONS), 3)  # names modules as text with no length
    old, new = b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"
    for name, module in (("old.pkl", old), ("new.pkl", new)):
        Path(name).write_bytes(content.replace(new, module).replace(old, module))
        np.testing.assert_allclose(read("lambda", name).times, DURATIONS, atol=1e-6)


class Harmful:
    def __reduce__(self):
        return (Path("harmed").touch, ())


class Systemic:
    def __reduce__(self):
        return (os.system, ("touch harmed",))


FORBIDDEN = {
    "os": Systemic(),
    "pathlib": Harmful(),
    "array": np.ones(3),
    "class": DataError("a"),
    "builtins": print,
    "complex": 1j,
}


@pytest.mark.parametrize("case", FORBIDDEN)
def test_a_pickle_that_names_anything_else_is_not_run(case):
    Path("a.pkl").write_bytes(pickle.dumps([{"results": [FORBIDDEN[case]]}]))
    assert "is not loaded, as it might run a program: write a pickle" in refused("lambda", "a.pkl")
    assert not Path("harmed").exists()


def scalar(kind):
    """A pickle of one number of numpy, of eight bytes."""
    code = b"X" + len(kind).to_bytes(4, "little") + kind.encode()
    dtype = b"cnumpy\ndtype\n" + code + b"\x89\x88\x87R"  # dtype(kind, False, True)
    content = b"C\x08" + np.float64(0.5).tobytes()
    return b"\x80\x03cnumpy.core.multiarray\nscalar\n" + dtype + content + b"\x86R."


@pytest.mark.parametrize("kind", ["O", "O8", "V8", "U2", "f", "f0", "f99999999999", "m8", "c16"])
def test_values_of_numpy_that_are_no_numbers_are_refused(kind):
    Path("a.pkl").write_bytes(scalar("f8"))
    assert read_plain(Path("a.pkl")) == 0.5
    Path("a.pkl").write_bytes(scalar(kind))
    assert "cannot be read" in refused("lambda", "a.pkl")


def first_result(**changed):
    given = rounds(DURATIONS)
    given[0]["results"][0].update(changed)
    return given


BAD_PICKLES = {
    "empty": (b"", "cannot be read"),
    "no pickle": (b"hello", "cannot be read"),
    "cut short": (pickle.dumps(rounds(DURATIONS))[:200], "cannot be read"),
    "no list": (pickle.dumps({"results": []}), "holds no list of rounds"),
    "no rounds": (pickle.dumps([]), "holds no list of rounds"),
    "other rounds": (pickle.dumps([1]), "round 0 has no list 'results'"),
    "other results": (
        pickle.dumps([{"results": [3]}]),
        "round 0, result 0 has no number 'started'",
    ),
    "no end": (
        pickle.dumps(first_result(finished=None)),
        "no number 'finished': delete that round",
    ),
    "nan": (pickle.dumps(first_result(started=np.nan)), "no number 'started'"),
    "backwards": (pickle.dumps(first_result(finished=1.0)), "finished before it is started"),
    "ragged": (
        pickle.dumps(rounds([[1.0, 2.0], [1.0]])),
        "round 1 has 1 results, and round 0 has 2",
    ),
    "no workers": (pickle.dumps([{"results": []}]), "give a run folder"),
    "persistent": (b"\x80\x04\x8c\x01aQ.", "cannot be read"),
}


@pytest.mark.parametrize("case", BAD_PICKLES)
def test_a_bad_pickle_is_refused_in_one_line(case):
    content, words = BAD_PICKLES[case]
    Path("a.pkl").write_bytes(content)
    assert words in refused("lambda", "a.pkl")


# PAI

HEADER = ("", "worker", "gpu", "time", "batch_time_norm")
LINES = [
    (1, 0, 476),
    (1, 1, 509),
    (11, 1, 490),
    (11, 0, 418),
    (21, 0, 500),
    (101, 0, 1),
    (101, 1, 2),
]


def write_csv(lines, header=HEADER):
    with Path("a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for number, (time, worker, norm) in enumerate(lines):
            writer.writerow((number, worker, 25, time, norm))


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        ("index", "Worker", "GPU", " time ", "normalised batch time"),
        ("\ufeffi", *HEADER[1:]),
    ],
)
def test_pai_times_have_a_row_per_step_and_a_column_per_worker(header):
    write_csv(LINES, header)
    found = read("pai", "a.csv")
    expected = [[0.476, 0.509], [0.418, 0.49], [0.001, 0.002]]  # time 21 lacks worker 1
    np.testing.assert_allclose(found.times, expected)
    assert found.relative
    assert found.notes == ("1 of 4 steps are left out, as a worker is missing",)


BAD_CSV = {
    "empty": (b"", "no column 'worker' in its first line: give a csv file with"),
    "header only": (b"worker,time,batch_time_norm\n", "no line below its header"),
    "no worker": (b"time,batch_time_norm\n1,2\n", "no column 'worker'"),
    "no time": (b"worker,batch_time_norm\n1,2\n", "no column 'time'"),
    "no duration": (b"worker,time\n1,2\n", "no column 'batch_time'"),
    "two durations": (
        b"worker,time,batch_time,batch_time_norm\n1,1,1,1\n",
        "2 columns 'batch_time'",
    ),
    "text": (b"worker,time,batch_time\n0,1,a\n", "line 2: 'a' is no number"),
    "nan": (b"worker,time,batch_time\n0,1,nan\n", "line 2: 'nan' is no number"),
    "short line": (b"worker,time,batch_time\n0,1,5\n0,1\n", "line 3: '' is no number"),
    "two jobs": (b"worker,time,batch_time\n0,1,5\n0,1,6\n", "worker 0 at time 1 twice"),
    "only gaps": (b"worker,time,batch_time\n0,1,5\n1,2,6\n", "no time has all workers"),
    "negative": (b"worker,time,batch_time\n0,1,-5\n", "0 or more"),
    "not UTF-8": (b"worker,time,batch_time\n\xff\xfe\n", "cannot be read"),
    "binary": (b"\x00\x01\x02", "a.csv"),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_a_bad_csv_is_refused_in_one_line(case):
    content, words = BAD_CSV[case]
    Path("a.csv").write_bytes(content)
    assert words in refused("pai", "a.csv")


def test_a_csv_of_many_jobs_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(_cells, "LARGEST", 99)
    lines = "".join(f"{n},{n},0,{n},5\n" for n in range(10))
    Path("many.csv").write_text(f",worker,gpu,time,batch_time_norm\n{lines}")
    assert "10 x 10: keep one job" in refused("pai", "many.csv")


# ByteDance

OPERATIONS = [
    # step, dp_rank, stage, optype, duration
    (0, 0, 0, "forward-compute", 1.0), (0, 0, 0, "backward-compute", 2.0),
    (0, 0, 1, "forward-compute", 1.0), (0, 0, 1, "forward-send", 99.0),
    (0, 1, 0, "forward-compute", 2.0), (0, 1, 1, "backward-compute", 5.0),
    (1, 0, 0, "forward-compute", 4.0), (1, 0, 1, "forward-compute", 3.0),
    (1, 1, 0, "forward-compute", 4.0), (1, 1, 1, "forward-compute", 1.0),
    (2, 0, 0, "forward-compute", 9.0),
]  # fmt: skip
NAMES = ("step", "dp_rank", "stage", "optype", "duration")


def write_parquet(columns):
    pa = pytest.importorskip("pyarrow", reason="parquet files need pyarrow (extra parquet)")
    parquet = importlib.import_module("pyarrow.parquet")
    parquet.write_table(pa.table(columns), "a.parquet")


def operations(**changed):
    columns = {
        name: list(each) for name, each in zip(NAMES, zip(*OPERATIONS, strict=True), strict=True)
    }
    return {**columns, **changed}


@pytest.mark.parametrize("encoded", [False, True])
def test_bytedance_times_are_sums_of_a_stage_and_maxima_over_stages(encoded):
    pa = pytest.importorskip("pyarrow", reason="parquet files need pyarrow (extra parquet)")
    columns = operations(rank=range(len(OPERATIONS)))
    if encoded:
        columns["optype"] = pa.array(columns["optype"]).dictionary_encode()
    write_parquet(columns)
    found = read("bytedance", "a.parquet")
    np.testing.assert_allclose(found.times, np.array([[3.0, 5.0], [4.0, 4.0]]) / 4.0)
    assert found.relative
    assert found.notes == ("1 of 3 steps are left out, as a worker is missing",)


BAD_COLUMNS = {
    "no duration": ({"duration": None}, "no column duration: give a parquet file with"),
    "no computing": ({"optype": ["send"] * len(OPERATIONS)}, "no 'optype' that ends in -compute"),
    "text": ({"step": ["a"] * len(OPERATIONS)}, "column step is string, not numbers"),
    "empty values": ({"duration": [None, *[1.0] * (len(OPERATIONS) - 1)]}, "has empty values"),
    "no time": ({"duration": [0.0] * len(OPERATIONS)}, "the median of the durations is 0"),
    "negative": ({"duration": [-1.0, *[5.0] * (len(OPERATIONS) - 1)]}, "a.parquet"),
    "only gaps": ({"step": list(range(len(OPERATIONS)))}, "no step has all ranks"),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_a_parquet_file_of_other_content_is_refused_in_one_line(case):
    changed, words = BAD_COLUMNS[case]
    columns = operations(**changed)
    if case == "negative":
        columns["duration"][4] = columns["duration"][5] = -2.0
    write_parquet({name: values for name, values in columns.items() if values is not None})
    assert words in refused("bytedance", "a.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"hello" * 100])
def test_what_is_no_parquet_file_is_refused_in_one_line(content):
    pytest.importorskip("pyarrow", reason="parquet files need pyarrow (extra parquet)")
    Path("a.parquet").write_bytes(content)
    assert "give a parquet file with the columns step" in refused("bytedance", "a.parquet")


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=r"^a\.parquet needs pyarrow: pip install coded_dgd\[parq"):
        read("bytedance", "a.parquet")


# Run folders and arrays


def run(*options):
    command = ["run", "--transport", "simulated", "--workers", "3", "--iterations", "4", "--quiet"]
    data = ["--data", "synthetic:rows=31,features=3", "--out", "run"]
    assert run_command_line([*command, *data, *options]) == 0


def test_a_run_with_one_task_gives_durations():
    run("--scheme", "uncoded")
    found = read("run", "run")
    np.testing.assert_array_equal(found.times, np.load("run/arrivals.npz")["arrival"][..., 0])
    assert not found.notes


def test_a_run_with_several_tasks_gives_finish_times():
    run("--scheme", "uc-mmc", "--load", "2")
    found = read("run", "run")
    np.testing.assert_array_equal(found.times, delays.create("trace:run", 0).times)
    assert found.times.shape == (4, 3, 2)
    assert not found.notes


def test_the_size_of_tasks_is_told_where_an_array_cannot_tell_it():
    run("--scheme", "uc-mmc", "--load", "2", "--blocks", "6")
    (note,) = read("run", "run").notes
    assert "a task of this run is 0.5 of 1/M of all data" in note
    assert "--delay trace:run,per=share" in note


@pytest.mark.parametrize("kind", ["run", "array"])
def test_a_folder_without_arrivals_is_refused(kind):
    Path("folder").mkdir()
    assert "no arrivals.npz" in refused(kind, "folder")


def test_a_file_is_no_run():
    np.save("a.npy", np.ones((2, 3)))
    assert "is no folder" in refused("run", "a.npy")


# All kinds


@pytest.mark.parametrize("kind", importers.names())
def test_a_file_that_is_missing_is_refused_in_one_line(kind):
    if kind == "bytedance":
        pytest.importorskip("pyarrow", reason="parquet files need pyarrow (extra parquet)")
    assert "no such file" in refused(kind, "missing")


def test_the_kinds():
    assert importers.names() == ["array", "bytedance", "lambda", "pai", "run"]
    with pytest.raises(UsageError, match=r"unknown kind of trace 'lamda' .did you mean 'lambda'"):
        read("lamda", "a.pkl")
