"""One run at a time in a run folder: on one host, and as it looks from another one."""

import errno
import fcntl
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from coded_dgd import train
from coded_dgd.cli import run_command_line
from coded_dgd.errors import CodedDGDError, Interrupted, StorageError, UsageError
from coded_dgd.host.interrupts import Waiting
from coded_dgd.host.process import started
from coded_dgd.report.progress import Progress
from coded_dgd.runs import run_lock
from coded_dgd.runs.owner import OWNER, Owner
from coded_dgd.runs.run_lock import RunLock

SMALL = (
    "--transport", "simulated", "--workers", "4", "--data", "synthetic:rows=31,features=3",
    "--scheme", "uc-mmc", "--load", "2", "--quiet",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _quick(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_lock, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(run_lock, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(run_lock, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(run_lock, "DEAD_SECONDS", 1.0)


@pytest.fixture
def folder():
    path = Path("run")
    path.mkdir()
    return path


@pytest.fixture
def without_locks(monkeypatch):
    """A file system such as Lustre mounted without them."""

    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.fixture
def elsewhere(monkeypatch):
    """Owners are on another host; that host may or may not let this one see its locks."""
    monkeypatch.setattr(Owner, "is_here", False)
    monkeypatch.setattr(run_lock, "_on_own_disk", lambda _: False)


def in_child(action):
    """Do something in a process of its own, whose exit code is what that returns."""
    child = os.fork()
    if not child:
        code = 99
        try:
            code = action()
        finally:
            os._exit(code)
    return child


def code_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_owner(folder):
    """Have a process own the folder until it is killed by force, and is no zombie any more."""
    ready = Path("ready")

    def own():
        RunLock.create(folder)
        ready.touch()
        time.sleep(60)

    child = in_child(own)
    while not ready.exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert code_of(child) == -signal.SIGKILL


# Who owns a folder


def test_the_owner_is_named(folder):
    with RunLock.create(folder), pytest.raises(UsageError) as refused:
        RunLock.acquire(folder)
    said = str(refused.value)
    assert f"process {os.getpid()} on {os.uname().nodename} since 20" in said
    assert "--wait-for-run" in said
    RunLock.acquire(folder).release()


def test_an_owner_that_was_killed_owns_nothing(folder):
    killed_owner(folder)
    assert not Owner.read(folder).lives
    begin = time.monotonic()
    RunLock.acquire(folder).release()
    assert time.monotonic() - begin < 0.2  # it is not waited for


@pytest.mark.usefixtures("without_locks")
def test_without_locks_the_process_is_looked_for(folder):
    with RunLock.create(folder), pytest.raises(UsageError, match="still goes on"):
        RunLock.acquire(folder)
    killed_owner(folder)
    RunLock.acquire(folder).release()


def test_a_lock_that_a_child_of_the_dead_owner_holds_is_passed_over(folder):
    def own():
        RunLock.create(folder)
        if not os.fork():
            Path("orphan").write_text(f"{os.getpid()}\n")
            time.sleep(60)
        while not Path("orphan").exists() or not Path("orphan").read_text().endswith("\n"):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)

    assert code_of(in_child(own)) == -signal.SIGKILL
    try:
        RunLock.acquire(folder).release()
    finally:
        os.kill(int(Path("orphan").read_text()), signal.SIGKILL)


def test_what_is_left_of_a_process_does_not_live():
    child = in_child(lambda: 0)
    while Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert started(child) is None
    code_of(child)
    assert started(child) is None
    assert started(os.getpid()) > 0


@pytest.mark.parametrize("locks", [True, False])
@pytest.mark.parametrize("state", ["ended", "killed"])
def test_of_several_at_the_same_instant_one_wins(folder, locks, state, request, monkeypatch):
    monkeypatch.setattr(run_lock, "SETTLE_SECONDS", 1.0)
    monkeypatch.setattr(run_lock, "DEAD_SECONDS", 60.0)
    if state == "killed":
        killed_owner(folder)
    elif state == "ended":
        RunLock.create(folder).release()
    if not locks:
        request.getfixturevalue("without_locks")
    instant = time.monotonic() + 0.3

    def contend():
        time.sleep(max(0.0, instant - time.monotonic()))
        try:
            RunLock.acquire(folder)
        except UsageError:
            Path(f"refused-{os.getpid()}").touch()
            return 2
        deadline = time.monotonic() + 30
        while len(list(Path().glob("refused-*"))) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        return 0

    children = [in_child(contend) for _ in range(6)]
    assert sorted(map(code_of, children)) == [0, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("locks", [True, False])
def test_an_end_that_could_not_be_written_is_one(folder, locks, monkeypatch, request):
    if not locks:
        request.getfixturevalue("without_locks")
    lock = RunLock.create(folder)
    with monkeypatch.context() as patch:

        def fail(*_):
            raise OSError(errno.EIO, "Input/output error")

        patch.setattr(os, "pwrite", fail)
        lock.release()
    assert not Owner.read(folder).ended
    RunLock.acquire(folder).release()


def test_a_copy_is_not_locked_and_what_is_moved_still_is(folder):
    with RunLock.create(folder) as lock:
        shutil.copytree(folder, "copy")
        RunLock.acquire(Path("copy")).release()
        folder.rename("moved")
        with pytest.raises(UsageError, match="still goes on"):
            RunLock.acquire(Path("moved"))
        lock._renew()
        with pytest.raises(CodedDGDError, match="removed or moved"):
            lock.check()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"null", b"\xff", b'{"pid": "1"}', b"[" * 10000]
)
def test_an_owner_that_makes_no_sense_is_nobody(folder, content):
    (folder / OWNER).write_bytes(content)
    RunLock.acquire(folder).release()


@pytest.mark.parametrize(
    ("number", "kind", "remedy"),
    [
        (errno.EROFS, UsageError, "make the run folder writable, or go on in a copy"),
        (errno.EACCES, UsageError, "make the run folder writable"),
        (errno.ENOSPC, StorageError, "free space on its disk"),
    ],
)
def test_a_folder_that_cannot_be_written(folder, monkeypatch, number, kind, remedy):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(run_lock.os, "open", fail)
    for own in (RunLock.acquire, RunLock.create)[: 1 if kind is UsageError else 2]:
        with pytest.raises(kind, match=remedy):
            own(folder)


# From another host


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("locks", [True, False])
def test_from_another_host_a_live_owner_is_told_by_its_beats(folder, locks, monkeypatch):
    if not locks:  # or none that reach the other host
        monkeypatch.setattr(run_lock, "_lock", lambda _: True)
    with RunLock.create(folder):
        begin = time.monotonic()
        with pytest.raises(UsageError, match="still goes on, as process"):
            RunLock.acquire(folder)
        assert time.monotonic() - begin < 0.9


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("lock", [True, False, None])
def test_from_another_host_a_dead_owner_is_told_by_its_silence(folder, lock, monkeypatch):
    """Also where the lock of a host that has failed stays, or there are no locks."""
    killed_owner(folder)
    monkeypatch.setattr(run_lock, "_lock", lambda _: lock)
    said = []
    begin = time.monotonic()
    RunLock.acquire(folder, say=said.append).release()
    assert time.monotonic() - begin > 1
    assert "looks for a sign of life of process" in said[0]


def test_on_a_disk_of_this_host_the_lock_decides_for_containers_and_after_a_reboot(
    folder, monkeypatch
):
    monkeypatch.setattr(Owner, "is_here", False)
    monkeypatch.setattr(run_lock, "_on_own_disk", lambda _: True)
    begin = time.monotonic()
    with RunLock.create(folder), pytest.raises(UsageError, match="still goes on"):
        RunLock.acquire(folder)
    killed_owner(folder)
    RunLock.acquire(folder).release()
    assert time.monotonic() - begin < 0.9


def test_an_owner_that_another_one_has_followed_writes_nothing_more(folder, monkeypatch):
    """As after a suspension, on a file system whose locks do not reach the other host."""
    monkeypatch.setattr(run_lock, "_lock", lambda _: True)
    suspended = RunLock.create(folder)
    suspended._ended.set()  # its thread stands still as well
    suspended._thread.join()
    with monkeypatch.context() as patch:
        patch.setattr(Owner, "is_here", False)
        patch.setattr(run_lock, "_on_own_disk", lambda _: False)
        follower = RunLock.acquire(folder)
    suspended.check()  # for a while it does not look
    monkeypatch.setattr(run_lock, "LEASE_SECONDS", 0.0)
    with pytest.raises(CodedDGDError, match="was not heard of for more than 1 s, and process"):
        suspended.check()
    suspended.release()
    follower.check()
    assert Owner.read(folder).token == follower._owner.token
    follower.release()
    assert Owner.read(folder) is None


def test_the_heartbeat_goes_on_while_the_run_is_busy(folder):
    with RunLock.create(folder):
        first = Owner.read(folder).beat
        end = time.monotonic() + 0.5
        while time.monotonic() < end:  # one long computation
            pass
        assert Owner.read(folder).beat > first + 2


# Waiting


def test_the_end_of_the_owner_is_waited_for(folder):
    lock, said = RunLock.create(folder), []
    threading.Timer(0.3, lock.release).start()
    begin = time.monotonic()
    RunLock.acquire(folder, wait=True, say=said.append).release()
    assert 0.25 < time.monotonic() - begin < 5
    (line,) = said
    assert line.startswith("waits for the end of the run in run: process")


def test_waiting_ends_on_request(folder):
    waiting = Waiting()
    threading.Timer(0.2, setattr, (waiting, "interrupted", True)).start()
    with RunLock.create(folder), pytest.raises(Interrupted, match="start it again"):
        RunLock.acquire(folder, wait=True, waiting=waiting)


# Runs


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != OWNER}


def records(folder):
    return [json.loads(line) for line in Path(folder, "iterations.jsonl").read_text().splitlines()]


@pytest.fixture
def while_it_runs(monkeypatch):
    """Run, and do something after the fifth iteration of ten."""

    def run(action, *more, iteration=4):
        def act(self, record):
            if record.iteration == iteration:
                monkeypatch.setattr(Progress, "iteration", lambda self, record: None)
                action()

        monkeypatch.setattr(Progress, "iteration", act)
        command = ["run", *SMALL, "--iterations", "10", "--checkpoint-every", "2", "--out", "run"]
        return run_command_line([*command, *more])

    return run


def test_a_second_run_is_refused_and_changes_nothing(while_it_runs, capsys):
    def again():
        before = contents(Path("run"))
        command = ["run", "--resume", "run", "--log-dir", "logs", "--iterations", "20"]
        assert run_command_line(command) == 2
        assert contents(Path("run")) == before
        assert not Path("logs").exists()
        for reader in (["report", "run", "--quiet"], ["collect", "run", "--quiet"]):
            assert run_command_line(reader) == 0

    assert while_it_runs(again) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("coded-dgd: --resume run: this run still goes on, as process")
    assert len(records("run")) == 10
    assert run_command_line(["run", "--resume", "run", "--iterations", "12", "--quiet"]) == 0
    assert len(records("run")) == 12


def test_a_second_run_waits_and_goes_on(while_it_runs, capsys):
    second = []

    def again():
        command = ["run", "--resume", "run", "--wait-for-run", "--quiet"]
        second.append(in_child(lambda: run_command_line(command)))
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGTERM)

    assert while_it_runs(again) == 75
    assert code_of(second[0]) == 0
    assert len(records("run")) == 10
    assert "goes on from there" in capsys.readouterr().err


def test_what_has_finished_in_the_meantime_is_done(while_it_runs, capfd):
    second = []

    def again():
        command = ["run", "--resume", "run", "--wait-for-run", "--quiet"]
        second.append(in_child(lambda: run_command_line(command)))
        time.sleep(0.3)

    assert while_it_runs(again) == 0
    assert code_of(second[0]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "all 10 iterations are done" in line


def test_the_configuration_is_read_when_the_other_run_has_ended(folder):
    """The other run may have been given more iterations."""
    shutil.rmtree(folder)
    assert run_command_line(["run", *SMALL, "--iterations", "4", "--out", "run"]) == 0
    lock = RunLock.acquire(folder)

    def change():
        config = folder / "config.toml"
        config.write_text(config.read_text().replace("iterations = 4", "iterations = 7"))
        lock.release()

    threading.Timer(0.3, change).start()
    assert run_command_line(["run", "--resume", "run", "--wait-for-run", "--quiet"]) == 0
    assert len(records("run")) == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
def test_a_signal_ends_the_waiting(folder, number, capsys):
    shutil.rmtree(folder)
    assert run_command_line(["run", *SMALL, "--iterations", "4", "--out", "run"]) == 0
    before = contents(folder)
    with RunLock.acquire(folder):
        threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
        command = ["run", "--resume", "run", "--wait-for-run", "--quiet", "--iterations", "9"]
        assert run_command_line(command) == 75
    assert "start it again" in capsys.readouterr().err
    assert contents(folder) == before


def test_train_takes_the_same_options():
    X = np.random.default_rng(0).standard_normal((20, 3))
    options = {"transport": "simulated", "workers": 4, "load": 2, "scheme": "uc-mmc"}
    train(X, X @ [1, 2, 3], out="run", iterations=3, **options)
    lock = RunLock.acquire(Path("run"))
    with pytest.raises(UsageError, match="this run still goes on"):
        train(X, X @ [1, 2, 3], resume="run", iterations=6, transport="simulated")
    threading.Timer(0.2, lock.release).start()
    more = train(
        X, X @ [1, 2, 3], resume="run", iterations=6, transport="simulated", wait_for_run=True
    )
    assert more.n_iter_ == 6
    with pytest.raises(UsageError, match="wait_for_run does nothing without resume"):
        train(X, X @ [1, 2, 3], wait_for_run=True, **options)


@pytest.mark.parametrize("option", ["--wait-for-run", "--allow-different-workers"])
def test_options_of_resuming_need_it(option, capsys):
    assert run_command_line(["run", *SMALL, option]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{option} does nothing without --resume" in line
    assert not list(Path().iterdir())


# What --resume is given


def test_the_folder_may_be_named_by_a_file_in_it_or_a_link():
    assert run_command_line(["run", *SMALL, "--iterations", "1", "--out", "runs/a"]) == 0
    Path("link").symlink_to("runs/a")
    names = ["runs/a/", "runs/a/config.toml", "runs/a/iterations.jsonl", "link", "link/beta.npy"]
    for more, name in enumerate(names, 2):
        command = ["run", "--resume", name, "--iterations", str(more), "--quiet"]
        assert run_command_line(command) == 0
        assert len(records("runs/a")) == more


def test_of_a_folder_of_runs_the_newest_is_named(capsys):
    for name in ("b", "c", "a"):
        assert run_command_line(["run", *SMALL, "--iterations", "1", "--out", f"runs/{name}"]) == 0
    os.utime("runs/c/iterations.jsonl", (1, 1))
    os.utime("runs/b/iterations.jsonl", (2, 2))
    capsys.readouterr()
    assert run_command_line(["run", "--resume", "runs"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--resume runs is no run folder" in line
    assert line.endswith("name one, such as the newest in it, runs/a")
