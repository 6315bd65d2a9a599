"""The front door of every command: ranks other than 0 turn off here and become workers."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from coded_dgd import streams
from coded_dgd.engine.threads import set_threads
from coded_dgd.engine.transports.launcher import launch
from coded_dgd.engine.transports.mpi.runtime import watch_start
from coded_dgd.errors import CodedDGDError


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
        from coded_dgd.cli import run_command_line

        code = run_command_line(sys.argv[1:] if argv is None else argv)
    except CodedDGDError as error:
        print(f"coded-dgd: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if launched:
        from coded_dgd.engine.transports.mpi.master import master

        master().end(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
