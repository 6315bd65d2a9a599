"""Control messages are read as they were packed, from buffers of any length."""

import numpy as np
import pytest

from coded_dgd.engine.protocol import (
    HEADER,
    Collect,
    Command,
    Control,
    OwnTasks,
    Point,
    TaskChange,
    control_buffer,
    pack_control,
    pack_header,
    pack_news,
    pack_point,
    point_buffer,
    read_control,
    result_size,
)


def received(message, longest):
    """What a worker reads, in whose buffer junk is left from earlier messages."""
    buffer = control_buffer(longest)
    buffer.fill(np.nan)
    buffer[: len(message)] = message
    return read_control(buffer)


@pytest.mark.parametrize("product", [False, True])
def test_a_point_is_as_long_as_the_model_also_if_lists_of_tasks_are_longer(product):
    point = Point(2, 7, np.arange(5.0), product)
    message = point_buffer(point)
    pack_point(point, message)
    point = received(message, 60)
    assert (point.code_id, point.iteration, point.product) == (2, 7, product)
    np.testing.assert_array_equal(point.beta, np.arange(5.0))


@pytest.mark.parametrize(
    "news",
    [TaskChange(1, 3, -1, 4), OwnTasks(1, ()), OwnTasks(2, (5, 0, 7)), Collect(0, 4, 9, (3, 1))],
)
def test_news_of_tasks(news):
    assert received(pack_news(news), 8) == news


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_header_is_float64_in_a_result_of_any_type(dtype):
    result = np.zeros(result_size(3, dtype), dtype)
    header = 2, (1 << 31) + 1, 7, 1e-9, 0.25
    pack_header(result, 0, *header)
    assert np.frombuffer(result, np.float64, HEADER).tolist() == list(header)
    assert not result[-3:].any()


def test_commands_are_the_same_in_every_buffer():
    for longest in (0, 9):
        message = pack_control(Control.RELEASE, 3)
        assert received(message, longest) == Command(Control.RELEASE, 3)
