"""Delay models: reproducible draws, the papers' law, stragglers, recorded traces, and refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coded_dgd import delays
from coded_dgd.delays.trace import finish_times_from_arrivals
from coded_dgd.errors import DataError, UsageError

MU, ALPHA = 10, 0.01
LAW = f"shifted-exponential:mu={MU},alpha={ALPHA}"
PERSISTENT = "persistent:ranks=1,3,factor=20,mu=10"
PARETO = "pareto:shape=2.5,scale=0.06"
MARKOV = "markov:onset=0.1,recovery=0.3,factor=20,mu=10"
INDEPENDENT = [f"{text},tasks=independent" for text in (LAW, PARETO)]
SUMS = ["additive:mu=10,spread=0.3", f"{LAW} + {PARETO}"]
RANDOM = [LAW, PERSISTENT, PARETO, MARKOV, *INDEPENDENT, *SUMS]
WORK = np.arange(1.0, 10.0)  # whole tasks


# Draws


@pytest.mark.parametrize("text", RANDOM)
def test_a_draw_depends_on_seed_iteration_and_worker_only(text):
    drawn = {
        (seed, iteration, worker): delays.create(text, seed).finish_times(
            iteration, worker, WORK[:3]
        )
        for seed in (0, 1, 2)
        for iteration in (0, 1, 7)
        for worker in (1, 3, 4)
    }
    assert len({times[0] for times in drawn.values()}) == len(drawn)
    model = delays.create(text, 1)
    for iteration, worker in [(7, 4), (0, 1), (0, 1), (7, 4)]:  # in any order, any number of times
        again = model.finish_times(iteration, worker, WORK[:3])
        np.testing.assert_array_equal(again, drawn[1, iteration, worker])
        longer = model.finish_times(iteration, worker, WORK[:9])
        np.testing.assert_array_equal(longer[:3], again)


@pytest.mark.parametrize("text", ["none", *RANDOM])
def test_a_trace_is_made_of_the_finish_times(text):
    model = delays.create(text, 5)
    trace = model.trace(iterations=3, workers=4, work=WORK[:2])
    assert trace.shape == (3, 4, 2)
    for iteration in range(3):
        for worker in range(4):
            expected = model.finish_times(iteration, worker, WORK[:2])
            np.testing.assert_array_equal(trace[iteration, worker], expected)


@pytest.mark.parametrize("text", ["none", *RANDOM])
def test_a_sample_is_ordered_and_depends_on_its_generator_only(text):
    def draw(seed):
        return delays.create(text, 0).sample(np.random.default_rng(seed), 5, 4, WORK[:3])

    assert draw(0).shape == (5, 4, 3)
    np.testing.assert_array_equal(draw(0), draw(0))
    assert (np.diff(draw(0), axis=2) >= 0).all()
    assert (draw(0) == draw(1)).all() == (text == "none")


def distance_to_law(times, s):
    """Kolmogorov-Smirnov distance of finish times of s tasks to F_s of eq. (12)."""
    times = np.sort(times)
    law = np.where(times >= s * ALPHA, 1 - np.exp(-MU * (times / s - ALPHA)), 0)
    steps = np.arange(len(times) + 1) / len(times)
    return max(np.abs(law - steps[1:]).max(), np.abs(law - steps[:-1]).max())


@pytest.mark.parametrize("s", [1, 2, 5])
@pytest.mark.parametrize("how", ["finish_times", "sample"])
def test_s_tasks_finish_by_the_law_of_equation_12(how, s):
    model = delays.create(LAW, 3)
    if how == "sample":
        times = model.sample(np.random.default_rng(0), 500, 8, WORK[:5])
    else:
        times = model.trace(iterations=500, workers=8, work=WORK[:5])
    count = 4000
    assert times[..., s - 1].size == count
    assert distance_to_law(times[..., s - 1].ravel(), s) < 1.63 / np.sqrt(count)  # 1 % level
    assert distance_to_law(1.2 * times[..., s - 1].ravel(), s) > 1.63 / np.sqrt(count)


def test_one_duration_is_shared_by_all_tasks_of_a_worker():
    times = delays.create(LAW, 0).finish_times(0, 0, WORK[:6])
    np.testing.assert_allclose(times, times[0] * np.arange(1, 7), rtol=1e-15)


def test_the_defaults_are_the_papers():
    model = delays.create("shifted-exponential", 4)
    np.testing.assert_array_equal(
        model.trace(2, 3, WORK[:2]), delays.create(LAW, 4).trace(2, 3, WORK[:2])
    )
    short = delays.create("shifted-exponential:5", 4)  # a lone value is the first parameter
    long = delays.create("shifted-exponential:mu=5,alpha=0.01", 4)
    np.testing.assert_array_equal(short.trace(2, 3, WORK[:2]), long.trace(2, 3, WORK[:2]))


def test_no_delay_is_no_delay():
    model = delays.create("none", 0)
    assert not model.injects
    assert not model.trace(2, 3, WORK[:4]).any()


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("persistent:ranks=2,4,factor=7", "persistent:ranks=9"),
        ("persistent:ranks=2,4,factor=7,mu=10,alpha=0.5", "shifted-exponential:mu=10,alpha=0.5"),
        ("persistent:factor=7,mu=3,ranks=4,2", "shifted-exponential:mu=3"),
    ],
)
def test_the_factor_of_persistent_stragglers_is_theirs_alone(text, same):
    factors = np.array([1, 7, 1, 7, 1])[:, None]  # of ranks 1 to 5
    slow, usual = delays.create(text, 6), delays.create(same, 6)
    np.testing.assert_allclose(
        slow.trace(4, 5, WORK[:3]), factors * usual.trace(4, 5, WORK[:3]), rtol=1e-15
    )
    drawn = slow.sample(np.random.default_rng(1), 50, 5, WORK[:3])
    if "ranks=9" in same:
        np.testing.assert_allclose(drawn[0], factors * 0.01 * np.arange(1, 4), rtol=1e-15)
    else:
        expected = factors * usual.sample(np.random.default_rng(1), 50, 5, WORK[:3])
        np.testing.assert_allclose(drawn, expected, rtol=1e-15)


def test_by_default_rank_1_takes_20_times_10_milliseconds():
    times = delays.create("persistent", 0).trace(1, 3, WORK[:2])[0]
    np.testing.assert_allclose(times, [[0.2, 0.4], [0.01, 0.02], [0.01, 0.02]], rtol=1e-15)


# The law that exact theory builds on


def distance(values, survival):
    """Kolmogorov-Smirnov distance of a sample to a continuous law."""
    values = np.sort(values.ravel())
    steps, law = np.arange(len(values) + 1) / len(values), 1 - survival(values)
    return max(np.abs(law - steps[1:]).max(), np.abs(law - steps[:-1]).max())


FORGETFUL = "markov:onset=0.25,recovery=0.75,factor=20,mu=10"  # iterations are independent


@pytest.mark.parametrize("text", [LAW, PERSISTENT, PARETO, FORGETFUL])
@pytest.mark.parametrize("how", ["finish_times", "sample"])
@pytest.mark.parametrize("worker", [0, 1])  # rank 1 is slow where some ranks are
def test_durations_follow_the_law_that_the_model_names(text, how, worker):
    model = delays.create(text, 4)
    if how == "sample":
        durations = model.sample(np.random.default_rng(0), 4000, 2, WORK[:1])[:, worker]
    else:
        durations = model.trace(4000, 2, WORK[:1])[:, worker]
    assert distance(durations, lambda x: model.survival(worker, x)) < 1.63 / np.sqrt(4000)
    assert distance(1.2 * durations, lambda x: model.survival(worker, x)) > 1.63 / np.sqrt(4000)


@pytest.mark.parametrize(
    ("text", "worker", "places"),
    [
        (LAW, 0, [ALPHA]),
        (PERSISTENT, 0, [0.2]),
        (PERSISTENT, 1, [0.01]),
        (PARETO, 3, [0.06]),
        (MARKOV, 0, [0.01, 0.2]),
    ],
)
def test_the_law_is_smooth_except_where_the_model_says(text, worker, places):
    model = delays.create(text, 0)
    assert list(model.breakpoints(worker)) == pytest.approx(places)
    grid = np.concatenate([np.linspace(0, 0.6, 601) + 0.0005, places])
    step = 1e-7
    before, here, after = (model.survival(worker, grid + h) for h in (-step, 0, step))
    jumps = np.abs(after - 2 * here + before) / step  # of the derivative
    assert (jumps[-len(places) :] > 0.1).all()
    assert (jumps[: -len(places)] < 0.01).all()
    np.testing.assert_array_equal(model.survival(worker, np.array([0.0, min(places) / 2])), 1)


@pytest.mark.parametrize(
    ("text", "worker", "law"),
    [
        ("persistent:factor=3", 0, {0.03: 1}),
        ("persistent:factor=3", 1, {0.01: 1}),
        ("markov:onset=0.1,recovery=0.3,factor=3", 1, {0.01: 0.75, 0.03: 0.25}),
        ("shifted-exponential:mu=inf,alpha=0", 0, {0.0: 1}),
    ],
)
def test_durations_of_few_values(text, worker, law):
    model = delays.create(text, 0)
    assert list(model.breakpoints(worker)) == pytest.approx(list(law))
    drawn = model.sample(np.random.default_rng(0), 10_000, 2, WORK[:1])[:, worker, 0]
    for x in (0.005, 0.01, 0.02, 0.03, 0.04):
        expected = sum(probability for place, probability in law.items() if place > x + 1e-12)
        assert model.survival(worker, np.array([x]))[0] == pytest.approx(expected, abs=1e-12)
        assert np.mean(drawn > x + 1e-12) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("text", [LAW, PERSISTENT, PARETO, MARKOV])
@pytest.mark.parametrize("worker", [0, 1])
def test_the_density_is_the_derivative_of_the_law(text, worker):
    model = delays.create(text, 0)
    x, step = np.linspace(0.0017, 0.6, 400), 1e-6
    slope = (model.survival(worker, x - step) - model.survival(worker, x + step)) / (2 * step)
    np.testing.assert_allclose(model.density(worker, x), slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("text", ["persistent", "markov", "shifted-exponential:mu=inf", "none"])
def test_a_law_of_few_values_has_no_density(text):
    assert delays.create(text, 0).density(0, np.array([0.1])) is None


@pytest.mark.parametrize("text", [LAW, PERSISTENT, PARETO, MARKOV])
def test_workers_of_a_kind_have_the_same_law(text):
    model = delays.create(text, 0)
    x = np.linspace(0, 1, 100)
    for a, b in ((0, 1), (0, 2), (1, 2), (1, 3)):
        same = (model.survival(a, x) == model.survival(b, x)).all()
        assert (model.kind(a) == model.kind(b)) == same


@pytest.mark.parametrize("text", ["none", "bernoulli", *INDEPENDENT])
def test_where_tasks_share_no_duration_there_is_no_such_law(text):
    model = delays.create(text, 0)
    assert model.survival(0, np.array([0.1])) is None
    assert model.density(0, np.array([0.1])) is None


# Tasks with durations of their own


@pytest.mark.parametrize("text", INDEPENDENT)
@pytest.mark.parametrize("how", ["finish_times", "sample"])
def test_tasks_may_be_independent(text, how):
    model = delays.create(text, 2)
    if how == "sample":
        times = model.sample(np.random.default_rng(1), 1000, 4, WORK[:3])
    else:
        times = model.trace(1000, 4, WORK[:3])
    durations = np.diff(times, axis=-1, prepend=0).reshape(-1, 3)
    law = delays.create(text.replace("independent", "shared"), 0).survival
    for task in range(3):
        assert distance(durations[:, task], lambda x: law(0, x)) < 1.63 / np.sqrt(4000)
    ranks = durations.argsort(axis=0).argsort(axis=0)
    assert np.abs(np.corrcoef(ranks.T) - np.eye(3)).max() < 4 / np.sqrt(4000)


@pytest.mark.parametrize("text", INDEPENDENT)
def test_work_takes_as_long_however_it_is_cut(text):
    model = delays.create(text, 0)
    whole = model.trace(5, 4, WORK[:3])
    thirds = np.arange(1, 10) / 3
    cut = model.trace(5, 4, thirds)
    np.testing.assert_allclose(cut[..., 2::3], whole, rtol=1e-12)
    steps = np.diff(cut, axis=-1, prepend=0).reshape(5, 4, 3, 3)
    np.testing.assert_allclose(steps, steps.mean(axis=-1, keepdims=True) * np.ones(3), rtol=1e-9)
    drawn = [model.sample(np.random.default_rng(1), 5, 4, each) for each in (WORK[:3], thirds)]
    np.testing.assert_allclose(drawn[1][..., 2::3], drawn[0], rtol=1e-12)
    assert model.finish_times(0, 0, WORK[:0]).shape == (0,)


# Each worker's own amounts of work


@pytest.mark.parametrize("text", ["none", "bernoulli", *RANDOM])
def test_a_sample_may_be_of_different_work_for_each_worker(text):
    model = delays.create(text, 0)
    usual = model.sample(np.random.default_rng(3), 6, 3, WORK[:5])
    done = np.array([[1, 5], [2, 2], [3, 4]])
    drawn = model.sample(np.random.default_rng(3), 6, 3, done.astype(float))
    np.testing.assert_array_equal(drawn, np.take_along_axis(usual, done[None] - 1, axis=2))


# Bursts


def states(model, iterations, workers):
    """Which workers are slow, of shape (iterations, workers), from their durations."""
    return model.trace(iterations, workers, WORK[:1])[..., 0] > model.alpha


def test_a_worker_stays_slow_as_long_as_it_recovers_with_that_probability():
    slow = states(delays.create("markov:onset=0.05,recovery=0.25,factor=2", 1), 4000, 20)
    before, after = slow[:-1], slow[1:]
    assert np.mean(after[~before]) == pytest.approx(0.05, abs=0.004)
    assert np.mean(after[before]) == pytest.approx(0.75, abs=0.02)
    changes = np.flatnonzero(np.diff(slow.T.ravel().astype(int)))
    bursts = np.diff(changes)[slow.T.ravel()[changes[:-1] + 1]]
    assert len(bursts) > 3000
    for length in range(1, 10):
        longer = np.mean(bursts > length)
        assert longer == pytest.approx(0.75**length, abs=0.03), length
    assert np.abs(np.corrcoef(slow.T) - np.eye(20)).max() < 0.12


def test_consecutive_iterations_have_the_bursts_of_a_run():
    model = delays.create("markov:onset=0.05,recovery=0.25,factor=2", 1)
    drawn = model.consecutive(np.random.default_rng(0), 4000, 20, WORK[:2])
    assert drawn.shape == (4000, 20, 2)
    np.testing.assert_allclose(drawn[..., 1], drawn[..., 0] * WORK[1] / WORK[0])
    slow = drawn[..., 0] > model.alpha
    assert np.mean(slow[1:][~slow[:-1]]) == pytest.approx(0.05, abs=0.004)
    assert np.mean(slow[1:][slow[:-1]]) == pytest.approx(0.75, abs=0.02)
    first = [model.consecutive(np.random.default_rng(k), 1, 20, WORK[:1]) for k in range(200)]
    assert np.mean(np.array(first) > model.alpha) == pytest.approx(1 / 6, abs=0.03)


def test_consecutive_iterations_are_independent_where_nothing_lasts():
    model = delays.create("shifted-exponential", 0)
    some, others = (np.random.default_rng(0) for _ in range(2))
    np.testing.assert_array_equal(
        model.consecutive(some, 5, 3, WORK), model.sample(others, 5, 3, WORK)
    )


@pytest.mark.parametrize("iteration", [0, 1, 10])
def test_as_many_workers_are_slow_in_the_first_iteration_as_later(iteration):
    model = delays.create("markov:onset=0.05,recovery=0.2", 2)
    slow = [model.is_slow(iteration, worker) for worker in range(4000)]
    assert np.mean(slow) == pytest.approx(0.2, abs=0.02)
    drawn = model.sample(np.random.default_rng(0), 1000, 4, WORK[:2])
    assert np.mean(drawn[..., 0] > 0.1) == pytest.approx(0.2, abs=0.02)
    assert np.abs(np.corrcoef(drawn[..., 0].T) - np.eye(4)).max() < 4 / np.sqrt(1000)


@pytest.mark.parametrize("text", [MARKOV, "markov:onset=1,recovery=1", "markov:onset=1e-9"])
def test_iterations_may_be_skipped_or_asked_for_in_any_order(text):
    expected = delays.create(text, 3).trace(400, 3, WORK[:2])
    order = np.random.default_rng(0).permutation(400)
    model = delays.create(text, 3)
    for iteration in [399, *order[:50], 0]:
        for worker in (2, 0):
            np.testing.assert_array_equal(
                model.finish_times(iteration, worker, WORK[:2]), expected[iteration, worker]
            )


def test_a_worker_that_changes_always_does():
    slow = states(delays.create("markov:onset=1,recovery=1", 3), 200, 10)
    assert (slow[1:] != slow[:-1]).all()
    assert 0 < slow[0].sum() < 10


def test_a_worker_that_hardly_ever_changes_does_not():
    slow = states(delays.create("markov:onset=1e-9,recovery=1e-9", 3), 200, 10)
    assert (slow == slow[0]).all()
    assert 0 < slow[0].sum() < 10


def test_by_default_a_task_takes_as_long_on_average_as_in_the_papers():
    for text in ("shifted-exponential", "pareto"):
        model = delays.create(text, 0)
        x = np.concatenate([[0], np.geomspace(1e-4, 1e4, 200_000)])
        law = model.survival(0, x)
        mean = np.sum((law[1:] + law[:-1]) / 2 * np.diff(x))
        assert mean == pytest.approx(0.11, rel=1e-4)


# Traces


DURATIONS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, np.inf]])
FINISH = np.array([[[1.0, 2.0], [0.5, 0.5], [0.0, np.inf]], [[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]])


def trace_of(path, **arrays):
    """A trace model of the arrays, or of one, written as the suffix says."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".csv":
        np.savetxt(path, arrays["times"], delimiter=",")
    else:
        np.save(path, arrays["times"])
    return delays.create(f"trace:{path}", 0)


@pytest.mark.parametrize("suffix", ["npy", "csv"])
def test_a_trace_of_durations(tmp_path, suffix):
    model = trace_of(tmp_path / f"durations.{suffix}", times=DURATIONS)
    model.check(workers=3, work=np.arange(1.0, 101))
    expected = DURATIONS[..., None] * np.arange(1, 5)
    np.testing.assert_array_equal(model.trace(2, 3, WORK[:4]), expected)
    np.testing.assert_array_equal(model.trace(5, 2, WORK[:4]), expected[[0, 1, 0, 1, 0], :2])
    assert model.may_stall


def test_a_trace_of_finish_times(tmp_path):
    model = trace_of(tmp_path / "finish.npy", times=FINISH)
    model.check(workers=3, work=WORK[:2])
    np.testing.assert_array_equal(model.trace(2, 3, WORK[:2]), FINISH)
    np.testing.assert_array_equal(model.trace(5, 2, WORK[:1]), FINISH[[0, 1, 0, 1, 0], :2, :1])
    assert model.may_stall
    assert not trace_of(tmp_path / "all.npy", times=FINISH[1:]).may_stall


@pytest.mark.parametrize("times", [DURATIONS, FINISH], ids=["durations", "finish"])
def test_a_sample_of_a_trace_may_be_of_different_work_for_each_worker(tmp_path, times):
    model = trace_of(tmp_path / "a.npy", times=times)
    usual = model.sample(np.random.default_rng(3), 6, 3, WORK[:2])
    done = np.array([[1, 2], [2, 2], [1, 1]])
    drawn = model.sample(np.random.default_rng(3), 6, 3, done.astype(float))
    np.testing.assert_array_equal(drawn, np.take_along_axis(usual, done[None] - 1, axis=2))


@pytest.mark.parametrize("times", [DURATIONS, FINISH], ids=["durations", "finish"])
def test_a_sample_of_a_trace_is_of_its_iterations(tmp_path, times):
    model = trace_of(tmp_path / "a.npy", times=times)
    recorded = model.trace(2, 2, WORK[:2])
    drawn = model.sample(np.random.default_rng(0), 40, 2, WORK[:2])
    assert drawn.shape == (40, 2, 2)
    which = [next(i for i in (0, 1) if (recorded[i] == each).all()) for each in drawn]
    assert 5 < sum(which) < 35


@pytest.mark.parametrize("times", [DURATIONS, FINISH], ids=["durations", "finish"])
def test_consecutive_iterations_of_a_trace_follow_each_other(tmp_path, times):
    model = trace_of(tmp_path / "a.npy", times=times)
    recorded = model.trace(3, 2, WORK[:2])
    first = set()
    for seed in range(20):
        drawn = model.consecutive(np.random.default_rng(seed), 2, 2, WORK[:2])
        which = int((drawn[0] != recorded[0]).any())
        np.testing.assert_array_equal(drawn, recorded[which : which + 2])
        first.add(which)
    assert first == {0, 1}


def test_a_trace_of_whole_numbers(tmp_path):
    model = trace_of(tmp_path / "a.npy", times=np.array([[1, 2]]))
    np.testing.assert_array_equal(model.trace(1, 2, WORK[:2]), [[[1.0, 2.0], [2.0, 4.0]]])


NAN, INF = np.nan, np.inf
ARRIVALS = [
    # tasks done at each message, arrivals of each, finish times of each task
    ("every task", [1, 2, 3], [1.0, 2.5, 3.0], [1.0, 2.5, 3.0]),
    ("every second task", [2, 4], [1.0, 2.0], [0.5, 1.0, 1.5, 2.0]),
    ("one message", [4], [2.0], [0.5, 1.0, 1.5, 2.0]),
    ("uneven", [1, 4], [1.0, 4.0], [1.0, 2.0, 3.0, 4.0]),
    ("the last never arrived", [2, 4], [1.0, NAN], [0.5, 1.0, INF, INF]),
    ("none arrived", [2, 4], [NAN, NAN], [INF, INF, INF, INF]),
    ("no second message", [2, 0], [1.0, NAN], [0.5, 1.0]),
    ("at once", [1, 2], [0.0, 0.0], [0.0, 0.0]),
]


@pytest.mark.parametrize(
    ("tasks_done", "arrival", "finish"), [row[1:] for row in ARRIVALS], ids=[r[0] for r in ARRIVALS]
)
def test_arrivals_of_a_run_folder(tmp_path, tasks_done, arrival, finish):
    model = trace_of(
        tmp_path / "arrivals.npz",
        arrival=np.array([[arrival], [np.multiply(arrival, 2)]]),
        tasks_done=np.array([tasks_done]),
    )
    model.check(workers=1, work=WORK[: len(finish)])
    times = model.trace(3, 1, WORK[: len(finish)])[:, 0]
    np.testing.assert_allclose(times, np.multiply.outer([1, 2, 1], finish), rtol=1e-15)
    assert model.may_stall == (INF in finish)


def test_arrivals_of_workers_with_different_messages(tmp_path):
    arrival = np.array([[[1.0, 2.0], [4.0, NAN], [NAN, NAN]]])
    tasks_done = np.array([[1, 2], [2, 0], [0, 0]])  # the third worker has no work
    model = trace_of(tmp_path / "arrivals.npz", arrival=arrival, tasks_done=tasks_done)
    expected = [[1.0, 2.0], [2.0, 4.0], [INF, INF]]
    np.testing.assert_array_equal(model.trace(1, 3, WORK[:2])[0], expected)


@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=6),
    st.lists(st.integers(1, 3), min_size=6, max_size=6),
)
def test_what_has_arrived_in_order_is_replayed_in_order(arrival, steps):
    arrival = np.sort(arrival)
    done = np.cumsum(steps)[: len(arrival)]
    finish = finish_times_from_arrivals(arrival[None, None], done[None])[0, 0]
    np.testing.assert_array_equal(finish[done - 1], arrival)
    assert (np.diff(finish) >= 0).all()


def test_messages_that_arrive_together_are_replayed(tmp_path):
    times = np.random.default_rng(0).random((2000, 2)) ** 3
    times.sort(axis=1)
    arrival = times[:, None, [0, 1, 1]]  # one message, then two at the same instant
    model = trace_of(tmp_path / "a.npz", arrival=arrival, tasks_done=np.array([[1, 2, 3]]))
    np.testing.assert_allclose(model.trace(2000, 1, WORK[:3]), arrival, rtol=1e-15)


# Refusals


def a_csv(text):
    return lambda path: path.write_bytes(text)


def an_npy(values, **options):
    return lambda path: np.save(path, np.array(values), **options)


def an_npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def cut_short(path):
    np.save(path, DURATIONS)
    path.write_bytes(path.read_bytes()[:-3])


ONES = np.ones((2, 3, 1))
WANTED = r"give a run folder or its arrivals\.npz"
BAD_TRACES = {
    "nan": ("a.npy", an_npy([[1.0, NAN]]), "0 or more"),
    "nan in csv": ("a.csv", a_csv(b"1,nan\n"), "0 or more"),
    "negative": ("a.npy", an_npy([[1.0, -1e-9]]), "0 or more"),
    "minus inf": ("a.npy", an_npy([[1.0, -INF]]), "0 or more"),
    "negative finish": ("a.npy", an_npy([[[-1.0, 2.0]]]), "0 or more"),
    "negative arrival": (
        "a.npz",
        an_npz(arrival=np.full((1, 1, 1), -1.0), tasks_done=[[1]]),
        "0 or more",
    ),
    "descending": ("a.npy", an_npy([[[2.0, 1.0]]]), "have to ascend"),
    "descending from never": ("a.npy", an_npy([[[INF, 1.0]]]), "have to ascend"),
    "missing": ("a.npy", lambda path: None, "no such file"),
    "a directory": ("a.npy", lambda path: path.mkdir(), r"no arrivals\.npz.*finish the run"),
    "one dimension": ("a.npy", an_npy([1.0, 2.0]), WANTED),
    "four dimensions": ("a.npy", an_npy(np.ones((1, 1, 1, 1))), WANTED),
    "nothing in it": ("a.npy", an_npy(np.ones((0, 3))), WANTED),
    "truth values": ("a.npy", an_npy([[True]]), WANTED),
    "text in npy": ("a.npy", an_npy([["1"]]), WANTED),
    "objects": ("a.npy", an_npy([[None]], allow_pickle=True), WANTED),
    "garbage": ("a.npy", a_csv(b"hello"), WANTED),
    "cut short": ("a.npy", cut_short, WANTED),
    "empty": ("a.npy", a_csv(b""), WANTED),
    "unknown suffix": ("a.txt", a_csv(b"1,2\n"), WANTED),
    "ragged csv": ("a.csv", a_csv(b"1,2\n1\n"), WANTED),
    "header in csv": ("a.csv", a_csv(b"a,b\n1,2\n"), WANTED),
    "not UTF-8": ("a.csv", a_csv(b"\xff\xfe1,2\n"), WANTED),
    "not a zip": ("a.npz", a_csv(b"PK\x03\x04 but no more"), WANTED),
    "other arrays": ("a.npz", an_npz(X=ONES), WANTED),
    "more tasks than memory": (
        "a.npz",
        an_npz(arrival=ONES, tasks_done=[[1], [2], [2**62]]),
        "the finish times of 4611686018427387904 tasks of 3 workers",
    ),
    "a unit of nothing": ("a.npz", an_npz(arrival=ONES, tasks_done=[[1]] * 3, unit=0.0), WANTED),
    "a unit that is none": ("a.npz", an_npz(arrival=ONES, tasks_done=[[1]] * 3, unit=NAN), WANTED),
    "more values than memory": (
        "a.npy",
        a_csv(
            b"\x93NUMPY\x01\x00\x4c\x00"
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (999999999, 99999999)}   \n"
        ),
        WANTED,
    ),
    "a header that is no literal": (
        "a.npy",
        a_csv(b"\x93NUMPY\x01\x00\x0c\x00" + b"{'descr': (,"),
        WANTED,
    ),
    "arrivals of two dimensions": (
        "a.npz",
        an_npz(arrival=ONES[0], tasks_done=[[1]] * 3),
        WANTED,
    ),
    "tasks_done of fewer workers": (
        "a.npz",
        an_npz(arrival=ONES, tasks_done=[[1]] * 2),
        WANTED,
    ),
    "tasks_done of more messages": (
        "a.npz",
        an_npz(arrival=ONES, tasks_done=[[1, 2]] * 3),
        WANTED,
    ),
    "tasks_done not whole": (
        "a.npz",
        an_npz(arrival=ONES, tasks_done=[[0.5]] * 3),
        WANTED,
    ),
    "arrivals of text": (
        "a.npz",
        an_npz(arrival=np.full((1, 1, 1), "a"), tasks_done=[[1]]),
        WANTED,
    ),
}


@pytest.mark.parametrize("case", BAD_TRACES)
def test_a_bad_trace_is_refused_in_one_line(tmp_path, case):
    name, write, words = BAD_TRACES[case]
    write(tmp_path / name)
    with pytest.raises(DataError, match=words) as caught:
        delays.create(f"trace:{tmp_path / name}", 0)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:Casting complex")
def test_complex_times_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1 + 2j]]))
    with pytest.raises(DataError, match=WANTED):
        delays.create(f"trace:{tmp_path / 'a.npy'}", 0)


def test_an_empty_csv_is_refused_without_a_warning(tmp_path, recwarn):
    (tmp_path / "a.csv").touch()
    with pytest.raises(DataError, match=WANTED):
        delays.create(f"trace:{tmp_path / 'a.csv'}", 0)
    assert not recwarn.list


@pytest.mark.parametrize("name", ["a b.npy", "a,b.npy", "a:b.npy", "a=b.npy", "file=a.npy"])
def test_the_file_of_a_trace_may_have_any_name(tmp_path, name):
    model = trace_of(tmp_path / name, times=DURATIONS)
    np.testing.assert_array_equal(model.trace(1, 2, WORK[:1])[0, :, 0], [1.0, 2.0])


CHECKS = [
    (DURATIONS, 4, 1, "has 3 workers: use at most"),
    (FINISH, 4, 1, "has 3 workers: use at most"),
    (FINISH, 3, 3, "has 2 tasks per worker: use --load 2 or less"),
]


@pytest.mark.parametrize(("times", "workers", "tasks", "words"), CHECKS)
def test_more_workers_or_tasks_than_recorded_are_refused(tmp_path, times, workers, tasks, words):
    model = trace_of(tmp_path / "a.npy", times=times)
    with pytest.raises(UsageError, match=words):
        model.check(workers, WORK[:tasks])


def test_ranks_that_there_are_not_are_refused():
    model = delays.create("persistent:ranks=2,5", 0)
    model.check(workers=5, work=WORK[:1])
    with pytest.raises(UsageError, match="no worker of rank 5: choose ranks from 1 to 4"):
        model.check(workers=4, work=WORK[:1])


REFUSED = [
    ("shifted-exponential:mu=0", "mu = 0 has to be positive: .*such as mu=10"),
    ("shifted-exponential:mu=-1", "mu = -1 has to be positive"),
    ("shifted-exponential:mu=nan", "mu = nan has to be positive"),
    ("shifted-exponential:mu=ten", "mu=ten"),
    ("shifted-exponential:alpha=-1", "alpha = -1 .*such as alpha=0.01"),
    ("shifted-exponential:alpha=nan", "alpha = nan .*such as alpha=0.01"),
    ("shifted-exponential:alpha=inf", "alpha = inf .*such as alpha=0.01"),
    ("shifted-exponential:alhpa=1", r"no parameter 'alhpa' \(did you mean 'alpha'\?\).*mu, alpha"),
    ("shifted-exponential:mu=1,mu=2", "'mu' twice: keep one"),
    ("shifted-exponential:5,mu=7", "mu"),
    ("shifted-exponentail", r"unknown delay .*\(did you mean 'shifted-exponential'\?\)"),
    ("presistent:ranks=1", r"unknown delay .*\(did you mean 'persistent'\?\)"),
    ("xyzzy", "unknown delay 'xyzzy'; there are: additive, bernoulli, markov, none, .*persistent"),
    ("", "unknown delay ''; there are: additive, bernoulli, markov, none, .*persistent"),
    ("base", "unknown delay 'base'"),
    ("none:x=1", "none has no parameter 'x'"),
    ("none:3", "none has no parameter '3'"),
    ("persistent:factor=0", "factor = 0 has to be positive, such as factor=20"),
    ("persistent:factor=inf", "factor = inf has to be positive, such as factor=20"),
    ("persistent:ranks=0", "ranks 1, 2, .*as in ranks=1,3"),
    ("persistent:ranks=1;3", "ranks=1;3"),
    ("persistent:ranks=", "ranks="),
    ("persistent:mu=0", "mu = 0 has to be positive"),
    ("shifted-exponential:tasks=both", "tasks = both: choose shared or independent"),
    ("pareto:tasks=", "tasks = : choose shared or independent"),
    ("pareto:shape=0", "shape = 0 is out of range: choose 0.1 or more, such as shape=2.2"),
    ("pareto:shape=inf", "shape = inf is out of range"),
    ("pareto:shape=nan", "shape = nan is out of range"),
    ("pareto:scale=0", "scale = 0 has to be a time in seconds, such as scale=0.06"),
    ("pareto:scale=inf", "scale = inf has to be a time"),
    ("pareto:alpha=1", "pareto has no parameter 'alpha'.*shape, scale, tasks"),
    ("markov:onset=0", "onset = 0 is out of range: choose the probability of a change"),
    ("markov:0", "onset = 0 is out of range"),
    ("markov:recovery=1.1", "recovery = 1.1 is out of range: .*from 1e-09 to 1"),
    ("markov:recovery=nan", "recovery = nan is out of range"),
    ("markov:factor=-1", "factor = -1 has to be positive, such as factor=20"),
    ("markov:tasks=shared", "markov has no parameter 'tasks'.*onset, recovery, factor, mu, alpha"),
    ("trace", "needs a file, as in --delay trace:FILE"),
    ("trace:", "needs a file, as in --delay trace:FILE"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_a_delay_that_cannot_be_is_refused_with_its_mend(text, words):
    with pytest.raises(UsageError, match=words):
        delays.create(text, 0)


def test_every_model_is_found_by_its_name():
    assert delays.names() == [
        "additive",
        "bernoulli",
        "markov",
        "none",
        "pareto",
        "persistent",
        "shifted-exponential",
        "trace",
    ]


# Bernoulli


BERNOULLI = "bernoulli:p=0.3,slow=2,fast=0.5"


def test_bernoulli_stragglers_by_default():
    model = delays.create("bernoulli", 0)
    assert (model.p, model.slow, model.fast) == (0.7, 1, 0.01)
    assert delays.create("bernoulli:0.2", 0).p == 0.2
    assert not model.may_stall
    assert delays.create("bernoulli:slow=inf", 0).may_stall


@pytest.mark.parametrize("how", ["finish_times", "sample"])
@pytest.mark.parametrize("p", [0.0, 0.3, 0.9])
def test_a_worker_straggles_with_probability_p_in_all_its_tasks(how, p):
    model = delays.create(f"bernoulli:p={p},slow=2,fast=0.5", 1)
    if how == "sample":
        times = model.sample(np.random.default_rng(0), 500, 8, WORK[:3])
    else:
        times = model.trace(500, 8, WORK[:3])
    assert set(times.ravel()) <= {2.0, 0.5}
    assert (times == times[..., :1]).all()
    slow = times[..., 0] == 2
    assert abs(slow.mean() - p) <= 4 * np.sqrt(p * (1 - p) / slow.size)
    # independent among workers and iterations: correlations of 500 and of 499 pairs
    if p:
        slow = (slow - slow.mean()) / slow.std()
        assert np.abs((slow.T @ slow / 500)[~np.eye(8, dtype=bool)]).max() < 4.5 / np.sqrt(500)
        assert np.abs((slow[1:] * slow[:-1]).mean()) < 4 / np.sqrt(499 * 8)


@pytest.mark.parametrize("slow", ["2", "inf"])
def test_bernoulli_draws_depend_on_seed_iteration_and_worker_only(slow):
    text = f"bernoulli:p=0.5,slow={slow}"
    one, other = (delays.create(text, seed).trace(40, 6, WORK[:2]) for seed in (0, 1))
    np.testing.assert_array_equal(delays.create(text, 0).trace(40, 6, WORK[:2]), one)
    assert (one != other).any()
    model = delays.create(text, 0)
    for iteration, worker in [(39, 5), (0, 0), (7, 3)]:
        np.testing.assert_array_equal(
            model.finish_times(iteration, worker, 0.1 * WORK), one[iteration, worker, 0]
        )
    assert model.finish_times(0, 0, WORK[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bernoulli:p=1", "p = 1 is out of range: choose 0 <= p < 1"),
        ("bernoulli:p=-0.1", "p = -0.1 is out of range: choose 0 <= p < 1"),
        ("bernoulli:p=nan", "p = nan is out of range: choose 0 <= p < 1"),
        ("bernoulli:slow=0.001", "fast = 0.01, slow = 0.001: choose 0 <= fast <= slow"),
        ("bernoulli:fast=-1", "choose 0 <= fast <= slow, in seconds"),
        ("bernoulli:fast=inf,slow=inf", "choose 0 <= fast <= slow, in seconds"),
        ("bernoulli:slow=nan", "choose 0 <= fast <= slow, in seconds"),
        ("bernoulli:q=0.3", "bernoulli has no parameter 'q'.*p, slow, fast"),
        ("bernouli", r"did you mean 'bernoulli'\?"),
    ],
)
def test_a_bernoulli_delay_that_cannot_be_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        delays.create(text, 0)


# Work that is no whole number of tasks


@pytest.mark.parametrize("text", [LAW, PERSISTENT, PARETO, MARKOV])
def test_time_is_proportional_to_work(text):
    model = delays.create(text, 0)
    work = np.array([0.05, 0.5, 0.7, 1.0, 2.5])
    unit = model.trace(3, 4, WORK[:1])
    np.testing.assert_allclose(model.trace(3, 4, work), unit * work, rtol=1e-14)
    drawn = [model.sample(np.random.default_rng(1), 5, 4, each) for each in (work, WORK[:1])]
    np.testing.assert_allclose(drawn[0], drawn[1] * work, rtol=1e-14)


def test_work_of_a_trace_is_done_with_the_task_that_it_is_part_of(tmp_path):
    model = trace_of(tmp_path / "a.npy", times=FINISH[1:])
    work = np.array([0.3, 0.6, 0.9, 1.0, 1.2, 2.0])
    model.check(workers=3, work=work)
    expected = FINISH[1][:, [0, 0, 0, 0, 1, 1]]
    np.testing.assert_array_equal(model.trace(1, 3, work)[0], expected)
    thirds = np.arange(1, 7) * (1 / 3)  # 3 * (1/3) and 6 * (1/3), but for rounding
    np.testing.assert_array_equal(model.trace(1, 3, thirds)[0], FINISH[1][:, [0, 0, 0, 1, 1, 1]])
    with pytest.raises(UsageError, match="has 2 tasks per worker"):
        model.check(workers=3, work=np.array([1.0, 2.1]))
    durations = trace_of(tmp_path / "b.npy", times=DURATIONS)
    np.testing.assert_array_equal(durations.trace(1, 3, work)[0], DURATIONS[0][:, None] * work)
