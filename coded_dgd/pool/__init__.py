"""Workers that one process keeps for its trainings: `coded_dgd.workers`.

The process starts mpiexec, and is a client of rank 0 of that job (`coded_dgd.pool_ranks`), which is
the master of every training, as it is under a launcher of the user.
"""

from coded_dgd.pool.messages import Call
from coded_dgd.pool.worker_pool import WorkerPool, current, workers

__all__ = ["Call", "WorkerPool", "current", "workers"]
