"""A disk that is full, or fails, at any write: one line with the remedy, and nothing is lost."""

import errno
import json
import logging
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coded_dgd.cli import run_command_line
from coded_dgd.engine.arrival_log import ArrivalLog
from coded_dgd.engine.rank_log import LOG, open_log
from coded_dgd.errors import StorageError, UsageError
from coded_dgd.files import replacing, writing
from coded_dgd.runs.reading import read_run

SMALL = (
    "--transport", "simulated", "--workers", "4", "--data", "synthetic:rows=31,features=3",
    "--scheme", "uc-mmc", "--load", "2", "--quiet",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(capsys, *command):
    """The one line of a command that ends with exit code 1."""
    capsys.readouterr()
    assert run_command_line([str(each) for each in command]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("coded-dgd: ")
    assert "report this" not in line
    return line


# What writes


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free space on its disk"),
        (errno.EDQUOT, "free space within the quota"),
        (errno.EIO, "check its disk"),
        (errno.EROFS, "writable"),
        (errno.ENOENT, "removed or moved"),
        (errno.EACCES, "permissions"),
        (None, "free space on its disk"),  # as numpy says it
    ],
)
def test_what_the_system_says_becomes_one_line_with_the_remedy(number, remedy):
    error = OSError("short write") if number is None else OSError(number, os.strerror(number))
    with pytest.raises(StorageError, match=remedy) as raised, writing(Path("folder/file")):
        raise error
    assert "folder/file cannot be written" in str(raised.value)


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOENT, errno.EACCES, errno.EISDIR])
def test_a_path_that_the_user_chose_badly_is_wrong_usage(number):
    with pytest.raises(UsageError, match="name another file"):  # noqa: SIM117
        with writing(Path("file"), "name another file"):
            raise OSError(number, os.strerror(number))
    with pytest.raises(StorageError, match="free space"):  # noqa: SIM117
        with writing(Path("file"), "name another file"):
            raise OSError(errno.ENOSPC, "No space left on device")


def test_what_was_there_stays_where_the_new_file_cannot_be_written():
    Path("file").write_bytes(b"old")
    with pytest.raises(StorageError, match="file cannot be written"), replacing(Path("file")):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert Path("file").read_bytes() == b"old"
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_arrivals_that_are_written_in_part_are_written_on(monkeypatch):
    log = ArrivalLog((2, 3), Path("arrivals"))
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, content, at: whole(fd, content[:11], at))
    for iteration in range(2):
        log.begin(iteration)
        for message in range(3):
            log.note(iteration, 1, message, 0.25)
        log.end(iteration)
    assert np.nansum(log.read(2)) == 2 * 3 * 0.25
    assert Path("arrivals").stat().st_size == 2 * 6 * 8


@pytest.mark.parametrize("needed", [True, False])
def test_a_log_on_a_full_disk_ends_a_run_or_ends_itself(needed, capsys):
    handler = open_log("log", "info", needed)
    handler.setStream(Path("/dev/full").open("w"))  # noqa: SIM115 (closed with the handler)
    try:
        if needed:
            with pytest.raises(StorageError, match="log cannot be written"):
                LOG.info("a line")
        else:
            LOG.info("a line")
            assert handler not in logging.getLogger().handlers
    finally:
        handler.close()
        logging.getLogger().removeHandler(handler)
        logging.captureWarnings(False)
    assert capsys.readouterr().err == ""


# A run


class Disk:
    """Counts what asks the disk for space or puts something on it, and fails from one on."""

    def __init__(self, monkeypatch):
        self.count, self.limit = 0, None
        for owner, name in (
            (os, "pwrite"), (os, "fsync"), (Path, "mkdir"), (Path, "replace"), (Path, "write_text"),
        ):  # fmt: skip
            self._watch(monkeypatch, owner, name)
        real = Path.open

        def open_path(path, mode="r", *args, **kwargs):
            if set(mode) & {"w", "a", "+"}:
                self._step()
            return real(path, mode, *args, **kwargs)

        monkeypatch.setattr(Path, "open", open_path)

    def _watch(self, monkeypatch, owner, name):
        real = getattr(owner, name)

        def watched(*args, **kwargs):
            self._step()
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    def _step(self):
        self.count += 1
        if self.limit is not None and self.count > self.limit:
            raise OSError(errno.ENOSPC, "No space left on device")

    def fails_from(self, limit):
        self.count, self.limit = 0, limit


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def test_a_run_ends_in_one_line_at_whatever_write_and_can_be_resumed(disk, capsys):
    command = [
        "run",
        *SMALL,
        "--iterations",
        "4",
        "--checkpoint-every",
        "2",
        "--timeline",
        "t.json",
    ]
    assert run_command_line([*command, "--out", "whole"]) == 0
    total = disk.count
    assert total > 30
    resumed = 0
    for limit in range(0, total, 2):
        disk.fails_from(limit)
        line = refused(capsys, *command, "--out", "run")
        assert "No space left on device): free space on its disk" in line
        assert "run" in line or "t.json" in line
        disk.fails_from(None)
        done = Path("run/summary.json").exists()  # only the timeline is missing
        if Path("run").exists() and not done:
            assert "--resume run goes on" in line
            assert run_command_line(["run", "--resume", "run", "--quiet"]) == 0
            resumed += 1
        elif not done:
            assert run_command_line([*command, "--out", "run"]) == 0
        np.testing.assert_array_equal(np.load("run/beta.npy"), np.load("whole/beta.npy"))
        assert len(read_run(Path("run")).log) == 4
        assert np.isfinite(np.load("run/arrivals.npz")["arrival"][3]).any()
        shutil.rmtree("run")
    assert resumed > total / 4


def test_a_resumed_run_as_well(disk, capsys):
    assert run_command_line(["run", *SMALL, "--iterations", "6", "--out", "whole"]) == 0
    disk.fails_from(None)
    assert run_command_line(["run", *SMALL, "--iterations", "2", "--out", "run"]) == 0
    more = ["run", "--resume", "run", "--iterations", "6", "--quiet"]
    for limit in range(0, 1000, 2):
        disk.fails_from(limit)
        if run_command_line(more) != 1:
            break
        assert "No space left on device" in capsys.readouterr().err
    assert limit > 20
    np.testing.assert_array_equal(np.load("run/beta.npy"), np.load("whole/beta.npy"))


def test_records_of_iterations_that_fill_the_disk(tmp_path):
    """The real thing, as a limit on the size of files."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (6000, {-1}))"
    program = f"{limit}; from coded_dgd.__main__ import main; main()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    assert resource.RLIM_INFINITY == -1
    done = subprocess.run(
        [sys.executable, "-c", program, "run", *SMALL, "--iterations", "50", "--out", "run"],
        capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert "run/iterations.jsonl cannot be written (File too large): raise the limit" in line
    assert line.endswith(", then --resume run goes on")
    assert not Path("run/iterations.jsonl").read_text().endswith("\n")
    assert run_command_line(["run", "--resume", "run", "--quiet"]) == 0
    records = Path("run/iterations.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in records] == list(range(50))


def test_a_run_folder_that_is_removed_while_the_run_goes_on(monkeypatch, capsys):
    from coded_dgd.report.progress import Progress

    def remove(self, record):
        if record.iteration == 2:
            shutil.rmtree("run")

    monkeypatch.setattr(Progress, "iteration", remove)
    line = refused(
        capsys, "run", *SMALL, "--iterations", "9", "--checkpoint-every", "1", "--out", "run"
    )
    assert "cannot be written (No such file or directory)" in line
    assert "removed or moved" in line
    assert not Path("run").exists()


# Everything else that writes


FULL = "/dev/full"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", *SMALL, "--print-config"],
        ["run", *SMALL, "--json", "--iterations", "2"],
        ["theory", "--scheme", "gc", "--json", "--quiet"],
        ["--help"],
    ],
    ids=lambda arguments: " ".join(arguments[:1] + arguments[-1:]),
)
def test_standard_output_on_a_full_disk(tmp_path, arguments):
    with Path(FULL).open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "coded_dgd", *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("coded-dgd: standard output cannot be written (No space left on device)")


def test_a_timeline_on_a_full_disk_costs_no_result(capsys):
    command = ["run", *SMALL, "--iterations", "2", "--out", "run", "--timeline", FULL]
    assert "/dev/full cannot be written" in refused(capsys, *command)
    assert Path("run/summary.json").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["report", "run", "--quiet", "--html", FULL],
        ["collect", "run", "--quiet", "--csv", FULL],
    ],
    ids=lambda command: command[0],
)
def test_files_of_what_reads_a_run(command, capsys):
    assert run_command_line(["run", *SMALL, "--iterations", "3", "--out", "run"]) == 0
    line = refused(capsys, *command)
    assert f"{FULL} cannot be written (No space left on device): free space on its disk" in line


@pytest.mark.parametrize(
    "command",
    [
        ["convert", "synthetic:rows=9,features=2", "OUT/a.npy", "--quiet"],
        ["convert", "synthetic:rows=9,features=2", "OUT/a.csv", "--quiet"],
        ["compare", *SMALL[:6], "--schemes", "uncoded,gc", "--iterations", "2", "--quiet",
         "--out", "OUT/new"],
        ["simulate", "--scheme", "gc", "--workers", "4", "--realisations", "9", "--train", "2",
         "--quiet", "--out", "OUT/new"],
        ["reproduce", "sgc-fig1", "--quick", "--jobs", "1", "--quiet", "--out", "OUT/new"],
        ["plot", "run", "--quiet", "--out", "OUT/new"],
        ["trace", "run", "run", "OUT/a.npy", "--quiet"],
        ["run", *SMALL, "--out", "run2", "--log-dir", "OUT/new"],
    ],
    ids=lambda command: f"{command[0]} {command[-1]}",
)  # fmt: skip
def test_folders_and_files_of_every_command(command, disk, capsys):
    pytest.importorskip("matplotlib")
    assert run_command_line(["run", *SMALL, "--iterations", "3", "--out", "run"]) == 0
    Path("OUT").mkdir()
    disk.fails_from(0)
    line = refused(capsys, *command)
    assert "OUT/" in line
    assert "cannot be written (No space left on device): free space on its disk" in line
