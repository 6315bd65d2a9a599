"""The entry point of every command, where ranks other than 0 become workers."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from coded_dgd import streams
from coded_dgd.engine.transports import ending
from coded_dgd.errors import TRACEBACK, CodedDGDError
from coded_dgd.host.launcher import launch
from coded_dgd.host.open_mpi import watch_start
from coded_dgd.host.process import host_name
from coded_dgd.host.threads import set_threads


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line `argv`, by default that of this process, and exit with its code."""
    streams.prepare()
    set_threads()
    launched = launch()
    if launched:  # batch systems send it to all ranks, at any time: rank 0 takes it when it can
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    watch_start()
    try:
        if launched:
            from coded_dgd.engine.transports.mpi.library import world

            if world().rank > 0:
                from coded_dgd.engine.serve import serve_and_exit

                serve_and_exit()
        code = exit_code(sys.argv[1:] if argv is None else argv, launched is not None)
    except CodedDGDError as error:
        print(f"coded-dgd: {error}", file=streams.messages())
        if launched and "mpi4py.MPI" not in sys.modules:  # the others wait for it in MPI_Init
            ending.end_job(code=error.exit_code)
        sys.exit(error.exit_code)
    except Exception as error:
        _report(error, launched.rank if launched else 0)
        if launched:
            ending.end_job()
        sys.exit(CodedDGDError.exit_code)
    if launched:
        from coded_dgd.engine.transports.mpi.master import master

        master().end(code)
    sys.exit(code)


def exit_code(argv: list[str], launched: bool) -> int:
    """Run a command and always return its exit code, because workers wait for the end."""
    try:
        from coded_dgd.cli import run_command_line

        return run_command_line(argv)
    except BaseException as error:
        if not launched and not isinstance(error, Exception):
            raise  # no rank waits
        _report(error, 0)
        return CodedDGDError.exit_code


def _report(error: BaseException, rank: int) -> None:
    """Print an unforeseen error in one line, with its traceback if requested."""
    if os.environ.get(TRACEBACK):
        sys.excepthook(type(error), error, error.__traceback__)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    remedy = ending.remedy(error) or f"please report this; {TRACEBACK}=1 shows where"
    print(
        f"coded-dgd: rank {rank} on {host_name()} failed: {what} ({remedy})",
        file=streams.messages(),
    )


if __name__ == "__main__":
    main()
