"""A worker receives rows of its blocks where it keeps them."""

from itertools import pairwise

import numpy as np
import pytest

from coded_dgd.engine.protocol import Assignment, SharedPlaces
from coded_dgd.engine.shard import Shard
from coded_dgd.engine.transports.mpi.library import DATA, MPI
from coded_dgd.engine.transports.mpi.worker import MPIWorker
from coded_dgd.problems.layout import Layout

HEIGHT, COLUMNS = 7, 3
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((2, HEIGHT, COLUMNS)), RNG.standard_normal((2, HEIGHT))


class Arrived:
    """A communicator on which messages have arrived."""

    def __init__(self, messages):
        self.messages = messages

    def Iprobe(self, source, tag, status):
        assert tag == DATA
        status.Set_elements(MPI.DOUBLE, self.messages[0].size)
        return True

    def Recv(self, array, source, tag):
        message = self.messages.pop(0)
        array[...] = message.reshape(array.shape)


def assignment(kernel, labels=True):
    return Assignment(
        code_id=0,
        replaces=None,
        worker=0,
        tasks=2,
        height=HEIGHT,
        columns=COLUMNS,
        layout=Layout(COLUMNS),
        own=None,
        labels=labels,
        ends=(1, 2),
        coefficients=None,
        unit=1.0,
        product=not labels,
        objective="least-squares",
        delay="none",
        seed=0,
        kernel=kernel,
    )


def shard(kernel, labels=True):
    return Shard(assignment(kernel, labels))


def pieces(shard, messages, assignment=None):
    worker = object.__new__(MPIWorker)
    worker._comm = Arrived(messages)
    for start, rows, y in worker._pieces(assignment or shard.assignment, shard.memory):
        yield rows
        shard.load(start, rows, y)
    assert not worker._comm.messages


def as_sent(labels, *bounds):
    """Messages as `MPIMaster.piece` sends them."""
    messages = []
    for first, last in pairwise(bounds):
        whole = last - first == HEIGHT
        messages += [X] if whole else [*X[:, first:last]]
        messages += [Y[:, first:last]] if labels else []
    return messages


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("bounds", [(0, 7), (0, 3, 6, 7), (0, 1, 2, 7)])
def test_rows_are_received_into_the_blocks(bounds, labels):
    held = shard("products", labels)
    for rows in pieces(held, as_sent(labels, *bounds)):
        assert np.shares_memory(rows, held.blocks.X)
    np.testing.assert_array_equal(held.blocks.X, X)
    if labels:
        np.testing.assert_array_equal(held.blocks.y, Y)


@pytest.mark.parametrize("bounds", [(0, 7), (0, 3, 6, 7)])
def test_rows_that_are_not_kept_are_received_too(bounds):
    held = shard("gram")
    list(pieces(held, as_sent(True, *bounds)))
    np.testing.assert_allclose(held.blocks.G, X.transpose(0, 2, 1) @ X)


@pytest.mark.parametrize("bounds", [(0, 7), (0, 3, 6, 7)])
def test_all_blocks_of_the_host_are_received_if_they_cannot_be_shared(bounds):
    places = SharedPlaces(2, (1,), 0)
    of_host = assignment("products")._replace(tasks=1, ends=(1,), shared=places)
    held = Shard(of_host)
    list(pieces(held, as_sent(True, *bounds), of_host))
    np.testing.assert_array_equal(held.blocks.X, X[1:])


def test_an_empty_message_ends_the_data():
    rows = next(pieces(shard("products"), [np.empty(0)]))
    assert rows.size == 0
