"""What a rehearsal measures, in virtual time."""

import pytest

from coded_dgd.advising.dry_run import FIRST, ITERATIONS, dry_run
from coded_dgd.config import RunConfig
from coded_dgd.engine.transports.simulated import SimulatedTransport

SLOW, BUSY = 2e-3, 0.03


class SlowMaster(SimulatedTransport):
    """Sending a point takes `SLOW` seconds, and looking for messages again takes `busy`."""

    points, busy = 0, 0.0

    def broadcast(self, point, peers):
        self.now += SLOW
        self.points += 1
        super().broadcast(point, peers)

    def receive(self, until=float("inf"), enough=1):
        batch = super().receive(until)
        self.now += self.busy
        return batch


@pytest.mark.parametrize("lost", [(), (2,), (0, 3)])
def test_what_an_iteration_takes_besides_computing(lost):
    transport = SlowMaster(4)
    transport.busy = BUSY
    for peer in lost:
        transport.dismiss(peer, 0, "lost before")
    found = dry_run(RunConfig(scheme="auto"), transport, 7)
    assert found.completion == pytest.approx(SLOW)
    assert found.between == pytest.approx(BUSY, rel=0.2)  # less decoding, which takes real time
    assert FIRST < transport.points <= ITERATIONS


def test_it_is_over_in_time():
    transport = SlowMaster(3)
    dry_run(RunConfig(scheme="auto"), transport, 7)
    assert transport.points == ITERATIONS
    transport = SlowMaster(3)
    transport.now = 1.0
    original = transport.broadcast

    def slower(point, peers):
        transport.now += 0.2
        original(point, peers)

    transport.broadcast = slower
    dry_run(RunConfig(scheme="auto"), transport, 7)
    assert transport.points <= FIRST + 2
