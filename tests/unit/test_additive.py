"""Start-up overheads that add to the time of tasks: draws, memory, lasting factors, laws."""

import json
from fractions import Fraction
from math import inf

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.cli import run_command_line
from coded_dgd.delays import _exponentials
from coded_dgd.errors import UsageError
from coded_dgd.theory import predict
from coded_dgd.theory.agreement import agreement
from coded_dgd.theory.exact import MOST_LAWS, exact_completion, lower_limit
from coded_dgd.theory.integrate import integrate
from coded_dgd.theory.monte_carlo import simulate
from coded_dgd.theory.perfect_split import perfect_split

BOTH = "additive:overhead=0.1,overhead_mu=20,alpha=0.01,mu=30"
LASTING = f"{BOTH},spread=0.3,overhead_spread=0.2"
REMEMBERED = f"{BOTH},memory=0.7,overhead_memory=0.4"
LAWS = [
    "additive",
    BOTH,
    LASTING,
    "additive:overhead_mu=inf,mu=30,spread=0.3",
    "additive:overhead=0,overhead_mu=20,alpha=0,mu=20",
]
WORK = np.arange(1.0, 6.0)


def parts(times):
    """Overheads and times per task, from finish times (..., tasks) of whole tasks."""
    task = times[..., 1] - times[..., 0]
    return times[..., 0] - task, task


# Draws


@pytest.mark.parametrize("text", [BOTH, LASTING, REMEMBERED])
def test_a_draw_depends_on_seed_iteration_and_worker_only(text):
    trace = delays.create(text, 3).trace(30, 4, WORK)
    for iteration, worker in [(29, 3), (0, 0), (12, 2), (3, 1), (12, 2)]:  # in any order
        again = delays.create(text, 3).finish_times(iteration, worker, WORK)
        np.testing.assert_array_equal(again, trace[iteration, worker])
    assert (delays.create(text, 4).trace(1, 4, WORK) != trace[:1]).all()


def test_a_far_iteration_is_found_at_once():
    model = delays.create(f"{BOTH},memory=0.999", 0)
    far = model.finish_times(10**6, 0, WORK)
    np.testing.assert_array_equal(model.finish_times(10**6, 0, WORK), far)
    assert model.finish_times(5, 0, WORK)[0] != far[0]


def test_times_are_an_overhead_and_a_time_per_task():
    times = delays.create(BOTH, 0).trace(50, 4, WORK)
    overhead, task = parts(times)
    np.testing.assert_allclose(times, overhead[..., None] + task[..., None] * WORK, rtol=1e-12)
    assert overhead.min() >= 0.1
    assert task.min() >= 0.01
    exact = "additive:overhead=0.5,overhead_mu=inf,alpha=0.25"
    np.testing.assert_array_equal(delays.create(exact, 0).trace(1, 1, WORK)[0, 0], 0.5 + WORK / 4)


def test_without_overhead_it_is_the_law_of_the_papers():
    text = "additive:overhead=0,overhead_mu=inf,alpha=0.01,mu=10"
    same = delays.create("shifted-exponential:mu=10,alpha=0.01", 5)
    model = delays.create(text, 5)
    np.testing.assert_array_equal(model.kind(0), model.kind(1))
    t = 0.37
    np.testing.assert_allclose(model.late(0, t, WORK), same.late(0, t, WORK), rtol=1e-14)
    scheme = schemes.create("lcc-mmc", 10, load=4)
    assert predict(scheme, model).mean == pytest.approx(predict(scheme, same).mean, rel=1e-11)


def correlation(values, lag):
    """Correlation of values (iterations, M) at a distance of some iterations."""
    values = values - values.mean()
    return float((values[lag:] * values[:-lag]).mean() / values.var())


@pytest.mark.parametrize("how", ["finish_times", "consecutive"])
def test_memory_correlates_iterations_and_keeps_the_law_of_each(how):
    model = delays.create(REMEMBERED, 1)
    if how == "consecutive":
        times = model.consecutive(np.random.default_rng(0), 2000, 10, WORK[:2])
    else:
        times = model.trace(2000, 10, WORK[:2])
    for values, memory, least, rate in zip(
        parts(times), (0.4, 0.7), (0.1, 0.01), (20, 30), strict=True
    ):
        for lag in (1, 2, 5):
            assert correlation(values, lag) == pytest.approx(memory**lag, abs=0.06)
        few = np.sort(values[::20].ravel()) - least  # iterations that know nothing of each other
        steps = np.arange(len(few) + 1) / len(few)
        law = 1 - np.exp(-rate * few)
        assert max(abs(law - steps[1:]).max(), abs(law - steps[:-1]).max()) < 1.63 / len(few) ** 0.5
    assert abs(np.corrcoef(*map(np.ravel, parts(times)))[0, 1]) < 0.05


def test_independent_iterations_forget():
    for values in parts(delays.create(BOTH, 1).trace(1000, 10, WORK[:2])):
        assert abs(correlation(values, 1)) < 0.04
    drawn = delays.create(REMEMBERED, 1).sample(np.random.default_rng(0), 1000, 10, WORK[:2])
    for values in parts(drawn):
        assert abs(correlation(values, 1)) < 0.04


def test_lasting_factors_belong_to_the_workers():
    model = delays.create(
        "additive:overhead=1,overhead_mu=inf,alpha=1,spread=0.5,overhead_spread=0.2", 7
    )
    times = model.trace(3, 2000, WORK[:2])
    np.testing.assert_array_equal(times, times[:1] * np.ones((3, 1, 1)))
    rng = np.random.default_rng(0)
    for drawn in (model.sample(rng, 2, 2000, WORK[:2]), model.consecutive(rng, 2, 2000, WORK[:2])):
        np.testing.assert_allclose(drawn, times[:2], rtol=1e-14)
    overhead, task = (np.log(values[0]) for values in parts(times))
    assert overhead.std() == pytest.approx(0.2, rel=0.1)
    assert task.std() == pytest.approx(0.5, rel=0.1)
    assert abs(np.median(task)) < 0.05
    assert abs(np.corrcoef(overhead, task)[0, 1]) < 0.08
    assert (delays.create(LASTING, 8).kind(0) != delays.create(LASTING, 7).kind(0)) is True


# The law


@pytest.mark.parametrize(
    ("first", "second"),
    [(3.0, 3.0), (3.0, 3.0 * (1 + 1e-12)), (3.0, 3.0000001), (2.0, 5.0), (5.0, 2.0), (1e-6, 1e6)],
)
def test_sums_of_exponential_times_have_small_relative_errors(first, second):
    """Against the series of the law in rational numbers."""
    slow, fast = sorted((Fraction(first), Fraction(second)))
    for y in (1e-9, 1e-3, 0.4, 2.0, 30.0, 200.0):
        y = y / (slow if slow > 1 else 1)
        z = (fast - slow) * Fraction(y)
        if z > 50:
            weight = 1 / (fast - slow)
        else:
            weight, term = Fraction(0), Fraction(y)
            for k in range(1, 300):
                weight, term = weight + term, -term * z / (k + 1)
        once = np.exp(-float(slow * Fraction(y)))
        at, rate = np.array([float(y)]), np.array([second])
        exact = once * float(1 + slow * weight)
        assert _exponentials.late(at, first, rate)[0] == pytest.approx(exact, rel=1e-12)
        exact = once * float(slow * fast * weight)
        assert _exponentials.density(at, first, rate)[0] == pytest.approx(exact, rel=1e-12)


def test_parts_that_are_not_random():
    y = np.array([-1.0, 0.0, 0.3])
    never, some = np.full(3, inf), np.full(3, 2.0)
    exponential = np.exp(-2 * np.maximum(y, 0))
    np.testing.assert_allclose(_exponentials.late(y, inf, some), exponential, rtol=1e-15)
    np.testing.assert_allclose(_exponentials.late(y, 2.0, never), exponential, rtol=1e-15)
    np.testing.assert_array_equal(_exponentials.late(y, inf, never), [1, 0, 0])
    assert _exponentials.density(y, inf, never) is None
    np.testing.assert_allclose(_exponentials.density(y, inf, some), [0, 2, 2 * exponential[2]])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("text", [*LAWS, "additive:overhead_mu=1e90,mu=1e-90"])
def test_any_time_has_a_probability(text):
    model = delays.create(text, 0)
    for t in (0.0, 1e-300, 1e-9, 1.0, 1e12, 1e150, 1e300):
        late = model.late(1, t, WORK)
        assert ((late >= 0) & (late <= 1)).all()
        assert (model.finish_density(1, t, WORK) >= 0).all()


@pytest.mark.parametrize("text", LAWS)
@pytest.mark.parametrize("how", ["finish_times", "sample"])
def test_work_is_done_by_the_law(text, how):
    model = delays.create(text, 4)
    for worker, s in ((0, 1), (1, 4)):
        if how == "sample":
            times = model.sample(np.random.default_rng(0), 3000, 2, WORK)[:, worker, s - 1]
        else:
            times = np.array(
                [model.finish_times(i, worker, WORK[s - 1 : s])[0] for i in range(3000)]
            )
        times = np.sort(times)
        law = 1 - np.array([model.late(worker, t, WORK[s - 1 : s])[0] for t in times])
        steps = np.arange(len(times) + 1) / len(times)
        assert max(abs(law - steps[1:]).max(), abs(law - steps[:-1]).max()) < 1.63 / 3000**0.5


@pytest.mark.parametrize("text", LAWS)
def test_the_density_is_the_derivative_of_the_law(text):
    model, step = delays.create(text, 0), 1e-6
    kinks = model.finish_breakpoints(1, WORK)
    for t in np.linspace(0.0017, 1.0, 100):
        if len(kinks) and abs(kinks - t).min() < 2 * step:
            continue
        slope = (model.late(1, t - step, WORK) - model.late(1, t + step, WORK)) / (2 * step)
        np.testing.assert_allclose(model.finish_density(1, t, WORK), slope, rtol=1e-5, atol=1e-6)


def test_kinks_are_where_the_fastest_tasks_end():
    for text in ("additive", BOTH):
        kinks = delays.create(text, 0).finish_breakpoints(0, WORK)
        assert kinks == pytest.approx(0.1 + 0.01 * WORK)


# Closed forms


SCHEMES = ["uncoded", "gc", "lcc", "lcc-mmc", "mds-mmc", "uc-mmc", "uc-mmc-pg"]


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("text", [LASTING, "additive:spread=0.3,memory=0.5"])
def test_predictions_where_workers_differ_agree_with_monte_carlo(name, text):
    scheme, delay = (
        schemes.create(name, 8, load=1 if name == "uncoded" else 4),
        delays.create(text, 2),
    )
    exact = predict(scheme, delay, realisations=2)
    assert exact.method == "exact"
    found = agreement(exact, simulate(scheme, delay, 10_000, seed=3))
    assert abs(found.mean) <= 4, found
    assert abs(found.std) <= 4, found
    assert abs(found.load) <= 4, found
    assert found.p_value > 1e-3, found


def test_too_many_kinds_of_workers_are_drawn():
    delay, workers = delays.create(LASTING, 0), MOST_LAWS // 5 + 1
    assert exact_completion(schemes.create("lcc-mmc", workers - 1, load=5), delay) is not None
    assert exact_completion(schemes.create("lcc-mmc", workers, load=5), delay) is None
    assert exact_completion(schemes.create("lcc-mmc", 40, load=10), delays.create(BOTH, 0))


def test_one_worker_and_one_task_by_hand():
    scheme = schemes.create("uncoded", 1)
    found = predict(scheme, delays.create(BOTH, 0))
    assert found.mean == pytest.approx(0.1 + 1 / 20 + 0.01 + 1 / 30, rel=1e-10)
    assert found.std == pytest.approx((1 / 20**2 + 1 / 30**2) ** 0.5, rel=1e-8)
    equal = predict(scheme, delays.create("additive:overhead=0,alpha=0,mu=20", 0))
    assert (equal.mean, equal.std) == pytest.approx((0.1, 2**0.5 / 20), rel=1e-8)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("text", "mean", "std"),
    [
        ("additive:overhead=1000,overhead_mu=1e6,alpha=0,mu=1e6", 1000 + 2e-6, 2**0.5 * 1e-6),
        ("additive:overhead=0,overhead_mu=1e-3,alpha=0,mu=1e6", 1000 + 1e-6, 1000),
        ("additive:overhead=1,overhead_mu=inf,alpha=1,mu=inf", 2, 0),
        ("additive:overhead=0,overhead_mu=inf,alpha=0,mu=inf", 0, 0),
        ("pareto:shape=1.5,scale=0.1 + shifted-exponential:mu=inf,alpha=2", 2.3, inf),
    ],
)
def test_moments_of_narrow_wide_and_heavy_laws(text, mean, std):
    found = predict(schemes.create("uncoded", 1), delays.create(text, 0))
    assert found.method == "exact"
    assert (found.mean, found.std) == pytest.approx((mean, std), rel=1e-7, abs=1e-12)


def by_bisection(overhead, task, workers):
    """Instants at which sum_i max(T - o_i, 0) / d_i is the number of workers."""
    low, high = np.zeros(len(task)), np.full(len(task), 100.0)
    for _ in range(60):
        middle = (low + high) / 2
        enough = (np.maximum(middle[:, None] - overhead, 0) / task).sum(axis=1) >= workers
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


@pytest.mark.parametrize(
    "text", ["additive", BOTH, LASTING, "pareto:shape=3 + shifted-exponential:mu=5"]
)
def test_a_perfect_split_works_only_after_the_overheads(text):
    delay = delays.create(text, 0)
    drawn = delay.sample(np.random.default_rng(1), 20_000, 6, WORK[:2])
    times = by_bisection(*parts(drawn), 6)
    found = perfect_split(schemes.create("uncoded", 6), delay)
    error = np.hypot(found.standard_error, times.std() / len(times) ** 0.5)
    assert abs(found.mean - times.mean()) < 4 * error
    shares = delays.create(text.replace(" +", ",per=share +") if "+" in text else text, 0)
    limit = lower_limit(schemes.create("uc-mmc", 6, load=5), shares)
    assert limit is None or found.mean < integrate(limit).mean


# The command line


@pytest.mark.parametrize("command", ["theory", "simulate"])
def test_predictions_on_the_command_line(command, capsys):
    line = [command, "--scheme", "lcc-mmc", "--workers", "8", "--load", "4", "--json"]
    if command == "simulate":
        line += ["--realisations", "20000"]
    assert run_command_line([*line, "--delay", BOTH]) == 0
    found = json.loads(capsys.readouterr().out)
    exact = integrate(
        exact_completion(schemes.create("lcc-mmc", 8, load=4), delays.create(BOTH, 0))
    )
    error = found["standard_error"] or 1e-9
    assert (found["method"] == "exact") == (command == "theory")
    assert abs(found["expected_completion_time"] - exact.mean) < 4 * error
    assert found["perfect_split"] < found["lower_limit"] < exact.mean
    assert found["perfect_split_standard_error"] > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "additive:overhead=-1",
            "overhead = -1 has to be a time in seconds, such as overhead=0.01",
        ),
        ("additive:inf", "overhead = inf has to be a time"),
        ("additive:alpha=nan", "alpha = nan has to be a time"),
        ("additive:mu=0", "mu = 0 has to be positive: .*mu=10, or inf for no random part"),
        ("additive:overhead_mu=-2", "overhead_mu = -2 has to be positive"),
        ("additive:mu=nan", "mu = nan has to be positive"),
        ("additive:spread=-0.1", "spread = -0.1 is out of range: .*from 0 to 10"),
        ("additive:overhead_spread=11", "overhead_spread = 11 is out of range"),
        ("additive:spread=nan", "spread = nan is out of range"),
        ("additive:memory=1", "memory = 1 is out of range: .*0 <= memory < 1"),
        ("additive:overhead_memory=-0.5", "overhead_memory = -0.5 is out of range"),
        ("additive:memory=nan", "memory = nan is out of range"),
        ("additive:overheads=1", r"no parameter 'overheads' \(did you mean 'overhead'\?\)"),
    ],
)
def test_parameters_that_cannot_be_are_refused(text, words):
    with pytest.raises(UsageError, match=words) as refusal:
        delays.create(text, 0)
    assert "\n" not in str(refusal.value)
