"""The ideal, worked out in pieces while a run goes on."""

import numpy as np
import pytest

from coded_dgd.config import RunConfig
from coded_dgd.engine.ideal import Ideal
from coded_dgd.engine.setup import prepare
from coded_dgd.guard import GuardedDecoder, replay

WORKERS, ITERATIONS = 6, 5


@pytest.mark.parametrize("scheme", ["uncoded", "lcc-mmc", "uc-mmc"])
@pytest.mark.parametrize("ahead", [0, 3, WORKERS + 1, 1000])
def test_whenever_it_is_worked_out_it_is_what_a_replay_finds(scheme, ahead):
    load = None if scheme == "uncoded" else 3
    setup = prepare(
        RunConfig(scheme=scheme, workers=WORKERS, load=load, transport="simulated"), None
    )
    decoder = GuardedDecoder(setup.scheme, 1e6)
    ideal, delay_streams = Ideal(setup.delay), [*reversed(range(WORKERS))]
    ideal.begin(decoder, delay_streams)
    expected = []
    for iteration in range(ITERATIONS):
        lost = {} if iteration < 3 or scheme == "uncoded" else {2: 0.01}
        ideal.note(iteration, lost)
        sum(ideal.work() for _ in range(ahead))
        work = setup.scheme.work
        finish = np.array(
            [setup.delay.finish_times(iteration, draw, work) for draw in delay_streams]
        )
        expected.append(replay(decoder, finish, lost).completion_time)
    np.testing.assert_array_equal(ideal.times(), expected)
    assert not ideal.work()


def test_without_iterations_there_is_nothing_to_do():
    ideal = Ideal(prepare(RunConfig(workers=WORKERS, transport="simulated"), None).delay)
    assert not ideal.work()
    assert ideal.times().shape == (0,)


def test_after_a_long_step_the_rest_is_left_for_the_end(monkeypatch):
    setup = prepare(RunConfig(workers=WORKERS, scheme="uncoded", transport="simulated"), None)
    decoder, ideal = GuardedDecoder(setup.scheme, 1e6), Ideal(setup.delay)
    ideal.begin(decoder, range(WORKERS))
    for iteration in range(ITERATIONS):
        ideal.note(iteration, {})
    assert ideal.work()
    monkeypatch.setattr("coded_dgd.engine.ideal.LONG_STEP", 0.0)
    assert ideal.work()
    assert not ideal.work()
    assert len(ideal.times()) == ITERATIONS
