"""``coded-dgd run`` with a fault planted by the variable FAULT=KIND:WORKER:ITERATION."""

import os
import time

from coded_dgd.__main__ import main
from coded_dgd.engine import worker as worker_module

kind, at_worker, at_iteration = os.environ["FAULT"].split(":")

original = worker_module.Worker._iteration


def iteration(self, point, send):
    if self.plan.worker == int(at_worker) and point.iteration == int(at_iteration):
        if kind == "raise":
            raise ZeroDivisionError("planted\nfault")
        if kind == "hang":
            time.sleep(1000)
    return original(self, point, send)


def load(self, start, X, y):
    if self.plan.worker == int(at_worker):
        raise MemoryError("planted while loading")


if kind == "load":
    worker_module.Worker.load = load
elif kind == "build":
    from coded_dgd.engine.transports import mpi

    mpi.DATA_IN_FLIGHT = 100_000  # so that rank 0 waits for the failed one to take its data
    build = worker_module.Worker.__init__

    def init(self, plan, *arguments):
        build(self, plan, *arguments)
        if plan.worker == int(at_worker):
            raise MemoryError("planted while building")

    worker_module.Worker.__init__ = init
elif kind == "master":
    from coded_dgd.engine.master import Master

    def decode(self):
        raise ArithmeticError("planted in the master")

    Master._decode = decode
else:
    worker_module.Worker._iteration = iteration

main(["run", *os.sys.argv[1:]])
