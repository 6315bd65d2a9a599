"""The peak of a process's memory, and what of shared memory counts."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coded_dgd.host.process import peak_memory

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="only Linux tells"
)
MEGABYTES = 1 << 20

GROWS = """
from coded_dgd.host.process import peak_memory
before = peak_memory()
held = bytearray(64 << 20)
del held
print(peak_memory() - before)
"""


def test_what_has_been_given_back_counts():
    grown = subprocess.run([sys.executable, "-c", GROWS], capture_output=True, check=True).stdout
    assert 63 * MEGABYTES <= int(grown) <= 66 * MEGABYTES


def test_of_what_two_share_half_counts():
    shared = mmap.mmap(-1, 64 * MEGABYTES)
    shared.write(bytes(64 * MEGABYTES))
    alone = peak_memory()
    end, held = os.pipe()
    ready, begun = os.pipe()
    child = os.fork()
    if not child:
        sum(shared[:: mmap.PAGESIZE])
        os.write(begun, b"\0")
        os.close(held)
        os.read(end, 1)
        os._exit(0)
    os.read(ready, 1)
    together = peak_memory()
    os.close(held)
    os.waitpid(child, 0)
    assert 30 * MEGABYTES <= alone - together <= 34 * MEGABYTES
