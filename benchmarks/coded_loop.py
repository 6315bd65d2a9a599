"""The run that benchmarks/message_rate.py holds against a bare loop, with its processor times.

mpiexec -n 41 python benchmarks/coded_loop.py SCHEME LOAD ITERATIONS FEATURES

There are no delays and next to nothing to compute. Prints, per iteration and in seconds: elapsed
time, processor time of rank 0, and processor time of a worker.
"""

import sys
import time
from statistics import mean

from coded_dgd.config import RunConfig
from coded_dgd.engine import job, setup
from coded_dgd.engine.observer import Observer
from coded_dgd.engine.serve import serve_and_exit
from coded_dgd.engine.transports.mpi.library import world
from coded_dgd.engine.transports.mpi.master import master

SCHEME, LOAD, ITERATIONS, FEATURES = sys.argv[1], *map(int, sys.argv[2:])


class Clocks(Observer):
    """Reads both clocks when the first beta_t leaves and when the last iteration has ended."""

    def start(self, start):
        self.began = time.perf_counter(), time.process_time()

    def iteration(self, record):
        if record.iteration == ITERATIONS - 1:
            elapsed, processor = time.perf_counter(), time.process_time()
            self.elapsed, self.processor = elapsed - self.began[0], processor - self.began[1]


if world().rank:
    serve_and_exit()
transport, clocks = master(), Clocks()
transport.assemble()
config = RunConfig(
    scheme=SCHEME, load=LOAD, iterations=ITERATIONS, delay="none",
    data=f"synthetic:rows=400,features={FEATURES}",
)  # fmt: skip
outcome = job.run(setup.prepare(config, transport.workers), transport, clocks)
workers = mean(report.cpu_seconds for report in outcome.ending.reports)
print(*(each / ITERATIONS for each in (clocks.elapsed, clocks.processor, workers)), flush=True)
transport.end(0)
