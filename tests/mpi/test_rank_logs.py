"""``--log-dir`` on real ranks: what a rank has to say is in its own file, whatever happens."""

import re

import pytest
from launching import alone, mpirun

pytestmark = pytest.mark.mpi

QUICK = ["--delay", "shifted-exponential:mu=200,alpha=0.002", "--iterations", "15", "--out", "run"]
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (DEBUG|INFO|WARNING|ERROR) +\S")


def logs(cwd, *arguments, ranks=5, code=0, **kwargs):
    """Run with logs; return the lines of each rank's log, and what the run has said."""
    done = mpirun(ranks, *QUICK, *arguments, "--log-dir", "logs/new", cwd=cwd, **kwargs)
    assert done.code == code, done.err
    found = {path.name: path.read_text() for path in (cwd / "logs" / "new").iterdir()}
    assert sorted(found) == [f"rank-{rank:03d}.log" for rank in range(ranks)]
    return [found[name] for name in sorted(found)], done


def test_every_rank_says_when_it_starts_and_stops(tmp_path):
    found, done = logs(tmp_path, "--load", "3", "--log-level", "debug")
    processes = set()
    for rank, log in enumerate(found):
        lines = log.splitlines()
        assert all(LINE.match(line) for line in lines)
        start = re.search(r"start: process (\d+) on (\S+); coded-dgd", lines[0])
        processes.add(start.groups())
        assert "INFO    stop" in lines[-1]
        told = [int(number) for number in re.findall(r"(?<=DEBUG   iteration )\d+", log)]
        if rank:
            assert f"worker={rank - 1}, tasks=3" in log
            assert told == sorted(set(told)) != []
            assert set(told) <= set(range(15))
            assert "messages sent in" in lines[-1]
        else:
            assert log.count("DEBUG   Iteration(iteration=") == 15
    assert len(processes) == 5
    assert "DEBUG" not in done.err


def test_faults_of_workers(tmp_path, fault_tolerance):
    (master, raised, killed, crashed, warned, *_), done = logs(
        tmp_path, "--scheme", "uc-mmc", "--load", "6", ranks=8, script="faulty.py",
        FAULTS="raise:0:3 kill:1:3 crash:2:3 warn:3:3",
    )  # fmt: skip
    for log in (master, raised):
        assert "Traceback (most recent call last)" in log
        assert 'raise ZeroDivisionError("planted' in log
    assert re.search(r"ERROR +failed in iteration \d", raised)
    assert re.search(r"WARNING rank 2 on \S+ failed in iteration \d+: the process is gone", master)
    assert re.search(r"WARNING rank 3 on \S+ failed in iteration \d+: the process is gone", master)
    assert killed.count("\n") == 1  # its start
    assert "Fatal Python error: Segmentation fault" in crashed
    assert "at_iteration" in crashed
    assert "DeprecationWarning: planted warning" in warned
    assert "RuntimeWarning: overflow encountered" in warned
    assert "INFO    stop" in warned
    assert "planted warning" not in done.err
    assert "DEBUG" not in "".join([master, raised, warned])


def test_a_run_that_ends_early_says_why_in_the_log_of_the_master(tmp_path):
    (master, *_), _ = logs(tmp_path, "--step-size", "1", ranks=3, code=3)
    assert "ERROR   diverged in iteration" in master


def test_what_fails_on_the_master_is_there_with_its_traceback(tmp_path):
    (master, *_), done = logs(
        tmp_path, ranks=3, script="faulty.py", FAULTS="master:0:0", code=1
    )  # fmt: skip
    assert "ArithmeticError: planted in the master" in master
    assert "Traceback (most recent call last)" in master
    assert "Traceback" not in done.err


def test_a_resumed_run_adds_to_the_logs(tmp_path):
    logs(tmp_path, ranks=3)
    options = ["--resume", "run", "--iterations", "20", "--log-dir", "logs/new"]
    assert mpirun(3, *options, cwd=tmp_path).code == 0
    for path in (tmp_path / "logs" / "new").iterdir():
        assert path.read_text().count("INFO    start: ") == 2


def test_without_the_option_nothing_is_logged_and_logging_is_not_loaded(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from coded_dgd import train\n"
        "from coded_dgd.engine.transports.mpi.library import world\n"
        "train(iterations=3)\n"
        "print('logging' in sys.modules) if world().rank == 1 else None\n"
    )
    done = mpirun(3, cwd=tmp_path, script=str(script))
    assert (done.code, done.out.split()) == (0, ["False"]), done.err
    assert not list(tmp_path.glob("**/*.log"))


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    done = alone(*QUICK, "--transport", "simulated", "--log-dir", "file/logs", cwd=tmp_path)
    assert done.code == 2
    (line,) = done.said
    assert "file/logs cannot be written" in line
    assert "name another folder with --log-dir" in line
    assert not (tmp_path / "run").exists()


def test_in_virtual_time_there_is_one_log(tmp_path):
    done = alone(*QUICK, "--transport", "simulated", "--log-dir", "logs", cwd=tmp_path)
    assert done.code == 0, done.err
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["rank-000.log"]


@pytest.mark.parametrize(("how", "rank"), [(["--spare", "1"], 4), (["--replace"], 5)])
def test_a_worker_that_takes_the_place_of_another_has_a_log(tmp_path, fault_tolerance, how, rank):
    done = mpirun(
        5, *QUICK, "--scheme", "uncoded", *how, "--log-dir", "logs", cwd=tmp_path,
        script="faulty.py", FAULTS="kill:1:3",
    )  # fmt: skip
    assert done.code == 0, done.err
    log = (tmp_path / "logs" / f"rank-{rank:03d}.log").read_text()
    assert "INFO    start" in log
    assert "INFO    stop" in log
    assert f"rank {rank} in the place of worker 2" in (tmp_path / "logs/rank-000.log").read_text()
