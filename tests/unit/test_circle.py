"""The code on the circle: exact angles, interpolation, placement, and the weights of a sum."""

from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coded_dgd.codes import circle

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")


def exact_sine(a, q):
    """sin(pi a / q) to 50 digits, by its series."""
    with localcontext() as context:
        context.prec = 60
        angle = Fraction(a, q) % 2
        x = PI * angle.numerator / angle.denominator
        total = term = x
        for k in range(3, 101, 2):
            term *= -x * x / (k * (k - 1))
            total += term
        return total


def relative_error(value, exact):
    if abs(exact) < Decimal("1e-45"):  # a multiple of pi: nothing but zero will do
        return 0.0 if value == 0 else np.inf
    return abs(float((Decimal(float(value)) - exact) / exact))


# Rounding pi, two operations on it, and the sine itself: 2^-53 each.
ACCURACY = 4 * 2.0**-53


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**6))
def test_sines_and_cosines_are_accurate_at_any_multiple_of_pi(a, q):
    assert relative_error(circle.sin_pi(np.array([a]), q)[0], exact_sine(a, q)) <= ACCURACY
    cosine = exact_sine(2 * a + q, 2 * q)
    assert relative_error(circle.cos_pi(np.array([a]), q)[0], cosine) <= ACCURACY


@pytest.mark.parametrize("q", [1, 2, 3, 4, 6, 7, 40, 199, 1600, 64000])
def test_sines_of_a_whole_grid_are_accurate_and_symmetric(q):
    a = np.arange(-2 * q, 4 * q, max(1, q // 50))
    sines, cosines = circle.sin_pi(a, q), circle.cos_pi(a, q)
    errors = [relative_error(s, exact_sine(int(i), q)) for i, s in zip(a, sines, strict=True)]
    assert max(errors) <= ACCURACY
    np.testing.assert_array_equal(circle.sin_pi(-a, q), -sines)
    np.testing.assert_array_equal(circle.sin_pi(q - a, q), sines)
    np.testing.assert_array_equal(circle.sin_pi(a + 2 * q, q), sines)
    np.testing.assert_array_equal(circle.cos_pi(-a, q), cosines)


def test_multiples_of_a_right_angle_are_exact():
    np.testing.assert_array_equal(circle.sin_pi(np.arange(-4, 5), 2), [0, 1, 0, -1, 0, 1, 0, -1, 0])
    np.testing.assert_array_equal(circle.cos_pi(np.arange(-4, 5), 2), [1, 0, -1, 0, 1, 0, -1, 0, 1])


NODES = [1, 2, 3, 4, 5, 8, 9, 20, 40]


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("grid", [1, 2, 7, 12, 40, 200])
def test_encoding_rows_have_unit_norm(nodes, grid):
    rows = circle.cardinal(np.arange(grid), grid, nodes)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-14)


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("factor", [1, 2, 3, 10])
def test_a_grid_point_that_is_a_node_has_exactly_a_unit_row(nodes, factor):
    points = factor * np.arange(nodes)
    rows = circle.cardinal(points, factor * nodes, nodes)
    np.testing.assert_array_equal(rows, np.eye(nodes))


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("grid", [7, 12, 200])
def test_encoding_interpolates_every_trigonometric_polynomial_of_its_space(nodes, grid):
    # frequencies (n-1)/2, (n-3)/2, ... down to 0 or 1/2: n dimensions, n even or odd
    frequency = np.arange((nodes - 1) / 2, -0.25, -1)
    rng = np.random.default_rng(nodes)
    a, b = rng.standard_normal((2, len(frequency)))

    def f(t):
        turns = np.multiply.outer(t, frequency)
        return np.cos(turns) @ a + np.sin(turns) @ b

    at_nodes = f(2 * np.pi * np.arange(nodes) / nodes)
    at_points = f(2 * np.pi * np.arange(grid) / grid)
    rows = circle.cardinal(np.arange(grid), grid, nodes)
    np.testing.assert_allclose(rows @ at_nodes, at_points, atol=1e-12)


def test_van_der_corput_order():
    table = {
        1: [0],
        2: [0, 1],
        3: [0, 2, 1],
        4: [0, 2, 1, 3],
        5: [0, 3, 2, 4, 1],
        8: [0, 4, 2, 6, 1, 5, 3, 7],
    }
    for count, order in table.items():
        assert circle.van_der_corput_order(count).tolist() == order
    for count in range(1, 130):
        order = circle.van_der_corput_order(count)
        assert order[0] == 0
        assert sorted(order) == list(range(count))


def test_the_first_of_a_power_of_two_are_evenly_spread():
    order = circle.van_der_corput_order(64)
    for first in 1, 2, 4, 8, 16, 32:
        assert sorted(order[:first]) == list(range(0, 64, 64 // first))


def test_spread_ranks_is_a_permutation():
    for workers in range(1, 300):
        assert sorted(circle.spread_ranks(workers)) == list(range(workers))


@pytest.mark.parametrize("workers", [5, 10, 12, 20, 40, 64, 100, 200])
def test_spread_ranks_sends_neighbours_far_apart(workers):
    step = np.diff(circle.spread_ranks(workers)) % workers
    assert np.minimum(step, workers - step).min() >= workers / 4


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5, 6, 10, 12, 40, 41])
@pytest.mark.parametrize("messages", [1, 2, 3, 4, 5, 8, 10, 40])
def test_golden_placement_fills_the_grid_and_each_level_is_a_coset(workers, messages):
    points = circle.golden_placement(workers, messages)
    assert points.shape == (workers, messages)
    assert sorted(points.ravel()) == list(range(workers * messages))
    for level in points.T:
        offset = level[0] % messages
        assert sorted(level) == list(range(offset, workers * messages, messages))
    assert sorted(points[:, 0]) == list(range(0, workers * messages, messages))


def random_h(nodes, seed=0):
    """A random h of dimension 2 n - 1, and the sum of its values at the nodes."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, nodes - 1))
    constant = rng.standard_normal()
    k = np.arange(1, nodes)

    def h(t):
        turns = np.multiply.outer(t, k)
        return np.cos(turns) @ a + np.sin(turns) @ b + constant

    return h, h(2 * np.pi * np.arange(nodes) / nodes).sum()


@pytest.mark.parametrize(("nodes", "grid"), [(1, 4), (2, 3), (2, 9), (3, 5), (3, 11), (4, 10)])
def test_any_2n_minus_1_points_give_the_sum(nodes, grid):
    h, total = random_h(nodes)
    values = h(2 * np.pi * np.arange(grid) / grid)
    for subset in combinations(range(grid), 2 * nodes - 1):
        points = np.array(subset)
        weights = circle.sum_weights(points, grid, nodes)
        bound = 1e-13 * np.abs(weights).sum() * np.abs(values).max()
        assert abs(weights @ values[points] - total) <= bound
        assert np.abs(weights).sum() < 1e6


@given(st.data())
def test_more_points_give_the_sum_with_weights_of_minimum_norm(data):
    nodes = data.draw(st.integers(1, 6))
    grid = data.draw(st.integers(2 * nodes - 1, 30))
    points = data.draw(st.permutations(range(grid)))
    points = np.array(points[: data.draw(st.integers(2 * nodes - 1, grid))])
    h, total = random_h(nodes)
    weights = circle.sum_weights(points, grid, nodes)
    angles = 2 * np.pi * points / grid
    scale = np.abs(weights).sum()
    assert abs(weights @ h(angles) - total) <= 1e-11 * max(scale, 1)
    turns = np.multiply.outer(angles, np.arange(nodes))
    V = np.hstack([np.cos(turns), np.sin(turns[:, 1:])])
    sums = np.zeros(2 * nodes - 1)
    sums[0] = nodes
    # of all solutions of V^T w = sums, the one of minimum norm lies in the span of V
    inside = V @ np.linalg.lstsq(V, weights, rcond=1e-14)[0]
    np.testing.assert_allclose(V.T @ weights, sums, atol=1e-12 * max(scale, 1))
    np.testing.assert_allclose(inside, weights, atol=1e-10 * max(scale, 1))


def misses(weights, points, grid, nodes):
    """|V^T w - n e| / |w|_1, in extended precision: what a decode of an h of size 1 is off by."""
    turns = np.multiply.outer(np.arange(1, nodes), points) % grid
    angles = turns * (2 * np.arccos(np.longdouble(-1)) / grid)
    V = np.vstack([np.sqrt(2) * np.cos(angles), np.sqrt(2) * np.sin(angles), np.ones(len(points))])
    sums = V @ weights.astype(np.longdouble)
    sums[-1] -= nodes
    return float(np.sqrt((sums**2).sum()) / np.abs(weights).sum())


SETS = [(1, 1, 7), (2, 2, 2), (3, 7, 3), (5, 5, 4), (8, 5, 4), (9, 40, 1), (20, 37, 3), (40, 40, 5)]


@pytest.mark.parametrize(("nodes", "workers", "messages"), SETS)
def test_at_the_threshold_weights_miss_by_their_own_rounding_only(nodes, workers, messages):
    rng = np.random.default_rng(nodes)
    every, grid = circle.golden_placement(workers, messages).ravel(), workers * messages
    for _ in range(20):
        points = rng.choice(every, 2 * nodes - 1, replace=False)
        weights = circle.interpolation_weights(points, grid, nodes)
        assert misses(weights, points, grid, nodes) <= 1e-15
        shortest = circle.shortest_weights(points, grid, nodes)
        scale = np.abs(weights).sum()
        assert np.abs(weights - shortest).max() <= 1e-15 * scale**2  # QR loses what is amplified
        np.testing.assert_array_equal(circle.sum_weights(points, grid, nodes), weights)


def test_weights_of_many_points_in_pieces(monkeypatch):
    nodes, workers = 700, 700  # the products of chords leave the range of float64 on the way
    grid = 3 * workers
    every = circle.golden_placement(workers, 3).ravel()
    points = np.sort(np.random.default_rng(0).permutation(every)[: 2 * nodes - 1])
    weights = circle.interpolation_weights(points, grid, nodes)
    assert misses(weights, points, grid, nodes) <= 1e-14
    monkeypatch.setattr(circle, "LARGEST_TABLE", 5000)
    np.testing.assert_allclose(
        circle.interpolation_weights(points, grid, nodes), weights, rtol=1e-12
    )


@pytest.mark.parametrize("extended", [True, False])
def test_products_out_of_range_or_no_extended_precision_leave_it_to_least_squares(
    extended, monkeypatch
):
    nodes, grid = 20, 50
    points = np.arange(2 * nodes - 1)
    expected = circle.shortest_weights(points, grid, nodes)
    monkeypatch.setattr(circle, "EXTENDED", extended)
    if extended:
        lost = np.full(len(points), np.nan)
        monkeypatch.setattr(circle, "interpolation_weights", lambda *_: lost)
    np.testing.assert_array_equal(circle.sum_weights(points, grid, nodes), expected)


@pytest.mark.parametrize(("nodes", "grid"), [(1, 1), (1, 5), (2, 3), (5, 9), (20, 40), (40, 200)])
def test_weights_of_the_complete_grid_are_all_the_same(nodes, grid):
    points = np.random.default_rng(0).permutation(grid)
    weights = circle.sum_weights(points, grid, nodes)
    np.testing.assert_allclose(weights, nodes / grid, rtol=1e-12)


@pytest.mark.parametrize("nodes", NODES)
def test_one_complete_level_has_weights_that_are_all_the_same(nodes):
    # 2 n - 1 workers, 3 messages each: the first messages alone are a complete coset
    workers = 2 * nodes - 1
    points = circle.golden_placement(workers, 3)
    for level in points.T:
        weights = circle.sum_weights(level, 3 * workers, nodes)
        np.testing.assert_allclose(weights, nodes / workers, rtol=1e-11)


@pytest.mark.parametrize("nodes", [1, 2, 3, 6, 7])
def test_products_of_interpolants_lie_in_the_space_of_h(nodes):
    grid = 4 * nodes + 1
    rng = np.random.default_rng(nodes)
    a, b = rng.standard_normal((2, nodes))
    rows = circle.cardinal(np.arange(grid), grid, nodes)
    points = rng.permutation(grid)[: 2 * nodes + 1]
    weights = circle.sum_weights(points, grid, nodes)
    product = (rows @ a) * (rows @ b)
    np.testing.assert_allclose(weights @ product[points], a @ b, atol=1e-12 * np.abs(weights).sum())


def test_basis_is_orthonormal_over_the_grid_and_ends_with_the_constant():
    for nodes, grid in [(1, 3), (2, 3), (5, 9), (8, 40)]:
        V = circle.basis(np.arange(grid), grid, nodes)
        assert V.shape == (grid, 2 * nodes - 1)
        np.testing.assert_allclose(V.T @ V / grid, np.eye(2 * nodes - 1), atol=1e-14)
        np.testing.assert_array_equal(V[:, -1], 1)
