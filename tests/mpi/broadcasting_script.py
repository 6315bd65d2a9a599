"""A script in which rank 0 gives values to all ranks, with messages of its own about."""

import time

import numpy as np
from mpi4py import MPI

from coded_dgd import train
from coded_dgd.engine.transports.mpi.broadcasting import broadcast

world = MPI.COMM_WORLD
half = world.Split(world.rank % 2, world.rank)
receive = world.irecv() if world.rank == 1 else None  # matches any message, and none of ours

if world.rank == 0:
    time.sleep(0.3)
began = time.process_time()
values = [{"parity": world.rank % 2}, None, np.arange(300_000.0)]
for number, value in enumerate(values):
    found = broadcast(half, value if half.rank == 0 else "ignored")
    if number == 0:
        assert found == {"parity": world.rank % 2}
np.testing.assert_array_equal(found, np.arange(300_000.0))
assert broadcast(None, world.rank) == 0
assert time.process_time() - began < 0.2, "a rank that waits spins"

X = np.eye(4)
assert bool(train(X, X @ [1, 2, 3, 4], scheme="uncoded")) == (world.rank == 0)
assert broadcast(None, "after a training" if world.rank == 0 else None) == "after a training"
if world.rank == 0:
    world.send("mine", 1)
    print("all is well")
elif world.rank == 1:
    assert receive.wait() == "mine"
