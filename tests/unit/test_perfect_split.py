"""Work split perfectly by speed: closed form and Monte Carlo against independent computations."""

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.delays._recorded import Recorded
from coded_dgd.theory.exact import lower_limit
from coded_dgd.theory.integrate import integrate
from coded_dgd.theory.perfect_split import perfect_split, split_times


def fine(workers, blocks=None, **options):
    return schemes.create("uc-dynamic", workers, blocks, **options)


def by_bisection(finish, tasks):
    """Instant at which the tasks are done, by bisection of the work done by an instant."""
    ended = [np.append(0.0, times[np.isfinite(times)]) for times in finish]

    def work(t):
        return sum(np.interp(t, times, np.arange(len(times))) for times in ended)

    low, high = 0.0, max(times[-1] for times in ended)
    if work(high) < tasks - 1e-9:
        return np.inf
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if work(middle) >= tasks else (middle, high)
    return high


@pytest.mark.parametrize("seed", range(40))
def test_instants_are_those_of_a_bisection(seed):
    rng = np.random.default_rng(seed)
    workers, most = rng.integers(1, 6, 2)
    tasks = int(rng.integers(1, workers * most + 2))
    durations = rng.exponential(1, (5, workers, most))
    if seed % 2:
        durations[rng.random(durations.shape) < 0.1] = np.inf
    finish = durations.cumsum(axis=2)
    expected = [by_bisection(each, tasks) for each in finish]
    np.testing.assert_allclose(split_times(finish, tasks), expected, rtol=1e-9)


def test_tasks_that_take_no_time_are_done_at_once():
    finish = np.array([[[1.0, 1.0, 1.0], [2.0, 4.0, 6.0]]])
    # at 1 s the first worker has done three tasks, the other one half of a task
    assert split_times(finish, 1) == pytest.approx(2 / 3)
    assert split_times(finish, 3) == 1.0
    assert split_times(finish, 4) == pytest.approx(2.0)
    assert split_times(np.zeros((1, 2, 3)), 2) == 0.0


def test_alike_workers_of_constant_speed_share_the_work():
    delay = delays.create("shifted-exponential:mu=inf,alpha=0.3", 0)
    found = perfect_split(fine(7), delay)
    assert found.mean == pytest.approx(0.3, rel=1e-12)
    assert found.standard_error is None


def test_one_worker_takes_the_mean_duration():
    found = perfect_split(fine(1), delays.create("pareto:shape=3,scale=0.1", 0))
    assert found.mean == pytest.approx(0.15, rel=1e-10)
    assert perfect_split(fine(1), delays.create("pareto:shape=0.9", 0)).mean == np.inf


def test_persistent_stragglers_do_their_part():
    delay = delays.create("persistent:ranks=1,2,factor=20,alpha=0.01", 0)
    expected = 5 * 0.01 / (3 + 2 / 20)
    assert perfect_split(fine(5), delay).mean == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize(
    "law",
    ["shifted-exponential", "shifted-exponential:alpha=0", "pareto:shape=2", "markov:mu=10",
     "persistent:ranks=2,factor=5,mu=10"],
)  # fmt: skip
def test_the_closed_form_is_the_mean_of_the_harmonic_mean(law):
    delay, workers = delays.create(law, 0), 6
    drawn = delay.sample(np.random.default_rng(1), 100_000, workers, np.ones(1))[:, :, 0]
    times = workers / (1 / drawn).sum(axis=1)
    error = times.std() / np.sqrt(len(times))
    assert abs(perfect_split(fine(workers), delay).mean - times.mean()) < 4 * error


def test_monte_carlo_agrees_with_the_closed_form(monkeypatch):
    delay = delays.create("shifted-exponential", 0)
    exact = perfect_split(fine(6), delay)
    monkeypatch.setattr(type(delay), "survival", lambda *_: None)
    drawn = perfect_split(fine(6), delay)
    assert drawn.standard_error > 0
    assert abs(drawn.mean - exact.mean) < 4 * drawn.standard_error
    assert perfect_split(fine(6), delay, seed=1) != drawn == perfect_split(fine(6), delay)


def test_blocks_count_in_the_unit_of_work():
    units = ("task", "share")
    tasks, shares = (delays.create(f"shifted-exponential:per={each}", 0) for each in units)
    assert perfect_split(fine(4, 16), tasks).mean == pytest.approx(
        4 * perfect_split(fine(4, 16), shares).mean
    )
    assert perfect_split(fine(4, 16), shares).mean == perfect_split(fine(4, 4), shares).mean


def test_only_recorded_tasks_can_be_done():
    finish = np.array([[[1.0, 2.0], [np.inf, np.inf]]])  # one of two workers, two of its tasks
    recorded = Recorded(finish)
    recorded.per = "task"
    assert recorded.most_work == 2
    assert perfect_split(fine(2, 2, copies="2"), recorded).mean == 2.0
    assert perfect_split(fine(2, 3, copies="1"), recorded).mean == np.inf


def test_it_is_below_the_limit_on_whole_tasks():
    scheme, delay = schemes.create("uc-mmc", 10, load=10), delays.create("pareto", 0)
    limit = integrate(lower_limit(scheme, delay)).mean
    assert perfect_split(scheme, delay).mean < limit
