"""Faults on any rank end the job at once: one message, a non-zero code, nobody left over."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from launching import HERE, children, mpiexec, mpirun, processes_mentioning, spawned

from coded_dgd import __version__
from coded_dgd.engine.transports.base import STOP_SECONDS

pytestmark = pytest.mark.mpi

QUICK = ["--delay", "shifted-exponential:mu=200,alpha=0.002", "--quiet"]


def slow(*cases):
    """Combinations of what the others show already: of the second tier."""
    return [pytest.param(*case, marks=pytest.mark.slow) for case in cases]


def run_faulty(cwd, fault, *arguments, timeout=60.0):
    begin = time.monotonic()
    done = mpirun(5, *QUICK, *arguments, cwd=cwd, script="faulty.py", FAULTS=fault, timeout=timeout)
    deadline = time.monotonic() + 2  # MPICH's mpiexec returns before the last is gone
    while processes_mentioning(str(cwd)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes_mentioning(str(cwd)) == []
    return done, time.monotonic() - begin


@pytest.mark.parametrize(("worker", "iteration"), [(0, 4), (3, 0), *slow((0, 0), (3, 4))])
def test_an_exception_on_a_worker_that_is_needed(tmp_path, worker, iteration):
    done, seconds = run_faulty(tmp_path, f"raise:{worker}:{iteration}", "--scheme", "uncoded")
    assert done.code == 1
    (line,) = done.said
    assert f"rank {worker + 1} on " in line
    assert f"iteration {iteration}" in line
    assert "ZeroDivisionError: planted fault" in line
    assert "Traceback" not in done.err
    (log,) = tmp_path.glob("runs/*/log.txt")
    assert 'raise ZeroDivisionError("planted' in log.read_text()
    assert seconds < 20


@pytest.mark.parametrize("fault", ["raise:1:0", "raise:3:4", "load:1:0"])
def test_an_exception_on_a_worker_that_can_be_spared(tmp_path, fault):
    out = tmp_path / "run"
    done, _ = run_faulty(
        tmp_path, fault, "--scheme", "uc-mmc", "--load", "2", "--iterations", "20", "--json",
        "--check-gradient", "--out", str(out),
    )  # fmt: skip
    assert done.code == 0, done.err
    rank = int(fault.split(":")[1]) + 1
    assert done.json["workers_lost"] == [rank]
    assert "planted" in done.json["losses"][0]["cause"]
    assert done.json["gradient_error"]["max"] <= 1e-10
    assert len((out / "iterations.jsonl").read_text().splitlines()) == 20
    assert "planted" in (out / "log.txt").read_text()


def test_the_same_exception_on_every_worker_is_one_message(tmp_path):
    done, _ = run_faulty(tmp_path, "raise:all:2", "--scheme", "lcc-mmc")
    assert done.code == 1
    (line,) = done.said
    assert line.count("planted fault") == 1
    assert "Traceback" not in done.err


def test_an_exception_before_a_worker_takes_its_data(tmp_path):
    options = [
        "--scheme", "uncoded", "--data", "synthetic:rows=4000,features=200", "--iterations", "1",
    ]  # fmt: skip
    whole, usual = run_faulty(tmp_path, "none:0:0", *options)
    assert whole.code == 0, whole.err
    done, seconds = run_faulty(tmp_path, "build:1:0", *options)
    assert done.code == 1
    (line,) = done.said
    assert "MemoryError: planted while building" in line
    assert seconds < usual + 0.8 * STOP_SECONDS  # nobody waits until the bound


def test_an_exception_before_a_worker_listens_again(tmp_path):
    done, seconds = run_faulty(tmp_path, "word:1:0", "--scheme", "uncoded", "--iterations", "1")
    assert done.code == 1
    (line,) = done.said
    assert "MemoryError: planted before it listens again" in line
    assert seconds < 0.8 * STOP_SECONDS  # nobody waits until the bound


def test_an_exception_on_the_master(tmp_path):
    done, _ = run_faulty(tmp_path, "master:0:0", "--out", str(tmp_path / "run"))
    assert done.code == 1
    (line,) = done.said
    assert "rank 0 on " in line
    assert "ArithmeticError: planted in the master" in line
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("fault", "runs", "scheme"),
    [
        ("old", "0.0.9", "uncoded"),
        ("ancient", "of an unknown", "lcc-mmc"),  # which could spare the worker
        *slow(("old", "0.0.9", "lcc-mmc"), ("ancient", "of an unknown", "uncoded")),
    ],
)
def test_a_worker_of_another_version_is_refused(tmp_path, fault, runs, scheme):
    done, seconds = run_faulty(tmp_path, f"{fault}:2:0", "--scheme", scheme)
    assert done.code == 2
    (line,) = done.said
    host = socket.gethostname()
    assert f"rank 3 on {host} runs coded_dgd {runs}" in line
    assert f"rank 0 on {host} {__version__}: install the same version" in line
    assert seconds < 20


def test_a_hanging_worker_does_not_hold_up_the_end(tmp_path):
    done, seconds = run_faulty(
        tmp_path, "hang:1:0", "--scheme", "lcc-mmc", "--iterations", "5", "--out",
        str(tmp_path / "run"),
    )  # fmt: skip
    assert done.code == 0  # the run is done and complete
    assert (tmp_path / "run" / "beta.npy").exists()
    assert any("rank 2 " in line and "did not stop" in line for line in done.said), done.err
    assert seconds < 30


def test_messages_that_make_no_sense(tmp_path):
    kinds = {
        "nan": "not finite",
        "short": "wrong length",
        "long": "wrong header",
        "future": "wrong header",
        "index": "wrong message number",
        "lane": "wrong header",
    }
    faults = [f"{kind}:{worker}:3" for worker, kind in enumerate(kinds)]
    done = mpirun(
        9, *QUICK, "--scheme", "uc-mmc", "--load", "8", "--iterations", "20", "--json",
        "--check-gradient", "--out", "run", cwd=tmp_path, script="faulty.py",
        FAULTS=" ".join([*faults, "twice:6:3"]),
    )  # fmt: skip
    assert done.code == 0, done.err
    told = [(each["rank"], each["reason"]) for each in done.json["refused_messages"]]
    assert told == [*enumerate(kinds.values(), start=1)]
    assert done.json["workers_lost"] == []
    assert done.json["gradient_error"]["max"] <= 1e-9
    log = (tmp_path / "run" / "log.txt").read_text()
    assert log.count("are not used") == len(kinds)


def test_a_worker_whose_messages_are_needed_and_make_no_sense(tmp_path):
    done, _ = run_faulty(tmp_path, "long:2:3", "--scheme", "uncoded")
    assert done.code == 4
    (line,) = done.said
    assert "rank 3 on " in line
    assert "wrong header" in line


@pytest.mark.parametrize("kind", ["kill", "vanish"])
def test_a_process_that_ends(tmp_path, fault_tolerance, kind):
    done, seconds = run_faulty(tmp_path, f"{kind}:2:3", "--scheme", "uncoded")
    assert done.code == 4 or (done.code == 3 and kind == "vanish")  # 3 is its own
    (line,) = done.said
    assert "rank 3 on " in line
    assert "the process is gone" in line
    assert seconds < 10


def test_a_worker_that_calls_exit_has_failed(tmp_path):
    done, _ = run_faulty(tmp_path, "exit:2:3", "--scheme", "uncoded")
    assert done.code == 1
    (line,) = done.said
    assert "SystemExit: planted exit" in line


@pytest.mark.parametrize("worker", [-1, pytest.param(0, marks=pytest.mark.slow), 3])
def test_a_rank_that_is_killed_before_mpi_has_started(tmp_path, fault_tolerance, worker):
    """MPI_Init would wait for it for ever."""
    done, seconds = run_faulty(tmp_path, f"kill-import:{worker}:0")
    assert done.code == 1
    (line,) = done.said
    # rank 0 has a guardian, too: whichever of the two notices first
    of_rank_0 = worker == -1 and "rank 0 ended without notice" in line
    assert of_rank_0 or "a rank was lost while MPI started" in line
    assert seconds < 20


def test_a_rank_that_ends_before_it_has_said_a_word(tmp_path, fault_tolerance):
    """As where it is killed at the very end of MPI_Init: MPI does not tell."""
    done, seconds = run_faulty(tmp_path, "vanish-greet:2:0", "--scheme", "uncoded")
    assert done.code in (3, 4)  # 3 is its own
    (line,) = done.said
    assert "rank 3 failed in iteration 0: the process is gone" in line
    assert seconds < 20


def test_divergence_names_a_safe_step(tmp_path):
    done = mpirun(3, *QUICK, "--step-size", "1", cwd=tmp_path)
    assert done.code == 3
    (line,) = done.said
    assert "--step-size auto" in line


@pytest.mark.parametrize(
    ("scheme", "options", "said"),
    [
        ("uc-mmc", ["--load", "2"], "rank 2 on "),
        ("uncoded", ["--on-loss", "replan"], "from iteration 3 on: uncoded on 3 workers"),
        ("uncoded", ["--spare", "1"], "rank 4 in the place of worker 2"),
        ("uncoded", ["--replace"], "rank 5 in the place of worker 2"),
    ],
)
def test_a_killed_worker_is_survived(tmp_path, fault_tolerance, scheme, options, said):
    out = tmp_path / "run"
    done = mpirun(
        5, *QUICK, "--scheme", scheme, *options, "--iterations", "30", "--check-gradient", "--json",
        "--out", str(out), cwd=tmp_path, script="faulty.py", FAULTS="kill:1:3", timeout=60,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["workers_lost"] == [2]
    assert done.json["gradient_error"]["max"] <= 1e-10
    assert said in (out / "log.txt").read_text()
    assert processes_mentioning(str(tmp_path)) == []


def test_too_many_killed_workers_are_exit_code_4_with_a_checkpoint(tmp_path, fault_tolerance):
    done, seconds = run_faulty(tmp_path, "kill:1:3", "--scheme", "uncoded", "--out", "run")
    assert done.code == 4
    (line,) = done.said
    assert "the process is gone" in line
    assert "--resume run goes on from there" in line
    assert seconds < 20
    again = mpirun(5, "--resume", "run", "--quiet", "--json", cwd=tmp_path)
    assert again.code == 0, again.err
    assert again.json["iterations"] == 100
    assert again.json["resumed_at"] == 3


def test_one_of_several_new_workers_is_lost(tmp_path, fault_tolerance):
    """All of them have rank 0, each in a communicator of its own, and are heard of at once."""
    out, records = tmp_path / "run", tmp_path / "run" / "iterations.jsonl"
    process = subprocess.Popen(
        [
            mpiexec(), "-n", "6", sys.executable, str(HERE / "faulty.py"), *QUICK, "--scheme",
            "uncoded", "--replace", "--iterations", "400", "--check-gradient", "--out", str(out),
        ],
        cwd=tmp_path, env=os.environ | {"FAULTS": "kill:0:2 kill:1:2 kill:2:2"},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (records.exists() and records.read_bytes().count(b"\n") > 5):  # all are replaced
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    master = children(process.pid)[0]
    os.kill(master, signal.SIGSTOP)
    os.kill(spawned(process.pid)[0], signal.SIGKILL)
    time.sleep(0.3)
    os.kill(master, signal.SIGCONT)
    assert process.wait(60) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert len(summary["workers_lost"]) == 4
    assert summary["gradient_error"]["max"] <= 1e-10


def test_a_run_that_ends_while_a_new_worker_starts(tmp_path, fault_tolerance):
    done = mpirun(
        5, *QUICK, "--scheme", "uc-mmc", "--load", "2", "--replace", "--iterations", "30",
        "--out", "run", cwd=tmp_path, script="faulty.py", FAULTS="kill:1:27", MARK=str(tmp_path),
        timeout=60,
    )  # fmt: skip
    assert done.code == 0, done.err
    mine = set(processes_mentioning(f"MARK={tmp_path}", "environ"))
    assert mine.isdisjoint(processes_mentioning("coded_dgd.engine.spawned"))
