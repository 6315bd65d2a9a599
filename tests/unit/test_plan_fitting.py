"""Delay models recognised from simulated task times, and their parameters recovered."""

import numpy as np
import pytest

from coded_dgd import delays
from coded_dgd.planner.fitting import fit, slow_workers
from coded_dgd.planner.laws import ParetoLaw
from coded_dgd.planner.observations import ObservedTimes, TaskTimes

ITERATIONS, WORKERS = 40, 12
MODELS = [
    "shifted-exponential:mu=10,alpha=0.01",
    "shifted-exponential:mu=10,alpha=0.01,tasks=independent",
    "shifted-exponential:mu=inf,alpha=0.01",
    "pareto:shape=2.2,scale=0.06",
    "pareto:shape=1.5,scale=0.06,tasks=independent",
    "persistent:ranks=2,5,factor=20",
    "persistent:ranks=2,5,factor=4,mu=50,alpha=0.01",
    "markov:onset=0.05,recovery=0.2,factor=20",
    "markov:onset=0.1,recovery=0.3,factor=20,mu=100",
    "bernoulli:p=0.7,slow=1,fast=0.01",
]


def observed(text, seed=5, limit=np.inf, tasks=2, noise=0.0):
    finish = delays.create(text, seed).trace(ITERATIONS, WORKERS, np.arange(1.0, tasks + 1))
    finish += noise * np.random.default_rng(seed).random(finish.shape)
    finish[finish > limit] = np.nan
    done = np.tile(np.arange(1, tasks + 1), (WORKERS, 1))
    return TaskTimes(finish, done, np.full((ITERATIONS, WORKERS), limit))


def differences(found, text, seed=5):
    """(found - true) / standard error of every number that is fitted."""
    true = delays.create(text, seed)
    return {
        key: (found.parameters[key] - getattr(true, key)) / max(error, 1e-4 * getattr(true, key))
        for key, error in found.errors.items()
        if np.isfinite(getattr(true, key))
    }


@pytest.mark.parametrize("limit", [np.inf, 0.5])
@pytest.mark.parametrize("text", MODELS)
def test_each_model_is_recognised_and_its_parameters_recovered(text, limit):
    best, *_ = fit(observed(text, limit=limit))
    assert best.name == text.partition(":")[0]
    assert best.parameters.get("tasks") == ("independent" if "independent" in text else None)
    assert best.parameters.get("ranks") == ("2,5" if "ranks" in text else None)
    assert best.p_value > 0.01
    assert best.distance < 0.08
    off = differences(best, text)
    assert off
    if limit == np.inf:
        assert max(map(abs, off.values())) < 3.5, off
    else:  # of what is slow little is seen then
        for key in off.keys() - {"factor", "onset", "recovery"}:
            assert abs(off[key]) < 3.5, off


def test_censored_durations_do_not_bias_the_rate():
    text = "shifted-exponential:mu=10,alpha=0.01"
    rates = [fit(observed(text, seed, limit=0.1))[0].parameters["mu"] for seed in range(12)]
    error = 10 / np.sqrt(12 * ITERATIONS * WORKERS * 0.6)
    assert np.mean(rates) == pytest.approx(10, abs=3.5 * error)
    # without them it would be wrong by far
    assert fit(observed(text, 0, limit=0.1))[0].parameters["mu"] < 12


def test_a_little_noise_of_the_measurement_changes_no_name():
    for text in MODELS:
        best, *_ = fit(observed(text, noise=2e-4))
        assert best.name == text.partition(":")[0], text


def test_messages_that_are_received_together_do_not_make_tasks_independent():
    """A master that was busy finds the messages of two tasks at once, late."""
    times = observed(MODELS[0])
    rng = np.random.default_rng(3)
    finish = times.finish.copy()
    late = rng.random(finish.shape[:2]) < 0.1
    finish[late, 0] = finish[late, 1]
    best, *_ = fit(TaskTimes(finish, times.done, times.until))
    assert best.text.startswith("shifted-exponential")
    assert "independent" not in best.text


def test_what_no_law_fits_is_kept_as_it_is():
    rng = np.random.default_rng(0)
    # three speeds at random
    seconds = rng.choice([0.01, 0.1, 1.0], (ITERATIONS, WORKERS)) * (1 + 0.05 * rng.random())
    finish = seconds[..., None] * [1, 2]
    times = TaskTimes(finish, np.tile([1, 2], (WORKERS, 1)), np.full((ITERATIONS, WORKERS), np.inf))
    best, second, *_ = fit(times)
    assert best.name == "empirical"
    assert second.distance > 0.1
    model = best.model(0)
    drawn = model.sample(np.random.default_rng(1), 500, WORKERS, np.arange(1.0, 4))
    assert set(np.unique(drawn[..., 0]).round(9)) == set(np.unique(seconds).round(9))
    assert drawn[..., 2] == pytest.approx(3 * drawn[..., 0])


def test_censored_durations_count_as_longer_where_they_are_drawn_from():
    rng = np.random.default_rng(0)
    seconds = rng.choice([0.01, 0.1, 1.0], (ITERATIONS, WORKERS))
    finish = seconds[..., None].copy()
    until = np.full((ITERATIONS, WORKERS), np.inf)
    until[:20] = 0.5
    finish[:20][finish[:20] > 0.5] = np.nan
    best, *_ = fit(TaskTimes(finish, np.ones((WORKERS, 1), dtype=np.int64), until))
    assert best.name == "empirical"
    assert best.durations == pytest.approx(seconds)


def test_slow_workers_are_named_and_accidents_are_not():
    named = observed("persistent:ranks=1,3,factor=3,mu=50,alpha=0.01").shared()
    assert list(np.flatnonzero(slow_workers(named))) == [0, 2]
    accidents = sum(
        slow_workers(observed("pareto:shape=1.5,scale=0.06", seed).shared()).any()
        for seed in range(20)
    )
    assert accidents == 0


def test_workers_that_never_answered_are_slow_too():
    times = observed("persistent:ranks=4,factor=1000", limit=0.5)
    best, *_ = fit(times)
    assert best.parameters["ranks"] == "4"
    assert best.parameters["factor"] >= 50


def test_messages_of_several_tasks_tell_the_duration_of_one():
    finish = delays.create(MODELS[0], 3).trace(ITERATIONS, WORKERS, np.array([3.0, 6.0]))
    times = TaskTimes(finish, np.tile([3, 6], (WORKERS, 1)), np.full((ITERATIONS, WORKERS), np.inf))
    best, *_ = fit(times)
    assert best.name == "shifted-exponential"
    assert max(map(abs, differences(best, MODELS[0]).values())) < 3.5


def test_without_any_end_there_is_nothing_to_fit():
    times = observed(MODELS[0], limit=1e-4)
    with pytest.raises(ValueError, match="no task"):
        fit(times)


def test_a_redrawn_fit_differs_by_its_errors():
    found, *_ = fit(observed(MODELS[0]))
    rng = np.random.default_rng(0)
    rates = [found.redrawn(rng).parameters["mu"] for _ in range(200)]
    assert np.std(rates) == pytest.approx(found.errors["mu"], rel=0.25)


def test_iterations_that_end_with_the_seventh_of_ten_tell_the_law_of_all():
    durations = 0.01 + np.random.default_rng(1).exponential(0.02, (20, 10))
    ends = np.sort(durations, axis=1)[:, 6]
    finish = np.where(durations <= ends[:, None], durations, np.nan)[..., None]
    until = np.tile(ends[:, None], (1, 10))
    best, *_ = fit(TaskTimes(finish, np.ones((10, 1), dtype=np.int64), until))
    assert best.name == "shifted-exponential"
    assert best.parameters["mu"] == pytest.approx(50, abs=4 * best.errors["mu"])


def glimpsed(text, seed, iterations, limit):
    """Five iterations that are watched to the end, and then many for a short time."""
    finish = delays.create(text, seed).trace(iterations, WORKERS, np.array([1.0, 2.0]))
    until = np.full((iterations, WORKERS), np.inf)
    until[5:] = limit
    finish[5:][finish[5:] > limit] = np.nan
    return TaskTimes(finish, np.tile([1, 2], (WORKERS, 1)), until)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("persistent:ranks=2,5,factor=10,mu=100,alpha=0.01", 0.06),
        ("markov:onset=0.05,recovery=0.2,factor=20", 0.03),
        ("markov:onset=0.1,recovery=0.3,factor=20,mu=100", 0.06),
    ],
)
def test_how_slow_the_slow_ones_are_is_known_from_a_few_iterations(text, limit):
    """As for an exponential law, exposure by ends, it would be 2 to 8 times too much."""
    factors = []
    for seed in range(5):
        best, *_ = fit(glimpsed(text, seed, 150, limit))
        assert best.name == text.partition(":")[0]
        assert best.parameters.get("ranks") == ("2,5" if "ranks" in text else None)
        factors.append(best.parameters["factor"])
    assert np.mean(factors) == pytest.approx(delays.create(text, 0).factor, rel=0.15)


def test_many_short_iterations_tell_how_many_are_slow():
    text = "markov:onset=0.05,recovery=0.2,factor=20"
    true = delays.create(text, 0).slow_share(0)

    def error(iterations):
        shares = [
            fit(glimpsed(text, seed, iterations, 0.03))[0].model(0).slow_share(0)
            for seed in range(8)
        ]
        return float(np.sqrt(np.mean((np.array(shares) - true) ** 2)))

    assert error(200) < 0.04 < error(20)


def test_who_was_not_waited_for_is_late():
    text = "bernoulli:p=0.3,slow=1,fast=0.01"
    (best,) = fit(glimpsed(text, 1, 100, 0.015))
    assert best.parameters["p"] == pytest.approx(0.3, abs=4 * best.errors["p"])
    assert best.parameters["slow"] == pytest.approx(1.0)


def test_a_heavier_tail_than_the_delay_model_can_have_is_fitted_by_the_heaviest():
    seconds = np.array([1e-6, *np.ones(20)])
    law = ParetoLaw.fit(ObservedTimes(seconds, np.ones(21, dtype=bool), seconds))
    assert law.shape == 0.1
    delays.create("pareto:" + ",".join(f"{name}={x}" for name, x in law.parameters.items()), 0)
