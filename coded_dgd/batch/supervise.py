"""``python -m coded_dgd.batch.supervise`` is the supervisor of a run in a batch job.

A batch script becomes this process by ``exec``, so the signals of the batch system reach it. The
supervisor starts mpiexec, asks rank 0 to stop before the time limit, ends an mpiexec that does not
end by itself, and queues the job again if the run can continue. It uses the standard library only:
neither numpy nor MPI is imported on the batch node.
"""

from __future__ import annotations

import argparse
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from types import FrameType, TracebackType
from typing import Any, NamedTuple, cast

from coded_dgd import streams
from coded_dgd.errors import CodedDGDError, Interrupted, UsageError
from coded_dgd.host.process import host_name

LAUNCHER_FOLDER = "CODED_DGD_LAUNCHER_FOLDER"
"""Environment variable with the folder of the `Notices` for rank 0."""
LIMIT = "limit"
ASKED = "asked"
REASONS = {signal.SIGUSR2: LIMIT, signal.SIGTERM: ASKED, signal.SIGINT: ASKED}
"""Reason for which a run has to stop, for each signal."""
PR_SET_PDEATHSIG = 1


class Grace(NamedTuple):
    """A grace has the waiting times of the supervisor in seconds."""

    poll: float = 1.0
    """Interval between two checks of mpiexec."""
    repeat: float = 5.0
    """Interval between two requests to stop."""
    leave: float = 15.0
    """Time from the exit of rank 0 until mpiexec gets SIGTERM."""
    kill: float = 5.0
    """Time from SIGTERM until mpiexec and its children get SIGKILL."""


GRACE = Grace()


class JobFolder(NamedTuple):
    """A job folder is the run folder of a job, under the name that the user gave."""

    name: str

    def finished(self) -> bool:
        """Return whether the run has written its summary."""
        return self._has("summary.json")

    def started(self) -> bool:
        """Return whether the run has opened its log of iterations."""
        return self._has("iterations.jsonl")

    def options(self) -> list[str]:
        """Return the options of ``coded-dgd run`` that start or resume this run."""
        if self.started():  # an earlier job may still be running
            return ["--resume", self.name, "--wait-for-run"]
        return ["--out", self.name]

    def has_checkpoint_since(self, file: Path) -> bool:
        """Return whether a checkpoint is newer than a file; False if the file does not exist."""
        with suppress(OSError):
            since = file.stat().st_mtime_ns
            return any(_modified(path) > since for path in Path(self.name).rglob("checkpoint-*"))
        return False

    def _has(self, file: str) -> bool:
        return os.access(Path(self.name, file), os.F_OK)


def _modified(path: Path) -> int:
    """Return the time of the last change in ns; 0 if the file no longer exists."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


class BatchJob(NamedTuple):
    """A batch job is the run that a batch script passes to the supervisor."""

    name: str
    run: JobFolder
    command: Sequence[str]
    """mpiexec and its arguments, up to the options of ``coded-dgd run``."""
    limit: float | None = None
    """Time in seconds after which the run is asked to stop; None if a signal asks it."""
    requeue: Sequence[str] = ()
    """Command that queues the job again; empty if it cannot be queued again."""

    def say(self, text: str) -> None:
        """Print a message, preceded by the name of the job."""
        print(f"{self.name}: {text}", file=streams.messages(), flush=True)


class Notices(NamedTuple):
    """Notices are files in which rank 0 records its process and its exit code for the supervisor.

    So the supervisor can signal rank 0 whether or not mpiexec forwards signals. It also knows the
    exit code of the run if mpiexec loses it, or waits forever for an unreachable host.
    """

    folder: Path

    @property
    def rank0(self) -> Path:
        """File with the host and the process id of rank 0."""
        return self.folder / "rank0"

    def process(self) -> tuple[str, int] | None:
        """Return the host and process id of rank 0; None until rank 0 accepts interrupts."""
        with suppress(OSError, ValueError):
            host, pid = self.rank0.read_text(encoding="utf-8").split()
            return host, int(pid)
        return None

    def exit_code(self) -> int | None:
        """Return the exit code of the run; None until rank 0 leaves."""
        with suppress(OSError, ValueError):
            return int((self.folder / "exit").read_text(encoding="utf-8"))
        return None


class StopRequest:
    """A stop request has the reason, if any, for which the run has to stop.

    As a context manager it takes the reason from signals.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._before: dict[signal.Signals, Any] = {}
        self._awake, self._wake = os.pipe()

    def __enter__(self) -> StopRequest:
        for number in REASONS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # ignored in a background job
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._awake)
        os.close(self._wake)

    def wait(self, seconds: float) -> None:
        """Sleep until a signal arrives, but at most for `seconds`."""
        if select.select([self._awake], [], [], seconds)[0]:
            os.read(self._awake, select.PIPE_BUF)

    def _take(self, number: int, _: FrameType | None) -> None:
        self.reason = REASONS[signal.Signals(number)]
        os.write(self._wake, b"\0")


class Launcher:
    """The launcher is the process of mpiexec.

    Parameters
    ----------
    command : sequence of str
        Program and arguments. The program is started by its full path, from which Open MPI derives
        its place on other hosts.
    folder : str
        Folder of the `Notices`.

    Raises
    ------
    CodedDGDError
        If the program cannot be started.
    """

    def __init__(self, command: Sequence[str], folder: str) -> None:
        program = shutil.which(command[0]) or command[0]
        try:
            self._process = subprocess.Popen(
                [program, *command[1:]],
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                preexec_fn=_preparation(),
            )
        except OSError as error:
            raise CodedDGDError(f"{program} cannot be started: {error.strerror}") from None

    def running(self) -> bool:
        """Return whether mpiexec is still running."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to mpiexec alone."""
        with suppress(OSError):
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill mpiexec and its children, such as ssh."""
        for pid in (self._process.pid, *_children(self._process.pid)):
            _signal(pid, signal.SIGKILL)

    def status(self) -> int:
        """Wait for mpiexec and return its exit status, which is 128 + number for a signal."""
        code = self._process.wait()
        return 128 - code if code < 0 else code


def environment(folder: str) -> dict[str, str]:
    """Return the environment variables with which Open MPI's mpiexec survives a lost process."""
    variables = {
        **os.environ,
        LAUNCHER_FOLDER: folder,
        "PRTE_MCA_state_base_recoverable": "1",
        "PRTE_MCA_state_base_notify_errors": "1",
        "OMPI_MCA_mpi_ft_enable": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",
    }
    variables.setdefault("PRTE_MCA_rmaps_default_mapping_policy", "slot:oversubscribe")
    if os.geteuid() == 0:
        variables |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return variables


def _preparation() -> Callable[[], None]:
    """Return the function that the child process calls before it becomes mpiexec.

    The process ignores the signals of the keyboard, which are for the supervisor. On Linux it gets
    SIGTERM if the supervisor is killed.
    """
    set_option = _prctl()

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        if set_option:
            set_option(PR_SET_PDEATHSIG, signal.SIGTERM)

    return prepare


def _prctl() -> Callable[[int, int], int] | None:
    """Return the system call that sets options of a process; None if the system has none."""
    with suppress(ImportError, OSError, AttributeError):
        import ctypes

        return cast("Callable[[int, int], int]", ctypes.CDLL(None).prctl)
    return None


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, check=False)
        return [int(child) for child in found.stdout.split()]
    return []


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(OSError):
        os.kill(pid, number)


class Watch:
    """A watch is the loop that monitors mpiexec until it ends."""

    def __init__(
        self, job: BatchJob, launcher: Launcher, notices: Notices, stop: StopRequest, grace: Grace
    ) -> None:
        self._job, self._launcher, self._notices = job, launcher, notices
        self._stop, self._grace = stop, grace
        self._begin = monotonic()
        self._asked: float | None = None
        """Time of the latest request to stop; None before the first."""
        self._left: float | None = None
        """Time at which the exit of rank 0 was noticed; None before."""
        self._measures = [(grace.leave, self._terminate), (grace.leave + grace.kill, launcher.kill)]
        """Remaining measures to end mpiexec, each with its delay in seconds after rank 0's exit."""

    def until_end(self) -> None:
        """Monitor mpiexec and return when it has ended."""
        while self._launcher.running():
            now = monotonic()
            if self._job.limit is not None and now - self._begin >= self._job.limit:
                self._stop.reason = LIMIT
            if self._stop.reason and (
                self._asked is None or now - self._asked >= self._grace.repeat
            ):
                self._ask_to_stop()
                self._asked = now
            if self._notices.exit_code() is not None:
                self._end_launcher(now)
            self._stop.wait(self._grace.poll)

    def _ask_to_stop(self) -> None:
        host, pid = self._notices.process() or ("", 0)
        if host == host_name():
            _signal(pid, signal.SIGUSR2)
        elif self._job.run.started():  # rank 0 is on another host
            self._launcher.send(signal.SIGUSR2)

    def _end_launcher(self, now: float) -> None:
        if self._left is None:
            self._left = now
        while self._measures and now - self._left >= self._measures[0][0]:
            self._measures.pop(0)[1]()

    def _terminate(self) -> None:
        self._job.say("mpiexec does not end: it is ended")
        self._launcher.send(signal.SIGTERM)


class JobOutcome(NamedTuple):
    """The outcome of a job says how its run has ended."""

    status: int
    """Exit code of the run."""
    got_on: bool = False
    """Whether an aborted run has a checkpoint from this job."""


def outcome(job: BatchJob, status: int, notices: Notices) -> JobOutcome:
    """Return the outcome of the job, given the exit status of mpiexec.

    The status alone is not reliable: mpiexec may return 0 although it has lost rank 0 or a host, or
    it may have been killed.
    """
    if (code := notices.exit_code()) is not None:
        return JobOutcome(code)
    if status == Interrupted.exit_code or job.run.finished():
        return JobOutcome(status)
    job.say("the run has not come to its end")
    broken = CodedDGDError.exit_code if status == 0 or status > 128 else status
    return JobOutcome(broken, job.run.has_checkpoint_since(notices.rank0))


def launch_and_watch(job: BatchJob, stop: StopRequest, grace: Grace) -> JobOutcome:
    """Run mpiexec to its end and return the outcome of the job."""
    with TemporaryDirectory(prefix="tmp.", ignore_cleanup_errors=True) as folder:
        notices = Notices(Path(folder))
        launcher = Launcher([*job.command, *job.run.options()], folder)
        Watch(job, launcher, notices, stop, grace).until_end()
        return outcome(job, launcher.status(), notices)


def queue_again(job: BatchJob, reason: str, got_on: bool) -> bool:
    """Queue the job again unless the user stopped it; return whether it is queued.

    An aborted run is queued only if it has made progress; otherwise it might be queued forever.
    """
    if not job.requeue or reason == ASKED or not (reason or got_on):
        return False
    try:
        return subprocess.run(job.requeue, check=False).returncode == 0
    except OSError:
        return False


def supervise(job: BatchJob, stop: StopRequest, grace: Grace = GRACE) -> int:
    """Start or resume the run of a job; return the exit code."""
    if job.run.finished():
        job.say(f"{job.run.name} is finished")
        return 0
    status, got_on = launch_and_watch(job, stop, grace)
    if status == UsageError.exit_code and job.run.finished():  # after waiting for another job
        job.say(f"{job.run.name} was finished by another job")
        return 0
    stopped = status == Interrupted.exit_code or got_on
    if stopped and not queue_again(job, stop.reason, got_on):
        job.say(f"stopped; RUN={job.run.name} goes on from its checkpoint")
    return status


def read_job(arguments: Sequence[str]) -> BatchJob:
    """Return the job of a command line."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(
        prog="python -m coded_dgd.batch.supervise",
        usage="%(prog)s NAME [--limit SECONDS] [--requeue COMMAND] -- MPIEXEC ... OPTIONS",
        description="Supervise a run in a batch job. RUN in the environment names its folder.",
    )
    parser.add_argument("name", help="Name of the job, in messages and as default run folder.")
    parser.add_argument("--limit", type=float, help="Seconds after which the run has to stop.")
    parser.add_argument(
        "--requeue", type=shlex.split, default=[], help="Command that queues the job again."
    )
    given = parser.parse_args(arguments[:end])
    command = arguments[end + 1 :]
    if not command:
        parser.error("no command after --")
    run = JobFolder(os.environ.get("RUN") or f"runs/{given.name}")
    return BatchJob(given.name, run, command, given.limit, given.requeue)


def main() -> int:
    """Supervise the job of the command line; return its exit code."""
    streams.prepare()
    with StopRequest() as stop:
        job = read_job(sys.argv[1:])
        try:
            return supervise(job, stop)
        except CodedDGDError as error:
            job.say(str(error))
            return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
