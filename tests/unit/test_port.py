"""The port of rank 0, message by message, and its backlog from one iteration to the next."""

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.planner import costs
from coded_dgd.planner.measurements import Measurements, Network, Speed
from coded_dgd.planner.observations import TaskTimes
from coded_dgd.planner.port import Port

WORKERS = 8
LAW = "shifted-exponential:mu=10,alpha=0.01"
SIZES = costs.Sizes(400, 20, 400, 1e6)


def one_by_one(sent, service, busy=0.0):
    """Instants at which the messages of one iteration are received, each after the one before."""
    received = np.empty(sent.shape)
    for place in sorted(np.ndindex(sent.shape), key=lambda each: sent[each]):
        busy = received[place] = max(busy, sent[place]) + service
    return received


def done_with(sent, received, until):
    """The instant at which the port is done with what has reached it by then; 0 for nothing."""
    return max(
        (received[each] for each in np.ndindex(sent.shape) if sent[each] <= until), default=0
    )


@pytest.mark.parametrize("seed", range(40))
def test_messages_are_received_one_after_the_other(seed):
    rng = np.random.default_rng(seed)
    sent = rng.exponential(1.0, (6, rng.integers(1, 6), rng.integers(1, 5)))
    sent[rng.random(sent.shape) < 0.2] = np.inf
    service = 10.0 ** rng.uniform(-2, 1)
    port = Port(sent, service)
    np.testing.assert_array_equal(port.first, sent.min(axis=(1, 2)))
    for backlog in (np.zeros(6), rng.exponential(1.0, 6), rng.choice([0.0, 0.5, 20.0], 6)):
        received = port.received(backlog)
        for each, at, busy in zip(sent, received, backlog, strict=True):
            np.testing.assert_allclose(at, one_by_one(each, service, busy), rtol=1e-12)
        # at any time, before the first message, with a message, and after the last one
        for until in (rng.exponential(1.0, 6), np.zeros(6), port.first, np.full(6, 1e9)):
            cases = zip(sent, received, np.minimum(until, 1e9), strict=True)
            assert port.free(np.minimum(until, 1e9)).tolist() == [
                done_with(*each) for each in cases
            ]
    np.testing.assert_array_equal(Port(sent, service).received(), port.received(np.zeros(6)))


def one_iteration_after_the_other(scheme, delay, network):
    """Completion times of the planner's realisations, which follow each other in a circle."""
    rng = np.random.default_rng(np.random.SeedSequence(costs.SEED, spawn_key=(8,)))
    times = delay.sample(rng, costs.REALISATIONS, scheme.workers, scheme.message_work(delay))
    times[:, ~scheme.expected] = np.inf
    latency, service = network.latency_of(20), network.service_of(20)
    busy, found = 0.0, np.empty(len(times))
    for number in [*range(len(times))] * 2:  # the second time around the circle is what counts
        sent = times[number] + latency - service
        received = one_by_one(sent, service, busy)
        found[number] = scheme.completion_time(received[None])[0]
        leaves = found[number] + network.overhead
        busy = max(done_with(sent, received, leaves + latency / 2) - leaves, 0.0)
    return found


@pytest.mark.parametrize("overhead", [0.0, 0.01])
@pytest.mark.parametrize("service", [1e-3, 5e-3, 0.02])
@pytest.mark.parametrize(("name", "load"), [("uncoded", None), ("gc", 4), ("mds-mmc", 4)])
def test_the_backlog_is_that_of_one_iteration_after_the_other(name, load, service, overhead):
    delay, scheme = delays.create(LAW, 0), schemes.create(name, WORKERS, load=load)
    network = Network((1, 20), (0.025,) * 2, (service,) * 2, overhead=overhead)
    seen = TaskTimes(
        delay.trace(3, WORKERS, np.ones(1)),
        np.ones((WORKERS, 1), int),
        np.full((3, WORKERS), np.inf),
    )
    measured = Measurements(seen, 1e-5, network, Speed(1e-10, 3e-11))
    found = costs.iteration(scheme, delay, measured, SIZES, injected=True).drawn
    expected = one_iteration_after_the_other(scheme, delay, network)
    assert found.mean() == pytest.approx(expected.mean(), rel=2 * costs.SETTLED)
    assert (abs(found / expected - 1) > 2 * costs.SETTLED).mean() < 0.05
