"""Schemes that are replayed on the same iterations, and the error of the ratio of their times."""

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.theory.replay import completion_times, ratio_of_means

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
