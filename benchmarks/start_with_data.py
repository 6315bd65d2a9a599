"""What bounds the start-up of a run with much data: the time of rank 0, by what it does.

python benchmarks/start_with_data.py [--ranks 41] [--rows 1250000] [--features 100] [--repeats 3]
                                     [OPTIONS of coded-dgd run]

The command is that of a user, `mpiexec -n 41 python -m coded_dgd.run --data data.npy` for one
iteration. Rank 0 has timers around the eigenvalue for the step size, and around what it calls while
it hands out the data, which are a file in the page cache. Seconds are from mpiexec's start to the
first beta_t. The first time does not count. Processor time is that of rank 0; the last line is that
of all processes of the job, up to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

STEP_SIZE = "the largest eigenvalue of X^T X, for the step size"
PARTS = "reading", "encoding", "sending", "waiting"
FILE = "PARTS_OF_RANK_0"


class Clocks:
    """Seconds and processor time of each part, without what is counted in an inner part."""

    def __init__(self):
        self.found = {part: [0.0, 0.0] for part in (STEP_SIZE, *PARTS)}
        self._inner = [0.0, 0.0]

    def timed(self, function, part):
        """Return a function whose calls are counted in a part."""

        def call(*arguments, **options):
            outer, self._inner = self._inner, [0.0, 0.0]
            begin = time.perf_counter(), time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                taken = time.perf_counter() - begin[0], time.process_time() - begin[1]
                for kind in (0, 1):
                    self.found[part][kind] += taken[kind] - self._inner[kind]
                    outer[kind] += taken[kind]
                self._inner = outer

        return call


def rank_0(file):
    """Put timers around what rank 0 calls; they are written to a file after the distribution."""
    from coded_dgd.codes.placement import Encoder
    from coded_dgd.engine import staging
    from coded_dgd.engine.transports.mpi import master
    from coded_dgd.problems.problem import Problem
    from coded_dgd.problems.sources.base import Source

    clocks = Clocks()
    Problem.largest_eigenvalue = clocks.timed(Problem.largest_eigenvalue, STEP_SIZE)
    encode, distribute = Encoder.encode, staging.distribute

    def encoded(encoder, X, y):
        following = clocks.timed(encode(encoder, X, y).__next__, "encoding")
        while True:
            try:
                piece = following()
            except StopIteration:
                return
            yield piece

    def distributing(*arguments, **options):
        Source.read = clocks.timed(Source.read, "reading")
        Encoder.encode = encoded
        master.MPIMaster.piece = clocks.timed(master.MPIMaster.piece, "sending")
        master.MPIMaster.wait_for = clocks.timed(master.MPIMaster.wait_for, "waiting")
        master.Pause.__call__ = clocks.timed(master.Pause.__call__, "waiting")
        begin, used = time.time(), time.process_time()
        kept = distribute(*arguments, **options)
        whole = begin, time.time(), time.process_time() - used
        file.write_text(json.dumps([whole, clocks.found]), encoding="utf-8")
        return kept

    staging.distribute = distributing


def measured(ranks, data, options):
    """Run once; return each part's seconds and processor time, and that of all processes."""
    from common import run_json

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parts.json"
        os.environ[FILE] = str(file)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.time()
        run = run_json(ranks, "--data", str(data), "--iterations", "1", *options, script=__file__)
        ended = time.time() - begin
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        (first, last, used), parts = json.loads(file.read_text(encoding="utf-8"))
    step_size, rest = parts.pop(STEP_SIZE), [last - first, used]
    for seconds in parts.values():
        rest = [whole - part for whole, part in zip(rest, seconds, strict=True)]
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "before the data": (first - begin, None),
        f"of which {STEP_SIZE}": (step_size[0], None),
        **{part: tuple(seconds) for part, seconds in parts.items()},
        "sums of what rank 0 keeps, and the rest": tuple(rest),
        "after the data": (run["first_point_at"] - last, None),
        "handing out, all of it": (last - first, used),
        "until the first beta_t": (run["first_point_at"] - begin, None),
        "all processes": (ended, processor),
    }


def main() -> None:
    """Run several times and state the parts."""
    from coded_dgd.host.launcher import launch

    if launched := launch():
        from coded_dgd.host.threads import set_threads

        set_threads()  # before numpy is loaded
        if launched.rank == 0:
            rank_0(Path(os.environ[FILE]))
        from coded_dgd.__main__ import main as run

        run(["run", *sys.argv[1:]])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=41)
    parser.add_argument("--rows", type=int, default=1_250_000)
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    arguments, options = parser.parse_known_args()
    from coded_dgd.problems.sources import open_source, save

    with tempfile.TemporaryDirectory() as folder:
        data, wanted = Path(folder) / "data.npy", (arguments.rows, arguments.features)
        save(open_source("synthetic:rows={},features={}".format(*wanted), 0), data)
        runs = [measured(arguments.ranks, data, options) for _ in range(arguments.repeats + 1)][1:]
    handing_out = median(run["handing out, all of it"][0] for run in runs)
    for part in runs[0]:
        seconds = [run[part][0] for run in runs]
        line = f"{part}: median {median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
        if runs[0][part][1] is not None:
            share = f", {median(seconds) / handing_out:.0%}" if part != "all processes" else ""
            line += f"{share}, processor {median(run[part][1] for run in runs):.2f} s"
        print(line, flush=True)


if __name__ == "__main__":
    main()
