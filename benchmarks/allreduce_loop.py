"""Synchronous gradient descent with Allreduce: what a user would write instead, and nothing more.

mpiexec -n 40 python benchmarks/allreduce_loop.py ITERATIONS DELAY DATA SEED

Every rank has one block of rows, computes its gradient, waits until its injected delay is over, and
adds up with all others. Delays, data and step size are those of coded_dgd. Prints the loss.
"""

import sys
import time

import numpy as np
from mpi4py import MPI

from coded_dgd import delays
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.sources import open_source

comm = MPI.COMM_WORLD
iterations, seed = int(sys.argv[1]), int(sys.argv[4])
source, delay = open_source(sys.argv[3], seed), delays.create(sys.argv[2], seed)
X, y = source.read(*Partition(source.rows, comm.size).bounds(comm.rank))
gram = comm.allreduce(X.T @ X)
step = 1 / np.linalg.eigvalsh(gram)[-1]
beta, gradient = np.zeros(source.features), np.empty(source.features)
for iteration in range(iterations):
    due = time.monotonic() + delay.finish_times(iteration, comm.rank, np.ones(1))[0]
    mine = (X @ beta - y) @ X
    time.sleep(max(0.0, due - time.monotonic()))
    comm.Allreduce(mine, gradient)
    beta -= step * gradient
loss = comm.allreduce(float(np.sum((X @ beta - y) ** 2)) / 2)
if comm.rank == 0:
    print(loss)
