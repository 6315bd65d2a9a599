"""How a rank ends, and how the other ranks of its job notice, so that none waits for a dead one.

``import coded_dgd`` calls `install`. It does nothing unless a launcher has started several ranks.

uncaught exception          The traceback is printed as usual, and the job ends with exit code 1.
end of the script, sys.exit `have_ended` returns the rank. Ranks of its machine that wait for it
                            in `train` end the job with exit code 1.
killed, os._exit            Rank 0: its guardian ends the job where the launcher does not. A worker:
                            the launcher ends the job, or the worker is an erasure.

Before the import, ``python -m mpi4py`` is responsible. Only few standard modules are imported with
this one, because a file in the user's folder may hide any other module.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic, sleep
from types import TracebackType
from typing import Any

from coded_dgd import streams
from coded_dgd.host.launcher import Launch, launch
from coded_dgd.host.leaving import OWNER, Guardian, is_rank, leave, notify_guardian

EXIT_CODE = 1
RANK_0_SECONDS = 2.0
"""Seconds for rank 0 to end the job for an error that all ranks raise."""
GUARDIAN_SECONDS = 3.0
"""Seconds for the guardian of a lost master to end the job."""
OTHERS_SECONDS = 600.0
"""Seconds that a rank waits for others at its end, before it waits in MPI_Finalize."""
LOOK_SECONDS = 0.02
TURN_SECONDS = 0.2
"""Seconds between two ranks that end the job for the same reason, since one message is enough."""

SUPERVISOR = ["-m", "coded_dgd.batch.supervise"]
"""Arguments with which a batch script starts its supervisor, which is not a rank."""


class _State:
    """The state of this process."""

    rank: Launch | None = None
    """The launch of this rank; None unless `install` has taken effect."""
    lost: list[Callable[[], bool]] = []
    """Conditions at the end; if one holds, MPI_Finalize, which may hang, is skipped."""
    masters: set[int] = set()
    """Ranks for whose end this process waits before its own; then it waits for all others, too."""
    status: Any = None
    """Argument of `sys.exit`, which a process that skips MPI_Finalize must return itself."""


def install() -> None:
    """Let the other ranks of the job notice every way in which this process may end."""
    launched = launch()
    if launched is None or launched.size < 2 or sys.orig_argv[1:3] == SUPERVISOR:
        return
    if os.environ.setdefault(OWNER, str(os.getpid())) != str(os.getpid()):
        return
    _State.rank = launched
    previous = sys.excepthook

    def excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if is_rank() and getattr(error, "of_rank_0", False):
            sleep(RANK_0_SECONDS)  # rank 0 reports the error
            wait_for_turn(launched.rank)
        previous(kind, error, trace)
        if is_rank() and not _interactive():
            end_job(remedy(error))

    sys.excepthook = excepthook
    atexit.register(_at_exit, excepthook)
    if launched.rank == 0:
        start_guardian()


def start_guardian() -> None:
    """Start a guardian that watches this process for the others, unless one is running."""
    if _State.rank is None or Guardian.pipe is not None:
        return
    # a file may hide a module that the guardian needs; then it is not started
    with suppress(ImportError, AttributeError, OSError):
        from coded_dgd.host import guardian, open_mpi

        if (pid := open_mpi.launcher()) is not None:
            Guardian.pipe = guardian.start(pid, _State.rank.rank)


def end_job(message: str = "", code: int = EXIT_CODE) -> None:
    """End the job with all its ranks, with an exit code other than 0.

    It returns only if neither MPI nor a launcher can be asked to end the job.
    """
    if message:
        print(f"coded-dgd: {message}", file=streams.messages())
    for stream in sys.stdout, sys.stderr:
        with suppress(AttributeError, OSError, ValueError):  # None, or closed
            stream.flush()
    notify_guardian(b"a")
    if "mpi4py.MPI" in sys.modules:
        from coded_dgd.engine.transports.mpi.library import abort

        abort(code)
    from coded_dgd.host.open_mpi import end_job_surely

    if end_job_surely():
        os._exit(code)


def skip_finalize(condition: Callable[[], bool] = lambda: True) -> None:
    """Make this process `leave` with its exit code, if the condition holds at its end."""
    _State.lost.append(condition)
    if len(_State.lost) > 1:
        return
    original = sys.exit

    def recording(status: Any = None, /) -> Any:
        _State.status = status
        original(status)

    sys.exit = recording
    if _State.rank is None:  # the launcher leaves no trace in the environment
        atexit.register(_at_exit, sys.excepthook)


def end_with_others(master: int) -> None:
    """Delay the end of this process until all ranks that call this function have ended.

    If MPI survives the loss of a rank, MPI_Finalize may hang when a rank is lost during it. And
    if the master is lost, no other rank returns a code other than 0.

    Parameters
    ----------
    master : int
        Rank in COMM_WORLD whose guardian ends the job if it is lost.
    """
    if _State.rank and not _State.masters:
        _mark("together", _State.rank.rank)
    _State.masters.add(master)


def _await_others(own: Launch) -> None:
    deadline = monotonic() + OTHERS_SECONDS
    for rank in set(range(own.size)) - {own.rank}:
        # an ended process has no marks
        while _marked("together", rank) and not _marked("ended", rank) and monotonic() < deadline:
            sleep(LOOK_SECONDS)
    if not all(_marked("ended", master) for master in _State.masters):
        sleep(GUARDIAN_SECONDS)  # it is lost, or it has left without MPI_Finalize


def wait_for_turn(rank: int) -> None:
    """Wait, so that ranks with smaller numbers can end the job for the same reason."""
    sleep(min(TURN_SECONDS * max(rank - 1, 0), RANK_0_SECONDS))


def have_ended(ranks: Iterable[int]) -> list[int]:
    """Return those of the given ranks of COMM_WORLD that have ended, as seen on this machine."""
    return [rank for rank in ranks if _marked("ended", rank)]


def _mark(what: str, rank: int) -> None:
    """Set a mark of this process that its whole machine sees until the process ends.

    The mark is a socket.
    """
    from socket import AF_UNIX, SOCK_DGRAM, socket

    with suppress(OSError):
        mark = socket(AF_UNIX, SOCK_DGRAM)
        mark.bind(_address(what, rank))
        mark.detach()  # the interpreter would close it before it calls MPI_Finalize


def _marked(what: str, rank: int) -> bool:
    from socket import AF_UNIX, SOCK_DGRAM, socket

    with suppress(OSError), socket(AF_UNIX, SOCK_DGRAM) as probe:
        probe.connect(_address(what, rank))
        return True
    return False


def _address(what: str, rank: int) -> str:
    from coded_dgd.host.open_mpi import job_name

    return f"\0coded_dgd {os.getuid()} {job_name()} {what} {rank}"


def _interactive() -> bool:
    return bool(sys.flags.interactive or hasattr(sys, "ps1") or os.environ.get("PYTHONINSPECT"))


def _at_exit(excepthook: Any) -> None:
    if _State.rank and not is_rank():
        return
    if sys.excepthook is not excepthook and _raised():
        end_job()
    notice = b"l"
    if _State.rank and "mpi4py.MPI" in sys.modules:
        from coded_dgd.engine.transports.mpi.library import active

        _mark("ended", _State.rank.rank)
        if active():
            notice = b"f"
            if _State.masters:
                _await_others(_State.rank)
    if any(lost() for lost in _State.lost):
        status = _State.status
        sleep(5 * LOOK_SECONDS)  # for others to notice the end of this rank
        leave(status if isinstance(status, int) else int(status is not None))
    notify_guardian(notice)


def _raised() -> bool:
    """Return whether the script ends by an exception, which another hook has printed."""
    trace = getattr(sys, "last_traceback", None)
    names = ("__main__", "runpy")
    return bool(trace and trace.tb_frame.f_globals.get("__name__") in names and not _interactive())


def remedy(error: BaseException) -> str:
    """Return which file hides a standard module, if that may be why an import has failed."""
    if not isinstance(error, (ImportError, AttributeError)):
        return ""
    folder = (sys.path and sys.path[0]) or "."  # the script's, or this one with `python -m`
    with suppress(OSError), os.scandir(folder) as entries:
        names = {f"{name}.py" for name in sys.stdlib_module_names}
        hiding = ", ".join(sorted(entry.path for entry in entries if entry.name in names))
        if hiding:
            return f"{hiding} hides a module of Python's own: rename it"
    return ""
