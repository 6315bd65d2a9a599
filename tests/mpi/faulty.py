"""``coded-dgd run``, or COMMAND, with a fault planted by FAULT=KIND:WORKER:ITERATION."""

import os
import signal
import time

from coded_dgd.__main__ import main
from coded_dgd.engine.transports.launcher import launch
from coded_dgd.engine.worker import Share, Worker

kind, at_worker, at_iteration = os.environ["FAULT"].split(":")

original = Worker._iteration


def iteration(self, point, send):
    here = at_worker in (str(launch().rank - 1), "all")
    if here and point.iteration >= int(at_iteration):  # it may have skipped that one
        if kind == "raise":
            raise ZeroDivisionError("planted\nfault")
        if kind == "hang":
            time.sleep(1000)
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
    return original(self, point, send)


load_share = Share.load


def load(self, start, X, y):
    if self.plan.worker == int(at_worker):
        raise MemoryError("planted while loading")
    load_share(self, start, X, y)


if kind == "load":
    Share.load = load
elif kind == "build":
    from coded_dgd.engine.transports.mpi import master

    master.DATA_IN_FLIGHT = 100_000  # so that rank 0 waits for the failed one to take its data
    build = Share.__init__

    def init(self, plan, *arguments):
        build(self, plan, *arguments)
        if plan.worker == int(at_worker):
            raise MemoryError("planted while building")

    Share.__init__ = init
elif kind == "master":
    from coded_dgd.engine.master import Master

    def decode(self):
        raise ArithmeticError("planted in the master")

    Master._decode = decode
else:
    Worker._iteration = iteration

main([os.environ.get("COMMAND", "run"), *os.sys.argv[1:]])
