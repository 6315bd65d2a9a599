"""The settings of a job of ``mpiexec`` are unknown to a process without a launcher.

Open MPI's ``mpiexec`` reads parameter files that a process without a launcher does not read.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

SECONDS = 20.0
"""Maximum duration of such a job in seconds."""
ASK = """
import json
from coded_dgd.engine.transports.mpi import library
library.world()
print(json.dumps({"fault_tolerance": library.fault_tolerance(),
                  "yields_when_idle": library.yields_when_idle()}))
"""


def of_a_job(mpiexec: str) -> dict[str, Any] | None:
    """Start a job of one process, and return its settings; None if it reports none in time."""
    process = subprocess.Popen(
        [mpiexec, "-n", "1", sys.executable, "-c", ASK],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(each or os.curdir for each in sys.path)},
    )
    try:
        out, _ = process.communicate(timeout=SECONDS)
        found: dict[str, Any] = json.loads(out)
        return found
    except (subprocess.TimeoutExpired, ValueError):
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None
