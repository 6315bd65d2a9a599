"""Recorded iterations: start-up overheads, and tasks smaller than the recorded ones."""

import numpy as np
import pytest

from coded_dgd.delays._recorded import Recorded
from coded_dgd.delays.base import SHARE

OVERHEAD = np.array([[0.5, 0.2], [0.1, 0.0]])
DURATION = np.array([[1.0, 2.0], [3.0, 4.0]])


def finished(work):
    return OVERHEAD[..., None] + DURATION[..., None] * work


def test_an_overhead_adds_to_all_tasks():
    work = np.array([0.5, 1.0, 3.0])
    model = Recorded(DURATION, overhead=OVERHEAD)
    np.testing.assert_array_equal(model.trace(2, 2, work), finished(work))
    drawn = model.sample(np.random.default_rng(0), 50, 2, work)
    assert {tuple(each.ravel()) for each in drawn} == {
        tuple(each.ravel()) for each in finished(work)
    }


def test_recorded_tasks_are_divided_where_blocks_count_by_share():
    model = Recorded(finished(np.arange(1.0, 5.0)))
    model.per = SHARE
    work = np.arange(1, 17) / 4
    np.testing.assert_allclose(model.trace(2, 2, work), finished(work))


def test_parts_of_a_task_that_never_ends_never_end():
    times = finished(np.arange(1.0, 5.0))
    times[0, 1, 2:] = np.inf
    model = Recorded(times)
    model.per = SHARE
    work = np.arange(1, 9) / 2
    found = model.trace(2, 2, work)
    np.testing.assert_allclose(found[0, 1, :4], finished(work)[0, 1, :4])
    assert np.isinf(found[0, 1, 4:]).all()


@pytest.mark.parametrize("per", [None, SHARE])
def test_a_worker_that_never_begins(per):
    model = Recorded(np.full((1, 1, 3), np.inf))
    model.per = per
    assert np.isinf(model.trace(1, 1, np.array([0.5, 1.0, 2.5]))).all()
