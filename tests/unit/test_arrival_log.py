"""The log of arrivals: whatever is late stands in the row of its own iteration."""

import numpy as np
import pytest

from coded_dgd.engine.arrival_log import RECENT, ArrivalLog


@pytest.mark.parametrize("first", [0, 5])
def test_messages_of_this_the_last_and_older_iterations(tmp_path, first):
    path = tmp_path / "arrivals.f8"
    log = ArrivalLog((2, 3), path, first)
    expected = np.full((4, 2, 3), np.nan)
    for number in range(4):
        log.begin(first + number)
        for row in range(number + 1):  # one of this iteration, and one of each before it
            if row != number - 2:
                expected[row, 1, number - row - 1] = seconds = 10.0 * row + number
                log.note(first + row, 1, (number - row - 1) % 3, seconds)
        log.note(first - 1, 0, 0, 1.0)  # of another stage
        log.end(first + number)
    np.testing.assert_array_equal(log.read(4), expected)
    log.begin(first + 4)
    log.note(first + 3, 0, 0, 77.0)
    log.close()  # before the iteration has ended
    expected[3, 0, 0] = 77.0
    np.testing.assert_array_equal(np.fromfile(path)[:24].reshape(4, 2, 3), expected)


def test_messages_much_too_late_are_in_the_file_too(tmp_path):
    last, path = RECENT + 2, tmp_path / "arrivals.f8"
    log = ArrivalLog((1, 2), path)
    for number in range(last + 1):
        log.begin(number)
        log.note(number, 0, 0, 0.5)
        log.end(number)
    expected = np.tile([[0.5, np.nan]], (last + 1, 1, 1))
    for number in range(last):
        expected[number, 0, 1] = number
        log.note(number, 0, 1, number)
    log.close()
    np.testing.assert_array_equal(np.fromfile(path).reshape(expected.shape), expected)


def test_an_iteration_that_begins_again_keeps_what_is_late():
    log = ArrivalLog((1, 2))
    log.begin(0)
    log.note(0, 0, 0, 0.5)
    log.end(0)
    log.begin(1)
    log.note(0, 0, 1, 0.75)
    log.note(1, 0, 0, 0.1)
    log.begin(1)
    log.note(1, 0, 1, 0.2)
    log.end(1)
    np.testing.assert_array_equal(log.read(2), [[[0.5, 0.75]], [[np.nan, 0.2]]])
