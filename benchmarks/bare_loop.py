"""The receives and sends of a run and nothing else: what benchmarks/message_rate.py compares with.

mpiexec -n 41 python benchmarks/bare_loop.py ITERATIONS MESSAGES NEEDED FEATURES [ROWS]

Rank 0 sends a point to all, receives until NEEDED messages of this iteration are here, and sends
the next; workers answer each point with MESSAGES messages unless a newer one has come. Tests and
pauses are those of coded_dgd. Given ROWS, it also computes in the shortest way that numpy has: for
each message the gradient of so many rows, and on rank 0 a check for inf and nan, one weighted sum,
its norm and a step. Prints, per iteration and in seconds: elapsed time, processor time of
rank 0, and processor time of a worker.
"""

import sys
import time

import numpy as np
from mpi4py import MPI

POINT, RESULT, PROCESSOR, HEADER = 1, 2, 3, 5
ITERATIONS, MESSAGES, NEEDED, FEATURES, ROWS = map(int, [*sys.argv[1:], 0][:5])
comm = MPI.COMM_WORLD
workers = range(1, comm.size)


def master():
    buffers = [np.empty(HEADER + FEATURES) for _ in workers]
    requests = [comm.Irecv(buffers[w - 1], w, RESULT) for w in workers]
    statuses = [MPI.Status() for _ in workers]
    sums = np.empty((MESSAGES * len(workers), FEATURES))
    beta, weights, zeros, sending = np.zeros(FEATURES), np.ones(NEEDED), np.zeros(FEATURES), []
    for iteration in range(-1, ITERATIONS + 1):  # the first is not timed, the last one says stop
        if iteration == 0:
            begin, processor = time.perf_counter(), time.process_time()
        if iteration == ITERATIONS:
            seconds = time.perf_counter() - begin
            processor = time.process_time() - processor
        sending = [item for item in sending if not item[0].Test()]
        message = np.empty(1 + FEATURES)
        message[0], message[1:] = iteration, beta
        sending += [(comm.Isend(message, w, POINT), message) for w in workers]
        here = 0 if iteration < ITERATIONS else NEEDED
        while here < NEEDED:
            pause = 5e-5
            some = MPI.Request.Testsome
            while not (found := some(requests, statuses) or some(requests, statuses)):
                time.sleep(pause)
                pause = min(2 * pause, 2e-4)
            for index in found:
                if buffers[index][1] == iteration and here < NEEDED:
                    sums[here] = buffers[index][HEADER:]
                    here += 1
                requests[index] = comm.Irecv(buffers[index], index + 1, RESULT)
        if ROWS and here:
            used = sums[:NEEDED]
            assert not used.dot(zeros).any()
            gradient = weights @ used
            assert np.linalg.norm(gradient) >= 0
            beta = beta - 1e-9 * gradient
    for request in requests:
        request.Cancel()
    return seconds / ITERATIONS, processor / ITERATIONS


def worker():
    buffer, sending = np.empty(1 + FEATURES), []
    X, y = np.ones((ROWS, FEATURES)), np.ones(ROWS)
    request, began = comm.Irecv(buffer, 0, POINT), None
    while True:
        pause = 5e-5
        while not request.Test():
            time.sleep(pause)
            pause = min(2 * pause, 1e-3)
        while True:
            iteration = buffer[0]
            if iteration == ITERATIONS:
                return (time.process_time() - began) / ITERATIONS
            if began is None:
                began = time.process_time()
            request = comm.Irecv(buffer, 0, POINT)
            if not (request.Test() or request.Test()):
                break
        for index in range(MESSAGES):
            message = np.zeros(HEADER + FEATURES)
            message[1:3] = iteration, index
            if ROWS:
                message[HEADER:] += (X.dot(buffer[1:]) - y).dot(X)
            sending = [item for item in sending if not item[0].Test()]
            sending.append((comm.Isend(message, 0, RESULT), message))
            if request.Test():
                break
        # a newer point is taken by the test at the top


if comm.rank:
    comm.Isend(np.array([worker()]), 0, PROCESSOR).Wait()
else:
    elapsed, processor = master()
    found = np.zeros((len(workers), 1))
    for w in workers:
        comm.Recv(found[w - 1], w, PROCESSOR)
    print(elapsed, processor, found.mean(), flush=True)
barrier = comm.Ibarrier()
while not barrier.Test():
    time.sleep(1e-3)
