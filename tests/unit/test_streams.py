"""Standard streams that are closed, full or no longer read; terminals that lack characters."""

import json
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from coded_dgd import streams
from coded_dgd.runs.watching import SILENCE

RUN = (
    f"{sys.executable} -m coded_dgd.run --transport simulated --workers 4 --scheme uc-mmc --load 2 "
    "--delay none --iterations 5 --data a.npy --json"
)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    X = np.random.default_rng(0).standard_normal((40, 4))
    np.save("a.npy", np.column_stack([X, X.sum(1)]))


def shell(command, **environment):
    return subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


def is_whole(folder):
    """Whether a run folder has what belongs there, and nothing else in it."""
    lines = Path(folder, "iterations.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == list(range(5))
    return json.loads(Path(folder, "summary.json").read_text())["status"] == "done"


@pytest.mark.parametrize("closed", ["2>&-", "2>&- <&-", "2>/dev/full"])
def test_stdout_is_json_where_stderr_takes_nothing(closed):
    done = shell(f"{RUN} --out r {closed}")
    assert done.returncode == 0
    assert json.loads(done.stdout)["run_folder"] == "r"
    assert is_whole("r")


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", ">&- 2>&- <&-"])
def test_a_closed_stdout_is_no_error(closed):
    done = shell(f"{RUN} --quiet --out r {closed}")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert is_whole("r")


def test_readers_that_go_away_do_not_end_a_run():
    done = shell(f"{RUN} --out r 2>&1 | head -1; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""
    assert is_whole("r")
    report = f"{sys.executable} -m coded_dgd report r"
    for command in (report, f"{report} r r r r r r r", f"{sys.executable} -m coded_dgd watch r"):
        done = shell(f"set -o pipefail; {command} | true")
        assert (done.returncode, done.stderr) == (0, b""), command


def test_watch_ends_when_nobody_reads():
    shell(f"{RUN} --quiet --out r; rm r/summary.json")  # it seems to go on
    begin = monotonic()
    done = shell(f"set -o pipefail; {sys.executable} -m coded_dgd watch r | true")
    assert (done.returncode, done.stderr) == (0, b"")
    assert monotonic() - begin < SILENCE


def test_a_result_that_cannot_be_written_is_an_error():
    done = shell(f"{RUN} --quiet --out r >/dev/full")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("coded-dgd: standard output cannot be written (No space left on device)")
    assert done.returncode == 1
    assert is_whole("r")


@pytest.mark.parametrize("locale", ["C", "POSIX", "xx_YY"])
def test_no_message_lacks_characters(locale):
    Path("a.npy").rename("déjà.npy")
    environment = {"LC_ALL": locale, "PYTHONIOENCODING": "ascii"}
    done = shell(f"{RUN.replace('a.npy', 'déjà.npy')} --out é", **environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run_folder"] == "é"
    assert rb"d\xe9j\xe0.npy: 40 rows" in done.stderr
    done = shell(f"{RUN.replace('a.npy', 'né.npy')}", **environment)
    assert done.returncode == 2
    assert b"UnicodeEncodeError" not in done.stderr


def test_a_locale_that_does_not_know_a_name_is_the_cause():
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = shell(RUN.replace("a.npy", "déjà.npy"), **environment)
    assert done.returncode == 2
    assert rb"is read as ascii under this locale: export PYTHONUTF8=1" in done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONWARNINGS": "error"}, {"PYTHONOPTIMIZE": "2"}, {"COLUMNS": "1", "TERM": ""},
        {"TMPDIR": "/nonexistent", "HOME": "/nonexistent", "OMP_NUM_THREADS": "garbage"},
    ],
    ids=lambda each: "-".join(each),
)  # fmt: skip
def test_odd_environments(environment):
    done = shell(f"{RUN} --out r", **environment)
    assert done.returncode == 0, done.stderr
    assert is_whole("r")


def test_train_without_stderr_prints_nothing_on_stdout(monkeypatch, capfd):
    from coded_dgd import train

    monkeypatch.setattr(sys, "stderr", None)
    X = np.eye(4)
    train(X, X @ [1, 2, 3, 4], transport="simulated", workers=4, load=2, quiet=False, iterations=2)
    assert capfd.readouterr().out == ""
    assert streams.messages() is not None
    streams.flush()


def test_streams_of_others_are_left_alone(capsys):
    before = sys.stdout, sys.stderr
    streams.prepare()
    assert (sys.stdout, sys.stderr) == before
    assert not streams.reader_gone()
