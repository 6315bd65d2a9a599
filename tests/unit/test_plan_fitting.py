"""The measured distribution is what predictions use, and the nearest laws describe it."""

import numpy as np
import pytest

from coded_dgd import delays
from coded_dgd.planner.censoring import imputed, lasting
from coded_dgd.planner.fitting import fit, has_overhead, slow_workers
from coded_dgd.planner.laws import ParetoLaw
from coded_dgd.planner.observations import ObservedTimes, TaskTimes

ITERATIONS, WORKERS = 40, 12
SHARED = [
    "shifted-exponential:mu=10,alpha=0.01",
    "shifted-exponential:mu=inf,alpha=0.01",
    "pareto:shape=2.2,scale=0.06",
]
INDEPENDENT = [
    "shifted-exponential:mu=10,alpha=0.01,tasks=independent",
    "pareto:shape=1.5,scale=0.06,tasks=independent",
]
OTHERS = [
    "persistent:ranks=2,5,factor=20",
    "persistent:ranks=2,5,factor=4,mu=50,alpha=0.01",
    "markov:onset=0.05,recovery=0.2,factor=20",
    "markov:onset=0.1,recovery=0.3,factor=20,mu=100",
]


def seen(finish, until=np.inf):
    iterations, workers, tasks = finish.shape
    done = np.tile(np.arange(1, tasks + 1), (workers, 1))
    return TaskTimes(finish, done, np.full((iterations, workers), until))


def observed(text, seed=5, limit=np.inf, tasks=2, noise=0.0, iterations=ITERATIONS):
    finish = delays.create(text, seed).trace(iterations, WORKERS, np.arange(1.0, tasks + 1))
    finish += noise * np.random.default_rng(seed).random(finish.shape)
    finish[finish > limit] = np.nan
    return seen(finish, limit)


def additive(iterations, workers, seed=0):
    """Overheads and durations, both random."""
    rng = np.random.default_rng(seed)
    shape = (iterations, workers)
    return 0.05 + rng.exponential(0.05, shape), 0.01 + rng.exponential(0.003, shape)


def glimpsed(finish, limit, whole=5):
    """Some iterations that are watched to the end, and then many for a short time."""
    iterations, workers, _ = finish.shape
    until = np.full((iterations, workers), np.inf)
    until[whole:] = limit
    finish = finish.copy()
    finish[whole:][finish[whole:] > limit] = np.nan
    return TaskTimes(finish, seen(finish).done, until)


def means_in_order(model, workers, work, realisations=4000):
    """Mean finish time of the fastest worker, ..., of the slowest, after this work."""
    drawn = model.sample(np.random.default_rng(1), realisations, workers, np.atleast_1d(work))
    return np.sort(drawn[..., 0], axis=1).mean(axis=0)


@pytest.mark.parametrize("limit", [np.inf, 0.5])
@pytest.mark.parametrize("text", SHARED + INDEPENDENT)
def test_the_nearest_law_is_named_and_its_parameters_recovered(text, limit):
    measured, nearest, *_ = fit(observed(text, limit=limit))
    assert measured.name == "measured"
    assert nearest.text in measured.text
    assert measured.distance == 0
    assert nearest.name == text.partition(":")[0]
    assert nearest.parameters.get("tasks") == ("independent" if "independent" in text else None)
    assert nearest.distance < 0.08
    true = delays.create(text, 5)
    for key, value in nearest.parameters.items():
        if key != "tasks" and np.isfinite(getattr(true, key)):
            scale = key in ("mu", "shape")
            assert value == pytest.approx(getattr(true, key), rel=0.2 if scale else 0.1)
    delays.create(nearest.text, 0)


@pytest.mark.parametrize("text", [*SHARED, *OTHERS])
def test_tasks_that_share_a_duration_have_no_overhead_at_all(text):
    for noise in (0.0, 2e-4):
        measured = fit(observed(text, noise=noise))[0].measured
        assert not measured.overhead.any()
    whole = fit(observed(text))[0].measured
    finish = observed(text).finish
    assert whole.seconds == pytest.approx(finish[..., 1] / 2)


@pytest.mark.parametrize("tasks", [2, 3, 6])
def test_an_overhead_is_told_from_the_time_per_task(tasks):
    overhead, seconds = additive(60, 10)
    finish = overhead[..., None] + seconds[..., None] * np.arange(1, tasks + 1)
    measured, nearest = fit(seen(finish))
    assert measured.measured.overhead == pytest.approx(overhead)
    assert measured.measured.seconds == pytest.approx(seconds)
    assert nearest.name == "additive"
    found = nearest.parameters
    assert found["overhead"] == pytest.approx(0.05, rel=0.05)
    assert found["overhead_mu"] == pytest.approx(20, rel=0.2)
    assert found["alpha"] == pytest.approx(0.01, rel=0.05)
    assert found["mu"] == pytest.approx(333, rel=0.2)
    assert nearest.distance < 0.08
    # six tasks of a worker are predicted from two
    assert means_in_order(measured.model(0), 10, 6.0) == pytest.approx(
        np.sort(overhead + 6 * seconds, axis=1).mean(axis=0), rel=0.04
    )


def test_overheads_are_found_although_most_looks_are_short():
    overhead, seconds = additive(150, 12)
    finish = overhead[..., None] + seconds[..., None] * np.arange(1, 3)
    measured = fit(glimpsed(finish, 0.12))[0]
    for work in (1.0, 4.0):
        found = means_in_order(measured.model(0), 12, work)
        true = np.sort(overhead + work * seconds, axis=1).mean(axis=0)
        assert found == pytest.approx(true, rel=0.1)


def test_tasks_that_end_together_take_no_time_after_the_overhead():
    measured = fit(observed("bernoulli:p=0.3,slow=1,fast=0.01"))[0]
    drawn = measured.model(0).sample(np.random.default_rng(0), 500, WORKERS, np.arange(1.0, 6))
    assert (drawn == drawn[..., :1]).all()
    assert set(np.unique(drawn).round(9)) == {0.01, 1.0}
    assert (drawn[..., 0] > 0.1).mean() == pytest.approx(0.3, abs=0.06)


def test_overheads_of_workers_that_differ_by_chance_are_no_overhead():
    """The difference of two independent tasks is nothing on average."""
    for seed in range(20):
        for text in INDEPENDENT:
            assert not has_overhead(observed(text, seed).lines())


def test_independent_tasks_are_drawn_one_by_one():
    measured = fit(observed(INDEPENDENT[0]))[0]
    drawn = measured.model(0).sample(np.random.default_rng(0), 4000, 2, np.arange(1.0, 11))
    tasks = np.diff(drawn[:, 0], axis=1, prepend=0)
    assert abs(np.corrcoef(tasks.T)[0, 1]) < 0.06
    assert tasks.mean() == pytest.approx(0.11, rel=0.08)


def test_messages_that_are_received_together_do_not_make_tasks_independent():
    """A master that was busy finds the messages of two tasks at once, late."""
    times = observed(SHARED[0])
    rng = np.random.default_rng(3)
    finish = times.finish.copy()
    late = rng.random(finish.shape[:2]) < 0.1
    finish[late, 0] = finish[late, 1]
    measured, nearest, *_ = fit(TaskTimes(finish, times.done, times.until))
    assert nearest.text.startswith("shifted-exponential")
    assert "independent" not in nearest.text
    assert not measured.measured.overhead.any()


def test_workers_that_are_slow_together_stay_together():
    rng = np.random.default_rng(0)
    seconds = rng.choice([0.01, 0.1], (60, 1)) * (1 + rng.random((60, WORKERS)))
    measured = fit(seen(seconds[..., None] * [1, 2]))[0]
    assert not measured.measured.apart
    drawn = measured.model(0).sample(np.random.default_rng(1), 60, WORKERS, np.ones(1))[..., 0]
    assert np.sort(drawn, axis=0) == pytest.approx(np.sort(seconds, axis=0))
    assert (drawn.max(axis=1) / drawn.min(axis=1) < 2.5).all()
    ordered = measured.model(0).consecutive(np.random.default_rng(1), 60, WORKERS, np.ones(1))
    start = int(np.flatnonzero(seconds[:, 0] == ordered[0, 0, 0])[0])
    assert ordered[..., 0] == pytest.approx(np.roll(seconds, -start, axis=0))


def test_workers_that_are_independent_meet_in_all_combinations():
    """So that the slowest of many is known from few iterations."""
    times = observed(SHARED[0], iterations=15)
    measured = fit(times)[0]
    assert measured.measured.apart and measured.measured.alike
    found = means_in_order(measured.model(0), WORKERS, 1.0)
    true = 0.01 + 0.1 * np.cumsum(1 / np.arange(WORKERS, 0, -1))
    assert found[-1] == pytest.approx(true[-1], rel=0.12)
    together = [fit(observed(SHARED[0], seed, iterations=100))[0].measured for seed in range(20)]
    assert sum(each.apart for each in together) >= 19


def test_a_worker_stays_slow_for_as_long_as_measured():
    text = "markov:onset=0.05,recovery=0.1,factor=20"
    measured = fit(observed(text, iterations=300))[0]
    assert measured.measured.apart
    drawn = measured.model(0).consecutive(np.random.default_rng(0), 2000, WORKERS, np.ones(1))
    slow = drawn[..., 0] > 0.05
    assert (slow[1:] & slow[:-1]).sum() / slow[:-1].sum() == pytest.approx(0.9, abs=0.04)


def test_lasting_speeds_are_kept_and_chance_is_not():
    speeds = np.array([1.0, 1, 3, 1, 1, 0.5, 1, 1])
    rng = np.random.default_rng(0)
    noise = 0.02 + rng.exponential(0.02, (200, 8))
    assert lasting(noise) == pytest.approx(np.ones(8))
    assert lasting(speeds * noise) == pytest.approx(speeds, rel=0.15)
    measured = fit(seen((speeds * noise)[..., None] * [1, 2]))[0]
    drawn = measured.model(0).sample(rng, 4000, 8, np.ones(1))[..., 0]
    assert drawn.mean(axis=0) == pytest.approx(0.04 * speeds, rel=0.15)


def test_censored_durations_do_not_bias_the_mean():
    text = "shifted-exponential:mu=10,alpha=0.01"
    means = [fit(observed(text, seed, limit=0.1))[0].measured.seconds.mean() for seed in range(12)]
    error = 0.1 / np.sqrt(12 * ITERATIONS * WORKERS * 0.6)
    assert np.mean(means) == pytest.approx(0.11, abs=3.5 * error)


def test_censored_durations_follow_those_that_are_longer():
    """As by Kaplan and Meier, where no law is near."""
    rng = np.random.default_rng(0)
    seconds = rng.choice([0.01, 0.1, 1.0, 2.0], (400, WORKERS), p=[0.4, 0.3, 0.1, 0.2])
    finish = seconds[..., None].copy()
    until = np.full((400, WORKERS), np.inf)
    until[100:] = 0.5
    finish[100:][finish[100:] > 0.5] = np.nan
    times = TaskTimes(finish, np.ones((WORKERS, 1), dtype=np.int64), until).shared()
    found = imputed(times, rng)
    assert found[times.known] == pytest.approx(seconds[times.known])
    drawn = found[~times.known].round(9)
    assert set(np.unique(drawn)) == {1.0, 2.0}
    assert (drawn == 2.0).mean() == pytest.approx(2 / 3, abs=0.06)


def test_beyond_the_last_known_duration_the_tail_is_exponential():
    rng = np.random.default_rng(1)
    seconds = rng.choice([0.0, 0.2], (300, WORKERS)) + rng.exponential(0.05, (300, WORKERS))
    limit = 0.3
    known = seconds <= limit
    times = ObservedTimes(np.minimum(seconds, limit), known, np.full(seconds.shape, limit))
    found = imputed(times, rng)
    assert (found[~known] > limit).all()
    assert (found[~known] - limit).mean() == pytest.approx(0.05, rel=0.3)


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
    found, true = [], []
    for seed in range(5):
        model = delays.create(text, seed)
        finish = model.trace(150, WORKERS, np.array([1.0, 2.0]))
        fitted = fit(glimpsed(finish, limit))[0].measured
        slow = finish[..., 1] > limit
        found.append(fitted.seconds[slow].mean())
        true.append(finish[..., 0][slow].mean())
    assert np.mean(found) == pytest.approx(np.mean(true), rel=0.15)


def test_many_short_iterations_tell_how_many_are_slow():
    text = "markov:onset=0.05,recovery=0.2,factor=20"
    true = delays.create(text, 0).slow_share(0)

    def error(iterations):
        shares = []
        for seed in range(8):
            finish = delays.create(text, seed).trace(iterations, WORKERS, np.array([1.0, 2.0]))
            shares.append((fit(glimpsed(finish, 0.03))[0].measured.seconds > 0.1).mean())
        return float(np.sqrt(np.mean((np.array(shares) - true) ** 2)))

    assert error(200) < 0.04 < error(20)


def test_workers_that_never_answered_are_slow():
    times = observed("persistent:ranks=4,factor=1000", limit=0.5)
    seconds = fit(times)[0].measured.seconds
    assert seconds[:, 3].min() >= 50 * np.delete(seconds, 3, axis=1).mean()


def test_slow_workers_are_named_and_accidents_are_not():
    named = observed("persistent:ranks=1,3,factor=3,mu=50,alpha=0.01").shared()
    assert list(np.flatnonzero(slow_workers(named))) == [0, 2]
    accidents = sum(
        slow_workers(observed("pareto:shape=1.5,scale=0.06", seed).shared()).any()
        for seed in range(20)
    )
    assert accidents == 0


def test_messages_of_several_tasks_tell_the_duration_of_one():
    finish = delays.create(SHARED[0], 3).trace(ITERATIONS, WORKERS, np.array([3.0, 6.0]))
    times = TaskTimes(finish, np.tile([3, 6], (WORKERS, 1)), np.full((ITERATIONS, WORKERS), np.inf))
    measured, nearest, *_ = fit(times)
    assert nearest.name == "shifted-exponential"
    assert nearest.parameters["mu"] == pytest.approx(10, rel=0.15)
    assert measured.measured.seconds == pytest.approx(finish[..., 0] / 3)


def test_without_any_end_there_is_nothing_to_fit():
    times = observed(SHARED[0], limit=1e-4)
    with pytest.raises(ValueError, match="no task"):
        fit(times)


def test_a_redrawn_fit_differs_as_another_measurement_would():
    rng = np.random.default_rng(0)
    measured = fit(observed(SHARED[0]))[0]
    means = [measured.redrawn(rng).measured.seconds.mean() for _ in range(200)]
    others = [fit(observed(SHARED[0], seed))[0].measured.seconds.mean() for seed in range(100)]
    assert np.std(means) == pytest.approx(np.std(others), rel=0.3)


def test_iterations_that_end_with_the_seventh_of_ten_tell_the_law_of_all():
    durations = 0.01 + np.random.default_rng(1).exponential(0.02, (20, 10))
    ends = np.sort(durations, axis=1)[:, 6]
    finish = np.where(durations <= ends[:, None], durations, np.nan)[..., None]
    until = np.tile(ends[:, None], (1, 10))
    measured = fit(TaskTimes(finish, np.ones((10, 1), dtype=np.int64), until))[0].measured
    assert measured.seconds.mean() == pytest.approx(0.03, abs=4 * 0.02 / np.sqrt(140))


def test_a_heavier_tail_than_the_delay_model_can_have_is_fitted_by_the_heaviest():
    seconds = np.array([1e-6, *np.ones(20)])
    law = ParetoLaw.fit(ObservedTimes(seconds, np.ones(21, dtype=bool), seconds))
    assert law.shape == 0.1
    delays.create("pareto:" + ",".join(f"{name}={x}" for name, x in law.parameters.items()), 0)


def test_an_overhead_does_not_depend_on_the_size_of_tasks():
    """Tasks that are an eighth of a share tell the time of a share, and the same overhead."""
    overhead, seconds = additive(60, 10)
    finish = overhead[..., None] + seconds[..., None] / 8 * np.arange(1, 3)
    for times, size in ((seen(finish), 1 / 8), (seen(finish).scaled(8), 1.0)):
        measured = fit(times, per="share", size=size)[0].measured
        assert measured.overhead == pytest.approx(overhead)
        assert measured.seconds == pytest.approx(seconds)


def test_durations_are_those_of_a_task_of_size_one():
    for text in (SHARED[0], INDEPENDENT[0]):
        one, eighth = fit(observed(text))[0], fit(observed(text), size=1 / 8)[0]
        assert eighth.measured.seconds == pytest.approx(8 * one.measured.seconds)
        assert not eighth.measured.overhead.any()


def test_few_consecutive_iterations_come_from_all_over_the_measurement():
    """A long recording changes: its slow phase is in no single stretch as often as in all."""
    seconds = np.repeat([0.01, 0.1, 0.01, 0.1], 250)[:, None] * np.ones(WORKERS)
    measured = fit(seen(seconds[..., None] * [1, 2]))[0]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        drawn = measured.model(0).consecutive(rng, 100, WORKERS, np.ones(1))[:, 0, 0]
        assert len(drawn) == 100
        assert (drawn > 0.05).mean() == pytest.approx(0.5, abs=0.15)
        assert np.count_nonzero(np.diff(drawn)) <= 8
