"""The supervisor of batch jobs, with small shell scripts in the place of mpiexec."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coded_dgd.batch import supervise
from coded_dgd.batch.supervise import ASKED, LIMIT, BatchJob, Grace, JobFolder, StopRequest
from coded_dgd.host.process import LAUNCHER_FOLDER

QUICK = Grace(poll=0.01, repeat=0.05, leave=0.1, kill=0.1)
FOLDER = f"${LAUNCHER_FOLDER}"
RANK_0 = f"""
trap 'echo 75 >"{FOLDER}/exit"; exit 75' USR2
echo {socket.gethostname()} $$ >"{FOLDER}/rank0"
while :; do sleep 0.02; done
"""
"""A run that goes on until it is asked to stop."""
ELSEWHERE = f'echo another-host 7 >"{FOLDER}/rank0"\n'


class Bench:
    """A job whose mpiexec is a script, and whose requeue command notes that it was called."""

    def __init__(self, folder, capfd):
        self.folder, self.run, self._capfd = folder, folder / "run", capfd
        self.queued = folder / "queued"
        self.requeue = ["touch", str(self.queued)]

    def mpiexec(self, script, name="mpiexec"):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def __call__(self, script, *, grace=QUICK, stop="", limit=None, requeue=None):
        """Supervise the script; return exit code and messages."""
        requeue = self.requeue if requeue is None else requeue
        job = BatchJob("job-1", JobFolder(str(self.run)), [self.mpiexec(script)], limit, requeue)
        with StopRequest() as reasons:
            reasons.reason = stop
            code = supervise.supervise(job, reasons, grace)
        self.reason = reasons.reason
        self.out, said = self._capfd.readouterr()
        return code, [line.removeprefix("job-1: ") for line in said.splitlines()]

    @property
    def resumable(self):
        return f"stopped; RUN={self.run} goes on from its checkpoint"


@pytest.fixture(autouse=True)
def interruptible():
    """SIGINT is ignored where the tests run in the background of a shell, as tests/run.sh does."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.fixture
def bench(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield Bench(tmp_path, capfd)
    assert not list(tmp_path.glob("tmp.*")), "a folder of notices is left"


@pytest.mark.parametrize("code", [0, 3, 4])
def test_a_run_that_ends_by_itself(bench, code):
    ends = f'echo "$@"; echo {code} >"{FOLDER}/exit"; exit {code}'
    assert bench(ends) == (code, [])
    assert bench.out == f"--out {bench.run}\n"
    assert not bench.queued.exists()


@pytest.mark.parametrize("own", [0, 1, 143])
def test_the_exit_code_of_the_run_goes_before_that_of_mpiexec(bench, own):
    assert bench(f'echo 4 >"{FOLDER}/exit"; exit {own}') == (4, [])


def test_the_exit_code_of_mpiexec_where_the_run_says_none(bench):
    assert bench("exit 2") == (2, ["the run has not come to its end"])
    assert bench("exit 75") == (75, [bench.resumable])


@pytest.mark.parametrize("end", ["exit 0", "kill -9 $$", "kill -TERM $$"])
def test_an_mpiexec_that_says_nothing_of_a_lost_rank_0(bench, end):
    assert bench(ELSEWHERE + end) == (1, ["the run has not come to its end"])
    assert not bench.queued.exists()


def test_a_finished_run_of_which_mpiexec_says_0_is_done(bench):
    assert bench(f"mkdir {bench.run}; touch {bench.run}/summary.json") == (0, [])


@pytest.mark.parametrize("new", [True, False])
def test_a_lost_run_is_queued_again_only_if_it_has_got_on(bench, new):
    bench.run.mkdir()
    checkpoint = bench.run / "checkpoint-000000007.ckpt"
    checkpoint.touch()
    os.utime(checkpoint, (1, 1))
    gets_on = f"sleep 0.05; touch {checkpoint}\n" if new else ""
    assert bench(f"{ELSEWHERE}{gets_on}exit 0") == (1, ["the run has not come to its end"])
    assert bench.queued.exists() == new


def test_a_finished_run_is_not_started(bench):
    bench.run.mkdir()
    (bench.run / "summary.json").touch()
    assert bench("echo started") == (0, [f"{bench.run} is finished"])
    assert bench.out == ""


def test_a_run_that_has_begun_is_gone_on_with(bench):
    bench.run.mkdir()
    (bench.run / "iterations.jsonl").touch()
    assert bench(f'echo "$@"; echo 0 >"{FOLDER}/exit"') == (0, [])
    assert bench.out == f"--resume {bench.run} --wait-for-run\n"


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_that_another_job_may_have_finished(bench, finished):
    finish = f"mkdir {bench.run}; touch {bench.run}/summary.json\n" if finished else ""
    code, said = bench(f'{finish}echo 2 >"{FOLDER}/exit"; exit 2')
    assert code == (0 if finished else 2)
    assert said == [f"{bench.run} was finished by another job"] * finished


def test_an_mpiexec_that_does_not_end_is_ended(bench):
    begin = time.monotonic()
    code, said = bench(f'echo 0 >"{FOLDER}/exit"; while :; do sleep 0.02; done')
    assert (code, said) == (0, ["mpiexec does not end: it is ended"])
    assert time.monotonic() - begin >= QUICK.leave


def test_an_mpiexec_that_ignores_sigterm_is_killed_with_its_children(bench):
    child = bench.folder / "child"
    script = f"""
trap '' TERM
sh -c 'trap "" TERM; echo $$ >{child}; echo 0 >"{FOLDER}/exit"; while :; do sleep 0.02; done' &
while :; do sleep 0.02; done
"""
    assert bench(script) == (0, ["mpiexec does not end: it is ended"])
    assert gone(int(child.read_text()))


def gone(pid, seconds=5.0):
    """Whether a process has ended, or does so in time."""
    deadline = time.monotonic() + seconds
    while running(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def running(pid):
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return state.stdout.strip()[:1] not in ("", "Z")


def test_the_time_limit_stops_the_run_and_the_job_is_queued_again(bench):
    assert bench(RANK_0, limit=0.1) == (75, [])
    assert bench.reason == LIMIT
    assert bench.queued.exists()


@pytest.mark.parametrize(
    ("name", "reason", "queued"),
    [("USR2", LIMIT, True), ("TERM", ASKED, False), ("INT", ASKED, False)],
)
def test_a_signal_stops_the_run(bench, name, reason, queued):
    code, said = bench(f"(sleep 0.1; kill -{name} $PPID) &\n{RANK_0}")
    assert code == 75
    assert bench.reason == reason
    assert said == ([] if queued else [bench.resumable])
    assert bench.queued.exists() == queued


def test_a_signal_is_heeded_at_once(bench):
    begin = time.monotonic()
    code, _ = bench(f"(sleep 0.1; kill -USR2 $PPID) &\n{RANK_0}", grace=Grace(poll=1.0))
    assert code == 75
    assert time.monotonic() - begin < 1.9  # one interval after the signal, and not two


def test_the_limit_after_somebody_has_asked_counts(bench):
    script = f'{ELSEWHERE}sleep 0.2; echo 75 >"{FOLDER}/exit"; exit 75'
    assert bench(script, stop=ASKED, limit=0.05) == (75, [])
    assert bench.reason == LIMIT


def test_rank_0_is_asked_again_and_again(bench):
    script = f"""
asked=0
trap 'asked=$((asked + 1))' USR2
echo {socket.gethostname()} $$ >"{FOLDER}/rank0"
while [ "$asked" -lt 3 ]; do sleep 0.02; done
echo 75 >"{FOLDER}/exit"; exit 75
"""
    assert bench(script, stop=LIMIT) == (75, [])


@pytest.mark.parametrize("started", [True, False])
def test_mpiexec_is_asked_where_rank_0_is_on_another_host(bench, started):
    """Not before the run has started: MPICH's mpiexec ends of SIGUSR2."""
    begin = f"mkdir {bench.run}; touch {bench.run}/iterations.jsonl\n" if started else ""
    script = f"""
trap 'echo 75 >"{FOLDER}/exit"; exit 75' USR2
{ELSEWHERE}{begin}
sleep 0.3
echo 0 >"{FOLDER}/exit"
"""
    assert bench(script, stop=LIMIT) == ((75 if started else 0), [])


def test_a_run_that_stops_without_the_jobs_doing_is_not_queued_again(bench):
    assert bench(f'echo 75 >"{FOLDER}/exit"; exit 75') == (75, [bench.resumable])
    assert not bench.queued.exists()


@pytest.mark.parametrize("requeue", [["false"], ["/no/such/program"], []])
def test_a_job_that_cannot_be_queued_again(bench, requeue):
    assert bench(RANK_0, limit=0.1, requeue=requeue) == (75, [bench.resumable])


def test_signals_of_the_keyboard_are_for_the_supervisor(bench):
    script = f'kill -INT $$; kill -QUIT $$; cat; echo 0 >"{FOLDER}/exit"; echo lives'
    assert bench(script) == (0, [])
    assert bench.out == "lives\n"


def test_the_environment_of_mpiexec(bench, monkeypatch):
    policy = "PRTE_MCA_rmaps_default_mapping_policy"
    monkeypatch.delenv(policy, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("OMPI_ALLOW_RUN_AS_ROOT", raising=False)
    found = supervise.environment("/folder")
    assert found[LAUNCHER_FOLDER] == "/folder"
    assert found[policy] == "slot:oversubscribe"
    assert found["OMPI_MCA_mpi_ft_enable"] == found["OMPI_MCA_mpi_yield_when_idle"] == "1"
    assert found["PRTE_MCA_state_base_recoverable"] == "1"
    assert found["PRTE_MCA_state_base_notify_errors"] == "1"
    assert "OMPI_ALLOW_RUN_AS_ROOT" not in found
    monkeypatch.setenv(policy, "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = supervise.environment("/folder")
    assert found[policy] == ""
    assert found["OMPI_ALLOW_RUN_AS_ROOT"] == found["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] == "1"


def test_mpiexec_is_started_by_its_full_path(bench, monkeypatch):
    bench.mpiexec(f'echo "$0"; echo 0 >"{FOLDER}/exit"')
    monkeypatch.setenv("PATH", f"{bench.folder}:{os.environ['PATH']}")
    with StopRequest() as stop:
        assert supervise.supervise(BatchJob("j", JobFolder(str(bench.run)), ["mpiexec"]), stop) == 0
    assert bench._capfd.readouterr().out == f"{bench.folder}/mpiexec\n"


def test_the_command_line(monkeypatch):
    monkeypatch.delenv("RUN", raising=False)
    line = ["pbs-17", "--limit", "-3", "--requeue", "qrerun 17[2].server", "--"]
    job = supervise.read_job([*line, "mpiexec", "-n", "4", "--", "a b"])
    assert job.name == "pbs-17"
    assert job.run.name == "runs/pbs-17"
    assert job.limit == -3
    assert job.requeue == ["qrerun", "17[2].server"]
    assert job.command == ["mpiexec", "-n", "4", "--", "a b"]
    monkeypatch.setenv("RUN", "./older/")
    job = supervise.read_job(["hosts-1", "--", "mpiexec"])
    assert (job.run.name, job.limit, list(job.requeue)) == ("./older/", None, [])
    with pytest.raises(SystemExit):
        supervise.read_job(["hosts-1"])


def test_rank_0_and_the_supervisor_mean_the_same_folder():
    assert supervise.LAUNCHER_FOLDER == LAUNCHER_FOLDER


def start(bench, *command, **variables):
    """Start a supervisor as batch scripts do."""
    return subprocess.Popen(
        [sys.executable, "-m", "coded_dgd.batch.supervise", "job-1", "--", *command],
        env={**os.environ, "RUN": str(bench.run), **variables}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_there_is_no_mpiexec(bench):
    process = start(bench, "no-such-mpiexec", "-n", "4")
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said == "job-1: no-such-mpiexec cannot be started: No such file or directory\n"


def test_a_supervisor_is_no_rank(bench):
    """Also where it is started in a job step of several tasks, whose variables it inherits."""
    script = bench.mpiexec(f'env; echo 0 >"{FOLDER}/exit"')
    process = start(bench, script, SLURM_PROCID="0", SLURM_STEP_NUM_TASKS="4")
    out, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")
    assert "SLURM_STEP_NUM_TASKS=4\n" in out
    assert "_CODED_DGD_RANK_PROCESS" not in out


def test_it_is_light():
    code = (
        "import sys, coded_dgd.batch.supervise\n"
        "known = {*sys.stdlib_module_names, '__main__'}\n"
        "print({name.partition('.')[0] for name in sys.modules} - known)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(supervise.__file__).parents[2])},
    )  # fmt: skip
    assert done.stdout == "{'coded_dgd'}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_a_supervisor_that_is_killed_leaves_nothing(bench):
    pids, notices = bench.folder / "pids", bench.folder / "notices"
    notices.mkdir()
    script = bench.mpiexec(
        f'trap "kill 0" TERM\nsleep 60 &\necho $$ $! >{pids}.new; mv {pids}.new {pids}\nwait'
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "coded_dgd.batch.supervise", "job-1", "--", script],
        env={**os.environ, "RUN": str(bench.run), "TMPDIR": str(notices)}, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not pids.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert all(gone(int(pid)) for pid in pids.read_text().split())
