"""The supervisor of a run in a batch job: ``python -m coded_dgd.batch.supervise``.

A batch script becomes this process by ``exec``, so the signals of the batch system reach it. It
starts mpiexec, asks rank 0 to stop before the time limit, ends an mpiexec that does not end by
itself, and queues the job again where the run can go on. It uses the standard library only: no
numpy and no MPI is imported on the batch node.
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
from socket import gethostname
from tempfile import TemporaryDirectory
from time import monotonic
from types import FrameType, TracebackType
from typing import Any, NamedTuple, cast

from coded_dgd import streams
from coded_dgd.errors import CodedDGDError, Interrupted, UsageError

LAUNCHER_FOLDER = "CODED_DGD_LAUNCHER_FOLDER"
"""Variable that tells rank 0 the folder of its `Notices`."""
LIMIT = "limit"
ASKED = "asked"
REASONS = {signal.SIGUSR2: LIMIT, signal.SIGTERM: ASKED, signal.SIGINT: ASKED}
"""Why a run has to stop, by the signal that says so."""
PR_SET_PDEATHSIG = 1


class Grace(NamedTuple):
    """Times of the supervisor in seconds."""

    poll: float = 1.0
    """Interval between two looks at mpiexec."""
    repeat: float = 5.0
    """Interval between two requests to stop."""
    leave: float = 15.0
    """Time from the exit of rank 0 until mpiexec gets SIGTERM."""
    kill: float = 5.0
    """Time from SIGTERM until mpiexec and its children get SIGKILL."""


GRACE = Grace()


class JobFolder(NamedTuple):
    """A run folder, by its name as the user knows it."""

    name: str

    def finished(self) -> bool:
        """Return whether the run has written its summary."""
        return self._has("summary.json")

    def started(self) -> bool:
        """Return whether the run has logged an iteration, or is about to."""
        return self._has("iterations.jsonl")

    def options(self) -> list[str]:
        """Return the options of ``coded-dgd run`` that begin this run or go on with it."""
        if self.started():  # a job that was lost sight of may still run
            return ["--resume", self.name, "--wait-for-run"]
        return ["--out", self.name]

    def has_checkpoint_since(self, file: Path) -> bool:
        """Return whether a checkpoint is newer than a file; False if there is no such file."""
        with suppress(OSError):
            since = file.stat().st_mtime_ns
            return any(_modified(path) > since for path in Path(self.name).rglob("checkpoint-*"))
        return False

    def _has(self, file: str) -> bool:
        return os.access(Path(self.name, file), os.F_OK)


def _modified(path: Path) -> int:
    """Return the time of the last change in ns, 0 if the file has gone meanwhile."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


class Job(NamedTuple):
    """What a batch script asks the supervisor to run."""

    name: str
    run: JobFolder
    command: Sequence[str]
    """mpiexec and its arguments, up to the options of ``coded-dgd run``."""
    limit: float | None = None
    """Seconds after which the run is asked to stop, if the batch system sends no signal."""
    requeue: Sequence[str] = ()
    """Command that queues the job again, if there is one."""

    def say(self, text: str) -> None:
        """Print a message under the name of the job."""
        print(f"{self.name}: {text}", file=streams.messages(), flush=True)


class Notices(NamedTuple):
    """Files in which rank 0 tells the supervisor who it is and how it has ended.

    The supervisor can so signal rank 0 whether or not mpiexec forwards signals, and knows the exit
    code of the run even if mpiexec loses it, or waits forever for a host that is cut off.
    """

    folder: Path

    @property
    def rank0(self) -> Path:
        """File with the host and the process id of rank 0."""
        return self.folder / "rank0"

    def process(self) -> tuple[str, int] | None:
        """Return the host and the process id of rank 0, once it can be interrupted."""
        with suppress(OSError, ValueError):
            host, pid = self.rank0.read_text(encoding="utf-8").split()
            return host, int(pid)
        return None

    def exit_code(self) -> int | None:
        """Return the exit code of the run, once rank 0 leaves."""
        with suppress(OSError, ValueError):
            return int((self.folder / "exit").read_text(encoding="utf-8"))
        return None


class StopRequest:
    """Whether the run has to stop, and why; signals count while this is entered."""

    def __init__(self) -> None:
        self.reason = ""
        self._before: dict[signal.Signals, Any] = {}
        self._awake, self._wake = os.pipe()

    def __enter__(self) -> StopRequest:
        for number in REASONS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as in a background job
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
        """Sleep until a signal comes, `seconds` at most."""
        if select.select([self._awake], [], [], seconds)[0]:
            os.read(self._awake, select.PIPE_BUF)

    def _take(self, number: int, _: FrameType | None) -> None:
        self.reason = REASONS[signal.Signals(number)]
        os.write(self._wake, b"\0")


class Launcher:
    """The process of mpiexec.

    Parameters
    ----------
    command : sequence of str
        Program and arguments. The program is started by its full path, from which Open MPI knows
        where it is installed on other hosts.
    folder : str
        Folder of the `Notices`.
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
        """Return whether mpiexec has not ended."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to mpiexec alone."""
        with suppress(OSError):
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill mpiexec, and its children, such as ssh."""
        for pid in (self._process.pid, *_children(self._process.pid)):
            _signal(pid, signal.SIGKILL)

    def status(self) -> int:
        """Return the exit status of mpiexec as a shell does: 128 + the signal that ended it."""
        code = self._process.wait()
        return 128 - code if code < 0 else code


def environment(folder: str) -> dict[str, str]:
    """Return the environment variables of mpiexec, with which Open MPI survives a lost process."""
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
    """Return what the process of mpiexec does before it becomes mpiexec.

    It ignores the signals of the keyboard, which are for the supervisor. On Linux it gets SIGTERM
    if the supervisor is killed.
    """
    set_option = _prctl()

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        if set_option:
            set_option(PR_SET_PDEATHSIG, signal.SIGTERM)

    return prepare


def _prctl() -> Callable[[int, int], int] | None:
    """Return the system call that sets options of a process, None where there is none."""
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
    """The loop that looks after mpiexec until it ends."""

    def __init__(
        self, job: Job, launcher: Launcher, notices: Notices, stop: StopRequest, grace: Grace
    ) -> None:
        self._job, self._launcher, self._notices = job, launcher, notices
        self._stop, self._grace = stop, grace
        self._begin = monotonic()
        self._asked: float | None = None
        """Time of the latest request to stop."""
        self._left: float | None = None
        """Time at which rank 0 was seen to have left."""
        self._measures = [(grace.leave, self._terminate), (grace.leave + grace.kill, launcher.kill)]
        """What is still to be done to an mpiexec that does not end, and how long after rank 0."""

    def until_end(self) -> None:
        """Return when mpiexec has ended."""
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
        if host == gethostname():
            _signal(pid, signal.SIGUSR2)
        elif self._job.run.started():  # rank 0 is elsewhere
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
    """How a run has ended."""

    status: int
    """Exit code."""
    got_on: bool = False
    """Whether a run that was broken off has a checkpoint from this job."""


def outcome(job: Job, status: int, notices: Notices) -> JobOutcome:
    """Return how the run has ended, given the exit status of mpiexec.

    mpiexec may return 0 although it has lost rank 0 or a host, or it may have been killed.
    """
    if (code := notices.exit_code()) is not None:
        return JobOutcome(code)
    if status == Interrupted.exit_code or job.run.finished():
        return JobOutcome(status)
    job.say("the run has not come to its end")
    broken = CodedDGDError.exit_code if status == 0 or status > 128 else status
    return JobOutcome(broken, job.run.has_checkpoint_since(notices.rank0))


def launch_and_watch(job: Job, stop: StopRequest, grace: Grace) -> JobOutcome:
    """Run mpiexec to its end."""
    with TemporaryDirectory(prefix="tmp.", ignore_cleanup_errors=True) as folder:
        notices = Notices(Path(folder))
        launcher = Launcher([*job.command, *job.run.options()], folder)
        Watch(job, launcher, notices, stop, grace).until_end()
        return outcome(job, launcher.status(), notices)


def queue_again(job: Job, reason: str, got_on: bool) -> bool:
    """Queue the job again if it was not asked to stop; return whether it is queued.

    A run that was broken off is queued only if it has got on, else it might be queued forever.
    """
    if not job.requeue or reason == ASKED or not (reason or got_on):
        return False
    try:
        return subprocess.run(job.requeue, check=False).returncode == 0
    except OSError:
        return False


def supervise(job: Job, stop: StopRequest, grace: Grace = GRACE) -> int:
    """Run a job, or go on with it; return the exit code."""
    if job.run.finished():
        job.say(f"{job.run.name} is finished")
        return 0
    status, got_on = launch_and_watch(job, stop, grace)
    if status == UsageError.exit_code and job.run.finished():  # this job has waited for the other
        job.say(f"{job.run.name} was finished by another job")
        return 0
    stopped = status == Interrupted.exit_code or got_on
    if stopped and not queue_again(job, stop.reason, got_on):
        job.say(f"stopped; RUN={job.run.name} goes on from its checkpoint")
    return status


def read_job(arguments: Sequence[str]) -> Job:
    """Return the job that a command line describes."""
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
    return Job(given.name, run, command, given.limit, given.requeue)


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
