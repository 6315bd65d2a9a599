"""Closed forms of completion times against enumeration, known moments and limits."""

import itertools
from math import factorial, inf, prod

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.special import gammaln
from scipy.stats import binom

from coded_dgd import delays, schemes
from coded_dgd.delays._durations import DrawnDurations
from coded_dgd.errors import UsageError
from coded_dgd.schemes.base import ReplicationScheme
from coded_dgd.theory import predict
from coded_dgd.theory.count import probability_below
from coded_dgd.theory.exact import exact_completion, lower_limit
from coded_dgd.theory.integrate import integrate, quantile

MU, ALPHA = 10.0, 0.01
LAW = delays.create("shifted-exponential:mu=10,alpha=0.01", 0)
INSTANTS = [0.005, 0.01, 0.0125, 0.03, 0.05, 0.1, 0.3, 1.0, 5.0]


def finished(s, t):
    """F_s(t), eq. (12); 1 for s = 0."""
    return 1.0 if s == 0 else 1 - np.exp(-MU * max(t / s - ALPHA, 0))


def exactly(s, r, t):
    """P_s(t), eq. (13), with P_r = F_r."""
    return finished(s, t) - (finished(s + 1, t) if s < r else 0)


def completion(name, *sizes, delay=LAW, **options):
    return exact_completion(schemes.create(name, *sizes, **options), delay)


class Pareto(DrawnDurations):
    """Pr(duration > x) = x^-shape for x >= 1."""

    def __init__(self, shape):
        super().__init__("shared", 0)
        self.shape = shape

    def draw(self, rng, shape):
        return 1 + rng.pareto(self.shape, shape)

    def exceeds(self, x):
        return np.maximum(x, 1.0) ** -self.shape

    def breakpoints(self, worker):
        return (1.0,)


# Thresholds


def test_a_threshold_is_the_sum_over_all_ways_to_reach_it():
    """Eqs. (14) and (15), enumerated: N = 10, r = 5, and 2 N - 1 computations."""
    N, r = 10, 5
    ways = [
        counts
        for counts in itertools.product(range(N + 1), repeat=r)
        if sum(counts) <= N and sum(s * n for s, n in enumerate(counts, 1)) >= 2 * N - 1
    ]
    law = completion("lcc-mmc", N, N, r)
    for t in INSTANTS:
        P = [exactly(s, r, t) for s in range(r + 1)]
        enumerated = 0.0
        for counts in ways:
            numbers = (N - sum(counts), *counts)
            enumerated += (
                factorial(N)
                / prod(map(factorial, numbers))
                * prod(p**n for p, n in zip(P, numbers, strict=True))
            )
        assert 1 - law.survival(t) == pytest.approx(enumerated, abs=1e-13)


@pytest.mark.parametrize(
    ("name", "load", "threshold"), [("uncoded", 1, 10), ("gc", 5, 6), ("lcc", 5, 3)]
)
def test_a_threshold_of_single_messages_is_binomial(name, load, threshold):
    """Eq. (18)."""
    law = completion(name, 10, 10, load)
    for t in INSTANTS:
        late = binom.cdf(threshold - 1, 10, finished(load, t))
        assert law.survival(t) == pytest.approx(late, rel=1e-11)


@pytest.mark.parametrize("late", [0.9, 0.5, 1e-3, 1e-8])
def test_small_probabilities_have_small_relative_errors(late):
    for number, threshold in itertools.product([1, 7, 40], [1, 3, 40]):
        if threshold > number:
            continue
        below = probability_below(np.array([[late, 1 - late]]), np.array([number]), threshold)
        exact = binom.cdf(threshold - 1, number, 1 - late)
        assert below == pytest.approx(exact, rel=1e-9), (number, threshold)


def test_workers_of_several_laws():
    """Against convolutions, in which only positive numbers are added."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        groups, J = rng.integers(1, 5), rng.integers(1, 6)
        laws = rng.dirichlet(np.full(J + 1, 0.3), groups) * 10.0 ** rng.uniform(-6, 0, (groups, 1))
        laws[:, -1] += 1 - laws.sum(axis=1)
        numbers = rng.integers(1, 9, groups)
        total = np.ones(1)
        for law, number in zip(laws, numbers, strict=True):
            for _ in range(number):
                total = np.convolve(total, law)
        for threshold in rng.integers(1, len(total), 5):
            below = probability_below(laws, numbers, threshold)
            assert below == pytest.approx(total[:threshold].sum(), rel=1e-9, abs=0)


def test_certain_and_impossible_sums():
    laws, numbers = np.array([[0.0, 0.5, 0.5, 0.0]]), np.array([3])
    assert probability_below(laws, numbers, 3) == 0
    assert probability_below(laws, numbers, 4) == pytest.approx(1 / 8, rel=1e-14)
    assert probability_below(laws, numbers, 6) == pytest.approx(7 / 8, rel=1e-14)
    assert probability_below(laws, numbers, 7) == 1


def test_numbers_that_are_left_out():
    """The probability is that nobody has such a number, and the sum is below."""
    laws, numbers = np.array([[0.0, 0.4, 0.2]]), np.array([3])
    for threshold, expected in ((3, 0.0), (4, 0.4**3), (5, 0.4**3 + 3 * 0.4**2 * 0.2), (7, 0.6**3)):
        assert probability_below(laws, numbers, threshold) == pytest.approx(expected, rel=1e-13)
    assert probability_below(np.array([[0.0, 0.0], [0.5, 0.5]]), np.array([1, 1]), 1) == 0


# Coverage


@pytest.mark.parametrize(
    ("M", "N", "r"),
    [
        (4, 4, 1),
        (4, 4, 3),
        (5, 5, 2),
        (3, 3, 3),
        (3, 5, 2),
        (3, 6, 4),
        (5, 3, 2),
        (6, 4, 2),
        (1, 3, 3),
    ],
)
@pytest.mark.parametrize("spare", [0, 1, 2])
@pytest.mark.parametrize("delay", ["shifted-exponential", "persistent:ranks=1,mu=5,factor=3"])
def test_coverage_is_the_sum_over_all_that_workers_can_have_done(M, N, r, spare, delay):
    """Also far out, where the probability that blocks are missing is small."""
    delay = delays.create(delay, 0)
    try:
        scheme = schemes.create("uc-mmc-pg", M, N, r, tolerance=spare / N)
        delay.check(M, scheme.work)
    except UsageError as refusal:
        pytest.skip(str(refusal))
    law = exact_completion(scheme, delay)
    for t in (0.02, 0.1, 0.4, 5.0):
        late = [np.append(1, delay.survival(w, t / np.arange(1.0, r + 1))) for w in range(M)]
        uncovered = 0.0
        for done in itertools.product(range(r + 1), repeat=M):
            arrived = np.arange(r) < np.array(done)[:, None]
            if not scheme.is_decodable(arrived):
                uncovered += prod(
                    (late[w][d + 1] if d < r else 1) - (late[w][d] if d else 0)
                    for w, d in enumerate(done)
                )
        assert law.survival(t) == pytest.approx(uncovered, rel=1e-10, abs=1e-300)


def test_blocks_that_are_not_arcs_of_a_ring_have_no_exact_form():
    from coded_dgd.schemes.rules import Coverage

    class Pairs(ReplicationScheme):
        block = np.array([[0, 1], [1, 0], [2, 3], [3, 2]])
        rule = Coverage(4, block)
        held = weights = None

        def ends(self, worker):
            return (1, 2)

    Pairs.__abstractmethods__ = frozenset()
    assert exact_completion(Pairs("pairs", 4, 4, 2), LAW) is None


# Integration


def moments_of_order_statistic(k, n):
    """Mean and variance of the k-th of n exponentials of rate 1."""
    terms = 1 / np.arange(n - k + 1, n + 1)
    return terms.sum(), (terms**2).sum()


@pytest.mark.parametrize(
    ("name", "workers", "load", "k", "work"),
    [
        ("uncoded", 1, 1, 1, 1),
        ("uncoded", 40, 1, 40, 1),
        ("uncoded", 1000, 1, 1000, 1),
        ("gc", 40, 10, 31, 10),
        ("gc", 40, 40, 1, 40),
        ("lcc", 40, 10, 7, 10),
    ],
)
@pytest.mark.parametrize(("mu", "alpha"), [(10, 0.01), (0.1, 1000), (1e6, 0)])
def test_moments_of_single_messages_are_those_of_order_statistics(
    name, workers, load, k, work, mu, alpha
):
    delay = delays.create(f"shifted-exponential:mu={mu},alpha={alpha}", 0)
    mean, variance = moments_of_order_statistic(k, workers)
    found = integrate(completion(name, workers, workers, load, delay=delay))
    assert found.tolerance == 1e-9
    assert found.mean == pytest.approx(work * (alpha + mean / mu), rel=1e-10)
    assert found.std == pytest.approx(work * np.sqrt(variance) / mu, rel=1e-8)
    assert found.messages == k


@pytest.mark.parametrize("shape", [0.5, 1, 1.02, 1.5, 2, 2.1, 3, 10])
@pytest.mark.parametrize("workers", [1, 5])
def test_heavy_tails(shape, workers):
    """The largest of n Pareto variables: a power of an order statistic of uniform ones."""

    def moment(order):
        if order >= shape:
            return inf
        n, share = workers, order / shape
        return np.exp(gammaln(n + 1) + gammaln(1 - share) - gammaln(n + 1 - share))

    found = integrate(completion("uncoded", workers, workers, 1, delay=Pareto(shape)))
    assert found.tolerance == 1e-9
    assert found.mean == pytest.approx(moment(1), rel=1e-9)
    if shape > 2:
        assert found.std == pytest.approx(np.sqrt(moment(2) - moment(1) ** 2), rel=1e-7)
    else:
        assert found.std == inf if shape > 1 else np.isnan(found.std)


@pytest.mark.parametrize(
    ("name", "load", "stragglers"),
    [
        ("uncoded", 1, 1),
        ("gc", 4, 4),
        ("lcc", 3, 3),
        ("lcc-mmc", 3, 3),
        ("mds-mmc", 2, 4),
        ("uc-mmc", 3, 3),
        ("uc-mmc-pg", 3, 4),
    ],
)
def test_moments_are_infinite_where_too_few_stragglers_hold_up_everything(name, load, stragglers):
    """n durations with tails x^-a are all long with a tail x^-(n a)."""
    options = {"tolerance": 1 / 7} if name == "uc-mmc-pg" else {}
    for order, shape in ((1, 1 / stragglers), (2, 2 / stragglers)):
        for factor, infinite in ((0.97, True), (1.03, False)):
            law = completion(name, 7, 7, load, delay=Pareto(factor * shape), **options)
            found = integrate(law)
            assert np.isfinite(found.mean if order == 1 else found.std) != infinite


def test_the_mean_is_the_integral_of_eq_16():
    """With several messages, against the trapezoidal rule."""
    t = np.linspace(0, 3, 6001)
    for name, load in (("lcc-mmc", 5), ("uc-mmc", 3), ("mds-mmc", 10)):
        law = completion(name, 10, 10, load)
        late = np.array([law.survival(each) for each in t])
        found = integrate(law)
        mean, square = trapezoid(late, t), trapezoid(2 * t * late, t)
        assert found.mean == pytest.approx(mean, abs=3e-6)
        assert found.std == pytest.approx(np.sqrt(square - mean**2), abs=1e-5)


@pytest.mark.parametrize("q", [0.001, 0.5, 0.99])
def test_quantiles_invert_the_distribution(q):
    for law in (completion("lcc-mmc", 40, 40, 10), completion("uc-mmc", 40, 40, 10)):
        assert 1 - law.survival(quantile(law, q)) == pytest.approx(q, rel=1e-10)


def test_deterministic_durations():
    delay = delays.create("persistent:ranks=2,factor=4,alpha=0.5", 0)
    for name, load, instant in (("uncoded", 1, 2.0), ("lcc-mmc", 4, 1.5), ("uc-mmc", 4, 1.0)):
        prediction = predict(schemes.create(name, 6, 6, load), delay, realisations=10)
        assert prediction.method == "exact"
        assert prediction.mean == pytest.approx(instant, rel=1e-12)
        assert prediction.std < 1e-12
        assert prediction.quantile(0.3) == pytest.approx(instant, rel=1e-12)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.6])
@pytest.mark.parametrize("factor", [1.5, 5.0, 20.0, 1000.0])
def test_workers_that_are_fast_or_slow_and_nothing_between(share, factor):
    """Two atoms: all three workers fast, or the slowest one slow."""
    delay = delays.create(f"markov:onset={share},recovery={1 - share},factor={factor}", 0)
    found = integrate(completion("uncoded", 3, delay=delay))
    late, fast = 1 - (1 - share) ** 3, 0.01
    assert found.mean == pytest.approx(fast + late * (factor - 1) * fast, rel=1e-9)
    assert found.std == pytest.approx((factor - 1) * fast * np.sqrt(late * (1 - late)), rel=1e-6)
    assert found.tolerance <= 1e-8


def test_no_duration_at_all():
    delay = delays.create("shifted-exponential:mu=inf,alpha=0", 0)
    found = integrate(completion("lcc-mmc", 4, 4, 2, delay=delay))
    assert (found.mean, found.std, found.messages) == (0, 0, 7)


# Communication load


def test_messages_of_a_threshold_are_counted_to_the_threshold():
    """By the integral that schemes need whose messages do not all count."""
    for name, threshold in (("lcc-mmc", 19), ("lcc-mmc-2", 9), ("gc", 6), ("mds-mmc", 10)):
        law = completion(name, 10, 10, 5)
        law.messages = None
        assert integrate(law).messages == pytest.approx(threshold, rel=1e-8)


@pytest.mark.parametrize("spare", [0, 3])
def test_without_redundancy_coverage_counts_all_messages_but_the_spare_ones(spare):
    law = completion("uc-mmc-pg", 10, 10, 1, tolerance=spare / 10)
    assert integrate(law).messages == pytest.approx(10 - spare, rel=1e-8)


def test_messages_of_coverage_by_hand():
    """M = N = r = 2: the faster worker has done both blocks, or each its own; 2 messages."""
    law = completion("uc-mmc", 2, 2, 2)
    assert integrate(law).messages == pytest.approx(2, rel=1e-8)


# Deadlines


@pytest.mark.parametrize("deadline", [0.011, 0.1, 0.2, 1.0, 50.0])
def test_a_deadline_ends_the_wait(deadline):
    scheme = schemes.create("ignore-stragglers", 10, wait=f"deadline:{deadline}")
    scheme.fit(10, np.ones)
    found = integrate(exact_completion(scheme, LAW))
    t = np.linspace(0, deadline, 400_001)
    mean = trapezoid(1 - (1 - np.exp(-MU * (t - ALPHA).clip(0))) ** 10, t)
    assert found.mean == pytest.approx(mean, rel=1e-8)
    assert found.messages == pytest.approx(10 * finished(1, deadline), rel=1e-8)


# What is exact


def test_what_has_no_exact_form_is_drawn():
    scheme = schemes.create("lcc-mmc", 10, load=4)
    for delay in ("shifted-exponential:tasks=independent", "bernoulli:p=0.3"):
        drawn = predict(scheme, delays.create(delay, 0), realisations=500)
        assert (drawn.method, drawn.realisations, drawn.tolerance) == ("monte-carlo", 500, None)
        assert drawn.standard_error > 0
        assert drawn.cdf_standard_error(drawn.mean) > 0
    exact = predict(scheme, LAW)
    assert (exact.method, exact.realisations, exact.tolerance) == ("exact", None, 1e-9)
    assert exact.standard_error is exact.communication_load_standard_error is None
    assert exact.cdf_standard_error(exact.mean) is None
    assert predict(scheme, LAW, exact=False, realisations=500).method == "monte-carlo"


def test_a_load_without_exact_form_is_drawn():
    """Where workers differ, and where messages come at the same instant."""
    for delay in ("persistent:ranks=1,mu=10,factor=2", "shifted-exponential:mu=inf"):
        law = delays.create(delay, 0)
        prediction = predict(schemes.create("uc-mmc", 6, load=3), law, realisations=500)
        assert (prediction.method, prediction.realisations) == ("exact", 500)
        assert prediction.standard_error is None
        assert prediction.communication_load_standard_error >= 0


def test_delays_that_do_not_cover_the_workers_are_refused():
    with pytest.raises(UsageError, match="no worker of rank 9"):
        predict(schemes.create("lcc-mmc", 4), delays.create("persistent:ranks=9", 0))


def test_mds_mmc_reaches_the_lower_limit_and_no_exact_scheme_is_below():
    for load in (2, 5, 10):
        limit = integrate(lower_limit(schemes.create("mds-mmc", 20, load=load), LAW)).mean
        for name in schemes.names():
            if schemes.find(name)[0].dynamic:  # there is no exact form
                continue
            scheme = schemes.create(name, 20, **({"load": load} if "load" in sizes(name) else {}))
            if not scheme.exact or scheme.load != load:
                continue
            mean = integrate(exact_completion(scheme, LAW)).mean
            if name == "mds-mmc":
                assert mean == pytest.approx(limit, rel=1e-12)
            else:
                assert mean > 1.01 * limit, name


def sizes(name):
    return schemes.create(name, 20).sizes
