"""Allreduce and scipy's L-BFGS-B: what a user would write instead, and nothing more.

mpiexec -n 40 python benchmarks/allreduce_lbfgs.py DATA OBJECTIVE RIDGE TARGET DELAY SEED

Every rank has one block of rows, computes its gradient and its loss, waits until its injected delay
is over, and adds up with all others; scipy goes on from the same sums everywhere. Delays are those
of coded_dgd. Ends at the first gradient whose norm is at most TARGET times that of the first one.
Prints a JSON object: the number of gradients, the ratio of the norms, and the loss.
"""

import json
import sys
import time

import numpy as np
from mpi4py import MPI
from scipy.optimize import minimize

from coded_dgd import delays
from coded_dgd.problems import objectives, trial
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.sources import open_source

comm = MPI.COMM_WORLD
data, name, ridge, target, law, seed = sys.argv[1:]
objective, delay = objectives.create(name), delays.create(law, int(seed))
blocks = None
if comm.rank == 0:
    source = trial.admit(objective, open_source(data, int(seed)), "")
    bounds = Partition(source.rows, comm.size).bounds
    blocks = [source.read(*bounds(rank)) for rank in range(comm.size)]
X, y = comm.scatter(blocks)
total, sizes = np.empty(X.shape[1] + 1), []


def evaluate(beta):
    """Return loss and gradient at beta; raise StopIteration at the target."""
    due = time.monotonic() + delay.finish_times(len(sizes), comm.rank, np.ones(1))[0]
    mine = np.append(objective.gradient(X, y, beta, None), objective.loss(X, y, beta))
    time.sleep(max(0.0, due - time.monotonic()))
    comm.Allreduce(mine, total)
    loss, gradient = total[-1] + float(ridge) / 2 * beta @ beta, total[:-1] + float(ridge) * beta
    sizes.append(np.linalg.norm(gradient))
    if sizes[-1] <= float(target) * sizes[0]:
        raise StopIteration(loss)
    return loss, gradient


try:
    never = {"maxcor": 10, "ftol": 0.0, "gtol": 0.0, "maxfun": 10**6, "maxiter": 10**6}
    loss = minimize(evaluate, np.zeros(X.shape[1]), jac=True, method="L-BFGS-B", options=never).fun
except StopIteration as reached:
    loss = reached.value
if comm.rank == 0:
    print(json.dumps({"gradients": len(sizes), "ratio": sizes[-1] / sizes[0], "loss": loss}))
