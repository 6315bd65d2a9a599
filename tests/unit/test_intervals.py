"""Confidence intervals: what they cover, what narrows them, and where there are none."""

import numpy as np
import pytest

from coded_dgd.report.intervals import mean_interval, ratio_interval


@pytest.mark.parametrize("count", [5, 20, 100])
def test_intervals_cover_what_they_say(count):
    rng = np.random.default_rng(0)
    means = ratios = 0
    for _ in range(2000):
        shared = rng.gamma(10.0, 0.1, count)  # mean 1
        a, b = 3 * shared + rng.gamma(4.0, 0.25, count), shared + rng.gamma(4.0, 0.25, count)
        low, high = mean_interval(a)
        means += low <= 4 <= high
        low, high = ratio_interval(a, b)
        ratios += low <= 2 <= high
    assert 0.935 <= means / 2000 <= 0.965
    assert 0.935 <= ratios / 2000 <= 0.965


def test_pairs_narrow_the_interval_of_a_ratio():
    rng = np.random.default_rng(1)
    shared = rng.exponential(size=50)
    a, b = 2 + shared, 1 + shared
    low, high = ratio_interval(a, b)
    shuffled_low, shuffled_high = ratio_interval(a, rng.permutation(b))
    assert low < a.mean() / b.mean() < high
    assert high - low < 0.5 * (shuffled_high - shuffled_low)


def test_of_a_sample_and_itself_the_ratio_is_certain():
    values = np.random.default_rng(2).exponential(size=10)
    assert ratio_interval(values, values) == (1.0, 1.0)


def test_wider_with_more_confidence():
    values = np.arange(10.0)
    low, high = mean_interval(values, 0.9)
    wider_low, wider_high = mean_interval(values, 0.99)
    assert wider_low < low < 4.5 < high < wider_high


def test_there_is_none_of_one_value_or_of_zeros():
    assert mean_interval([1.0]) is None
    assert ratio_interval([1.0], [2.0]) is None
    assert ratio_interval([1.0, 2.0], [0.0, 0.0]) is None
