"""What is held of messages, the rows that hold it, and reports as checkpoints keep them."""

import numpy as np

from coded_dgd.engine.arrivals import Arrival, Arrivals
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
    assert arrivals.take((0, 0), Arrival(4, 0.1, first))
    assert arrivals.take((0, 0), Arrival(5, 0.1, second))
    assert not arrivals.take((0, 0), Arrival(3, 0.1, third))
    (third,) = matrix.take(1)
    assert not arrivals.take((1, 0), Arrival(2, 0.1, third))  # too old
    assert arrivals.rows([(0, 0)]) == [second]
    assert arrivals.ages() == {(0, 0): 0}


def test_rows_are_free_once_no_iteration_can_use_them():
    for oldest in (0, 2):
        matrix = payloads(1)
        arrivals = Arrivals(matrix, oldest)
        arrivals.begin(7)
        arrivals.take((2, 1), Arrival(7, 0.1, *matrix.take(1)))
        arrivals.end()
        for iteration in range(8, 8 + oldest):
            arrivals.begin(iteration)
            assert arrivals.ages() == {(2, 1): iteration - 7}
            arrivals.end()
        assert not arrivals.held
        assert free_rows(matrix, 1) == 1


def test_closing_frees_everything():
    matrix = payloads(3)
    arrivals = Arrivals(matrix, oldest=9)
    for key, row in enumerate(matrix.take(3)):
        arrivals.take((key, 0), Arrival(0, 0.1, row))
    arrivals.close()
    assert not arrivals.held
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
