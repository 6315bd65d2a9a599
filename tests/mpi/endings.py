"""Who ends when and how, while the others train: a case, and what its job has made of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from launching import HERE, command, mpiexec

WHO = ("0", "2")
WHEN = ("before", "in", "between", "after")
HOW = ("exception", "exit", "exit-3", "kill", "vanish")
LIMIT = 15.0
"""Seconds within which every job has to end."""
FAULT_TOLERANT = {
    "OMPI_MCA_mpi_ft_enable": "1",
    "PRTE_MCA_state_base_recoverable": "1",
    "PRTE_MCA_state_base_notify_errors": "1",
}
NOT_FAULT_TOLERANT = dict.fromkeys(FAULT_TOLERANT, "0")


class Ending(NamedTuple):
    """A way in which a rank ends."""

    who: str
    when: str
    how: str


ALL = [
    *(Ending(who, "before", "import") for who in ("all", *WHO)),
    *(Ending(who, when, how) for who in WHO for when in WHEN for how in HOW),
]


class Verdict(NamedTuple):
    """What a job has come to."""

    ending: Ending
    code: int | None
    """None where it hangs."""
    seconds: float
    result: bool
    stderr: str
    complaint: str
    """What was wrong; empty if nothing was."""

    @property
    def said(self) -> str:
        """The last line of ours on stderr, or of anybody's."""
        lines = [line for line in self.stderr.replace("\0", "").splitlines() if line.strip()]
        ours = [line for line in lines if line.startswith("coded-dgd: ")]
        return [*lines, *ours][-1] if lines else ""


def perform(ending: Ending, limit: float = 2 * LIMIT, **variables: str | None) -> Verdict:
    """Run the script on five ranks and judge what has come of it."""
    with tempfile.TemporaryDirectory(prefix="ending") as scratch:
        begin = time.monotonic()
        try:
            done = command(
                mpiexec(), "-n", "5", sys.executable, str(HERE / "ending_script.py"), *ending,
                cwd=Path(scratch), timeout=limit, **variables,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Verdict(ending, None, time.monotonic() - begin, False, "", "hangs")
        seconds = time.monotonic() - begin
    result = "result [1.0, 2.0, 3.0]" in done.out
    complaints = []
    if seconds > LIMIT:
        complaints.append(f"takes {seconds:.0f} s")
    if done.code == 0 and not result:
        complaints.append("code 0 without a result")
    if done.code == 0 and ending.how == "exception" and (ending.who == "0" or ending.when != "in"):
        complaints.append("code 0 after an exception")
    told = done.err.strip() or "BAD TERMINATION" in done.out  # there MPICH says so
    if done.code and not told and not (result and ending.how == "exit-3"):
        complaints.append("no cause")
    return Verdict(ending, done.code, seconds, result, done.err, ", ".join(complaints))
