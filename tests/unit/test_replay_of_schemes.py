"""Schemes that are replayed on the same iterations, and the error of the ratio of their times."""

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.delays.base import DelayModel
from coded_dgd.theory.replay import completion_times, ratio_of_means, replay

PAPER = delays.create("shifted-exponential:mu=10,alpha=0.01,per=share", 3)


def test_uncoded_waits_for_the_slowest():
    times = completion_times(schemes.create("uncoded", 6, 12), PAPER, 20)
    slowest = PAPER.trace(20, 6, np.array([1.0]))[..., 0].max(axis=1)
    np.testing.assert_allclose(times, slowest)


def test_a_dynamic_scheme_is_replayed_with_what_it_has_learnt():
    times = completion_times(schemes.create("uc-dynamic", 6, 24, copies="all"), PAPER, 20)
    durations = PAPER.trace(20, 6, np.array([1.0]))[..., 0]
    perfect = 6 / (1 / durations).sum(axis=1)
    assert (times >= perfect * (1 - 1e-9)).all()
    assert times.mean() < 0.6 * durations.max(axis=1).mean()


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_standard_error_accounts_for_correlation_in_time(correlation):
    rng = np.random.default_rng(0)
    errors, ratios = [], []
    for _ in range(200):
        noise = rng.normal(size=400)
        for t in range(1, len(noise)):
            noise[t] = correlation * noise[t - 1] + (1 - correlation**2) ** 0.5 * noise[t]
        found = ratio_of_means(2.0 + 0.1 * noise, np.ones(400), block=50)
        ratios.append(found.value)
        errors.append(found.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.25)


def test_messages_are_those_that_have_arrived_in_time():
    uncoded = replay(schemes.create("uncoded", 6, 12), PAPER, 20)
    assert uncoded.messages.tolist() == [6.0] * 20
    some = schemes.create("uc-mmc", 6, 12, load=6)
    found = replay(some, PAPER, 20)
    assert (found.messages >= 12).all() and (found.messages <= 36).all()
    np.testing.assert_array_equal(found.times, completion_times(some, PAPER, 20))
    dynamic = replay(schemes.create("uc-dynamic", 6, 12, copies="3"), PAPER, 20)
    assert (dynamic.messages >= 12).all()
    assert dynamic.messages.mean() < found.messages.mean()


@pytest.mark.parametrize("per", ["task", "share"])
@pytest.mark.parametrize("tasks", [None, 5])
def test_a_whole_recorded_run_is_its_iterations_one_by_one(tmp_path, per, tasks):
    rng = np.random.default_rng(2)
    times = rng.exponential(1.0, (7, 4) if tasks is None else (7, 4, tasks)) + 0.1
    np.save(tmp_path / "a.npy", times if tasks is None else times.cumsum(axis=2))
    recorded = delays.create(f"trace:{tmp_path / 'a.npy'},per={per}", 0)
    work = np.arange(1.0, 8.0) / 2
    np.testing.assert_array_equal(
        recorded.trace(10, 3, work), DelayModel.trace(recorded, 10, 3, work)
    )
