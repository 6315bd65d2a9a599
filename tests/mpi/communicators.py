"""A script that trains on parts of six ranks, with messages of its own about, and raises errors."""

import time

import numpy as np
from mpi4py import MPI

from coded_dgd import api, train
from coded_dgd.engine.transports.mpi.peer import Peer
from coded_dgd.errors import CodedDGDError, Diverged, UsageError

world = MPI.COMM_WORLD
half = world.Split(world.rank % 2, world.rank)
X = np.random.default_rng(0).standard_normal((40, 3))


def fit(comm=None, scale=1.0, **options):
    options = {"scheme": "uc-mmc", "load": 2, "iterations": 60, **options}
    return train(X, scale * (X @ [1, 2, 3]), comm=comm, **options)


def raised(call):
    """What every rank raises, gathered on all of them by a collective: nobody is left behind."""
    try:
        call()
    except BaseException as error:
        found = type(error), str(error)
    else:
        found = None
    return world.allgather(found)


# receives of the user's that match anything, and messages with the tags of ours, are left alone
receives = [half.irecv(), world.irecv()] if half.rank == 0 else [half.irecv(source=0)]
early = [half.isend(f"early {half.rank}", 0, tag) for tag in range(1, 8)] if half.rank == 1 else []
received = [receives.pop(0).wait()] if half.rank == 0 else []

# two trainings at the same time, each with a master of its own, one of them kept waiting
if world.rank == 3:
    time.sleep(6.5)
scale = 1.0 + world.rank % 2
result = fit(half, scale)
assert (result is None) == (half.rank > 0)
if result:
    np.testing.assert_allclose(result.coef_, [scale, 2 * scale, 3 * scale], atol=1e-6)
    assert result.summary["workers"] == 2
    assert result.summary["workers_lost"] == []
assert bool(fit(half, scale, scheme="mds-mmc")) == (half.rank == 0)  # again, on the same duplicate
assert bool(fit()) == (world.rank == 0)

if half.rank == 0:
    received += [half.recv(source=1) for _ in range(6)]
    assert received == ["early 1"] * 7
    world.isend("late", (world.rank + 1) % 2).wait()
    assert receives.pop().wait() == "late"
    for rank in range(1, half.size):
        half.send("late", rank)
else:
    assert receives.pop().wait() == "late"

# every rank raises what rank 0 does
for options, kind in ({"scheme": "lcc-mcc"}, UsageError), ({"step_size": "100"}, Diverged):
    (first, *others) = raised(lambda options=options: fit(**options))
    assert first[0] is kind, first
    assert others == [first] * 5, others


def broken(*_):
    raise ZeroDivisionError("planted")


def interrupted(*_):
    raise KeyboardInterrupt


# rank 0 keeps nothing that it has set up for messages, whose memory would grow with every training
set_up, prepared = Peer._set_up, []


def noted(*arguments):
    prepared.append(set_up(*arguments))
    return prepared[-1]


Peer._set_up = noted
fit()
Peer._set_up = set_up
assert bool(prepared) == (world.rank == 0)
assert all(request == MPI.REQUEST_NULL for request in prepared)

original = api._train
for function, kind in (broken, ZeroDivisionError), (interrupted, KeyboardInterrupt):
    api._train = function
    first, *others = raised(fit)
    assert first[0] is kind
    assert {each[0] for each in others} == {CodedDGDError}
    assert all(f"rank 0 on {MPI.Get_processor_name()}: {kind.__name__}" in e[1] for e in others)
api._train = original

# what is no communicator of this rank is refused by every rank
for comm in "world", MPI.COMM_NULL, 3:
    found = raised(lambda comm=comm: fit(comm))
    assert {each[0] for each in found} == {UsageError}, found
    assert found[0][1].startswith("train: comm ")
found = raised(lambda: fit(half, transport="simulated", workers=4))
assert {each[0] for each in found} == {UsageError}, found

# a duplicate is freed with its communicator: there may be many, one after the other
half.Free()
for _ in range(3):
    pair = world.Split(world.rank // 2)
    assert bool(fit(pair, scheme="uncoded", load=1)) == (pair.rank == 0)
    pair.Free()
assert bool(fit()) == (world.rank == 0)
if world.rank == 0:
    print("all is well")
