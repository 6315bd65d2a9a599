"""What is held of messages, the rows that hold it, and reports as checkpoints keep them."""

import numpy as np
import pytest

from coded_dgd.engine.arrivals import Arrivals
from coded_dgd.engine.payloads import Payloads
from coded_dgd.engine.protocol import Report
from coded_dgd.problems.layout import Layout

LAYOUT = Layout(3)


def payloads(rows):
    made = Payloads()
    made.reserve(LAYOUT, rows)
    return made


def free_rows(matrix, rows):
    """Number of rows that can be taken before the matrix grows."""
    return sum(row < rows for row in matrix.take(rows))


def test_the_newer_of_two_messages_is_held_and_the_other_row_is_free():
    matrix = payloads(4)
    arrivals = Arrivals(matrix, oldest=2)
    first, second, third = matrix.take(3)
    arrivals.begin(5)
    assert arrivals.take((0, 0), first, 4)
    assert arrivals.take((0, 0), second, 5)
    assert not arrivals.take((0, 0), third, 3)
    (third,) = matrix.take(1)
    assert not arrivals.take((1, 0), third, 2)  # too old
    assert arrivals.rows([(0, 0)]) == [second]
    assert arrivals.ages() == {(0, 0): 0}


def test_messages_held_together_are_those_held_one_by_one():
    together, single = Arrivals(payloads(3)), Arrivals(payloads(3))
    keys, rows = [(0, 0), (1, 0), (0, 1)], [2, 0, 1]
    for arrivals in (together, single):
        arrivals.begin(4)
    assert together.are_new(keys)
    together.take_all(keys, rows)
    for key, row in zip(keys, rows, strict=True):
        single.take(key, row, 4)
    assert together.order == single.order == keys
    assert together.rows(keys) == single.rows(keys) == rows
    assert together.ages() == single.ages() == dict.fromkeys(keys, 0)
    assert not together.are_new([(5, 0), (0, 1)])
    assert not together.are_new([(5, 0), (5, 0)])


def test_a_row_of_a_peer_is_taken_again_only_for_that_peer():
    matrix = payloads(4)
    first, second, third = matrix.take_for([7, 8, 7])
    assert len({first, second, third}) == 3
    matrix.free([second, first, third])
    assert matrix.take_for([7, 8, 7]) == [third, second, first]
    assert not {first, second, third} & {*matrix.take(6), *matrix.take_for([9, 7])}


def test_rows_of_peers_that_have_become_too_short_are_not_taken_any_more():
    matrix = payloads(2)
    old = matrix.take_for([0, 1])
    assert matrix.reserve(Layout(50), 2)
    matrix.free(old)
    new = matrix.take_for([0, 1, 0])
    assert not {*old} & {*new}
    assert {len(matrix.buffers[row]) for row in new} == {55}


@pytest.mark.parametrize("length", [3, 5000, 20_000])  # together, by threes, one by one
@pytest.mark.parametrize("bad", [None, 0, 5, 7])
def test_all_messages_are_inspected(length, bad):
    matrix, layout = Payloads(), Layout(length)
    matrix.reserve(layout, 8)
    rows = matrix.take(8)
    for number, row in enumerate(rows):
        matrix.buffers[row][:] = number
    if bad is not None:
        matrix.buffers[rows[bad]][-1] = np.inf
    headers, finite = matrix.inspect(rows, layout)
    assert headers == [[number] * 5 for number in range(8)]
    assert finite == (bad is None)


def test_rows_are_free_once_no_iteration_can_use_them():
    for oldest in (0, 2):
        matrix = payloads(1)
        arrivals = Arrivals(matrix, oldest)
        arrivals.begin(7)
        arrivals.take((2, 1), *matrix.take(1), 7)
        arrivals.end()
        for iteration in range(8, 8 + oldest):
            arrivals.begin(iteration)
            assert arrivals.ages() == {(2, 1): iteration - 7}
            arrivals.end()
        assert not len(arrivals)
        assert free_rows(matrix, 1) == 1


def test_closing_frees_everything():
    matrix = payloads(3)
    arrivals = Arrivals(matrix, oldest=9)
    for key, row in enumerate(matrix.take(3)):
        arrivals.take((key, 0), row, 0)
    arrivals.close()
    assert not len(arrivals)
    assert free_rows(matrix, 3) == 3


def test_rows_that_have_become_too_short_are_not_taken_any_more():
    matrix = payloads(2)
    old = matrix.take(2)
    assert matrix.reserve(Layout(50), 2)
    assert not matrix.reserve(Layout(50), 2)
    matrix.free(old)
    new = matrix.take(3)
    assert not set(old) & set(new)
    assert {len(matrix.buffers[row]) for row in new} == {55}
    for row in new:
        matrix.buffers[row][:] = np.arange(55)
    combined = matrix.combine(np.array([1.0, 2.0, -1.0]), new, Layout(50))
    np.testing.assert_array_equal(combined, 2.0 * np.arange(5, 55))


def test_a_sum_over_long_rows_is_that_of_short_ones():
    matrix = Payloads()
    layout = Layout(70_001)
    matrix.reserve(layout, 5)
    rng, rows = np.random.default_rng(0), matrix.take(5)
    for row in rows:
        matrix.buffers[row][:] = rng.standard_normal(70_006)
    order, weights = [rows[3], rows[0], rows[4]], np.array([0.5, -2.0, 1.5])
    expected = sum(w * matrix.buffers[row][5:] for w, row in zip(weights, order, strict=True))
    np.testing.assert_allclose(matrix.combine(weights, order, layout), expected, rtol=1e-13)


def test_reports_of_older_checkpoints_are_read():
    report = Report(3, "host", 7, 0.5, 1.5, 12, "process lost", None, 4, 99)
    kept = report.to_json()
    assert kept["marks"] == 4
    assert "events" not in kept
    assert Report.from_json(kept) == report
