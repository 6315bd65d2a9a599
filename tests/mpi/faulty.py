"""``coded-dgd run``, or COMMAND, with planted faults: FAULTS="KIND:WORKER:ITERATION ...".

WORKER is a rank less 1, or ``all``. Where FIRED names a folder, a file ``KIND-WORKER`` in it says
that the fault has happened.
"""

import os
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from launching import children

from coded_dgd.__main__ import main
from coded_dgd.host.launcher import launch

KILL = "kill-"
BAD_MESSAGES = ("nan", "short", "long", "future", "index", "lane", "twice")


def fired(kind, worker):
    if "FIRED" in os.environ:
        (Path(os.environ["FIRED"]) / f"{kind}-{worker}").touch()


def kill(kind, worker, pid=None):
    fired(kind, worker)
    os.kill(pid or os.getpid(), signal.SIGKILL)


def before(cls, method, action):
    """Have `action`, called with the same arguments, come before a method."""
    original = getattr(cls, method)

    def wrapped(*arguments):
        action(*arguments)
        return original(*arguments)

    setattr(cls, method, wrapped)


def spoil(kind, message):
    """Messages that a broken worker sends in place of one."""
    if kind == "nan":
        message[-1] = np.nan
    elif kind == "short":
        message = message[:-1]
    elif kind == "long":
        message = np.append(message, 0.0)
    elif kind == "lane":
        message[0] = 7
    elif kind == "future":
        message[1] += 1000
    elif kind == "index":
        message[2] = 99
    return [message, message.copy()] if kind == "twice" else [message]


def plant_in_worker(kind, worker, iteration):
    from coded_dgd.engine.protocol import Collect, control_buffer
    from coded_dgd.engine.shard import Shard
    from coded_dgd.engine.shared_blocks import SharedBlocks
    from coded_dgd.engine.transports.mpi import worker as worker_module
    from coded_dgd.engine.transports.mpi.outbox import Outbox
    from coded_dgd.engine.transports.mpi.worker import MPIWorker
    from coded_dgd.engine.worker import Worker
    from coded_dgd.problems.blocks import DenseBlocks

    def at_iteration(self, point):
        if point.iteration < iteration:  # it may skip that one
            return
        if kind == "raise":
            fired(kind, worker)
            raise ZeroDivisionError("planted\nfault")
        if kind == "exit":
            fired(kind, worker)
            sys.exit("planted exit")
        if kind == "vanish":  # without a signal
            fired(kind, worker)
            os._exit(3)
        if kind == "warn":
            warnings.warn("planted warning", DeprecationWarning, stacklevel=1)
            np.float64(1e308) * 10
        if kind == "hang":
            time.sleep(1000)
        if kind == "kill":
            kill(kind, worker)
        if kind == "crash":
            fired(kind, worker)
            os.kill(os.getpid(), signal.SIGSEGV)

    def while_loading(self, *_):
        if kind == "kill-load":
            kill(kind, worker)
        fired(kind, worker)
        raise MemoryError("planted while loading")

    def while_building(*_):
        fired(kind, worker)
        raise MemoryError("planted while building")

    if kind in ("raise", "exit", "vanish", "hang", "warn", "kill", "crash"):
        before(Worker, "_begin", at_iteration)
    elif kind in ("load", "kill-load"):
        before(DenseBlocks, "load", while_loading)
    elif kind == "apart":  # as in a container of its own

        def out_of_reach(shared, *_):
            if shared.path is not None:
                fired(kind, worker)
                raise PermissionError("planted")

        before(SharedBlocks, "open", out_of_reach)
    elif kind == "slow-start":
        before(SharedBlocks, "open", lambda *_: time.sleep(1))
    elif kind == "missing":
        from coded_dgd.problems import encoding

        read = encoding.open_source
        encoding.open_source = lambda data, *rest: read(f"{data}.gone", *rest)
    elif kind == "build":
        before(Shard, "__init__", while_building)
    elif kind == "word":

        def without_memory(features):
            raise MemoryError("planted before it listens again")

        worker_module.control_buffer = without_memory
        create = MPIWorker.__init__

        def created(self, comm):
            worker_module.control_buffer = original
            create(self, comm)
            worker_module.control_buffer = without_memory

        original = control_buffer
        MPIWorker.__init__ = created
        before(MPIWorker, "report", lambda *_: setattr(worker_module, "control_buffer", original))
    elif kind == "old":
        worker_module.__version__ = "0.0.9"
    elif kind == "ancient":
        worker_module.Greeting = lambda *fields: fields[:-1]
    elif kind == "vanish-greet":
        before(MPIWorker, "greet", lambda *_: os._exit(3))
    elif kind == "kill-start":
        before(MPIWorker, "take_shard", lambda *_: kill(kind, worker))
    elif kind == "kill-stop":
        before(MPIWorker, "report", lambda *_: kill(kind, worker))
    elif kind == "kill-release":
        before(MPIWorker, "discard_shard", lambda *_: kill(kind, worker))
    elif kind in ("kill-collect", "freeze-collect", "nan-sum"):

        def asked(self, news, _):
            if isinstance(news, Collect) and news.iteration >= iteration:
                if kind == "kill-collect":
                    kill(kind, worker)
                elif kind == "freeze-collect":
                    fired(kind, worker)
                    os.kill(os.getpid(), signal.SIGSTOP)
                self._kept[news.tasks[0]][-1] = np.nan

        before(Worker, "_note", asked)
    else:
        send = Outbox.send

        def faulty_send(self, message):
            if message[1] < iteration:
                return send(self, message)
            if kind == "slow" and message[1] == iteration:
                fired(kind, worker)
                time.sleep(0.2)
            if kind in BAD_MESSAGES:
                fired(kind, worker)
                for each in spoil(kind, message):
                    send(self, each)
                return None
            send(self, message)
            if kind == "kill-send" and message[1] == iteration:
                kill(kind, worker)
            return None

        Outbox.send = faulty_send


def plant_in_master(kind, worker, iteration):
    from coded_dgd.engine.master import Master

    if kind == "build":
        from coded_dgd.engine.transports.mpi import master

        master.DATA_IN_FLIGHT = 100_000  # so that rank 0 waits for the failed one to take its data
    elif kind == "hang":  # rank 0 does not wait for it as long as it usually would
        from coded_dgd.engine import job
        from coded_dgd.engine.transports.mpi import master

        job.STOP_SECONDS = master.STOP_SECONDS = 2.0
    elif kind == "master":

        def decode(self, product):
            raise ArithmeticError("planted in the master")

        Master._decode = decode
    elif kind == "kill-decode":

        def decoding(self, product):
            if self.optimizer.steps == iteration:
                kill(kind, worker, children(os.getppid())[int(worker) + 1])

        before(Master, "_decode", decoding)


rank = launch().rank
if f"kill-import:{rank - 1}:0" in os.environ["FAULTS"]:
    kill("kill-import", rank - 1)
for fault in os.environ["FAULTS"].split():
    kind, worker, iteration = fault.split(":")
    if rank == 0:
        plant_in_master(kind, worker, int(iteration))
    elif worker in (str(rank - 1), "all"):
        plant_in_worker(kind, str(rank - 1), int(iteration))

main([os.environ.get("COMMAND", "run"), *sys.argv[1:]])
