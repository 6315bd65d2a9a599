"""Who dies when: every way in which a rank can end, and what becomes of the job.

    python benchmarks/who_dies.py [--mpiexec /path/of/another/mpiexec] [--only WORD]

For each MPI a row for every way: exit code, seconds, whether there was a result, what was said.
Exit code 1 if a job hangs, takes more than 15 s, or returns 0 without a result.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator

from common import mpiexec
from endings import ALL, FAULT_TOLERANT, NOT_FAULT_TOLERANT, Verdict, perform


def settings() -> Iterator[tuple[str, dict[str, str]]]:
    """Names of the MPI with and without fault tolerance, and the variables for each."""
    said = subprocess.run([mpiexec(), "--version"], capture_output=True, text=True, check=False)
    if "Open MPI" not in said.stdout:
        yield "MPICH" if "HYDRA" in said.stdout else "this MPI", {}
        return
    yield "Open MPI, fault tolerant", FAULT_TOLERANT
    yield "Open MPI, not fault tolerant", NOT_FAULT_TOLERANT


def row(verdict: Verdict) -> str:
    """One row of the table."""
    who, when, how = verdict.ending
    code = "hangs" if verdict.code is None else verdict.code
    result = "result" if verdict.result else ""
    return (
        f"{who:>4} {when:8} {how:10} {code!s:>5} {verdict.seconds:5.1f} s {result:6} "
        f"{verdict.complaint.upper()} {verdict.said[:110]}"
    )


def main() -> int:
    """Print the tables; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mpiexec", help="Another MPI; its mpi4py has to fit.")
    parser.add_argument("--only", nargs="*", default=[], help="Words that a case has to hold.")
    options = parser.parse_args()
    if options.mpiexec:
        os.environ["MPIEXEC"] = options.mpiexec
    wrong = cases = 0
    for name, variables in settings():
        print(f"\n{name}\nrank when     how         code    time        said")
        for ending in ALL:
            if set(options.only) <= set(ending):
                verdict = perform(ending, **variables)
                print(row(verdict), flush=True)
                wrong, cases = wrong + bool(verdict.complaint), cases + 1
    print(f"\n{cases} jobs, {wrong} of them wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
