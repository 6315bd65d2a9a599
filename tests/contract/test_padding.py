"""Rows of zeros that fill up blocks change neither gradient nor loss, whatever the model is.

Runs in virtual time, with rows that the blocks do not divide, are held against one process.
"""

import numpy as np
import pytest
from training import NAMES, ROWS, TITLES, WORKERS, begin, decoded, points

assert ROWS % WORKERS


def hold(trainer):
    problem, at = trainer.problem, points(trainer.problem, 3)
    for point, (gradient, loss) in zip(at, decoded(trainer, at), strict=True):
        exact = problem.gradient(point)
        np.testing.assert_allclose(gradient, exact, rtol=0, atol=1e-12 * np.abs(exact).max())
        assert loss == pytest.approx(problem.loss(point), rel=1e-12)


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("name", NAMES)
def test_gradient_and_loss_are_those_of_one_process(name, title):
    hold(begin(name, title))


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("blocks", [12, 36])
def test_some_blocks_may_have_no_rows(title, blocks):
    hold(begin("uc-mmc", title, blocks=blocks, load=8))


def test_padding_is_left_out_in_single_precision():
    trainer = begin("uc-mmc", "biased", dtype="float32")
    [point] = points(trainer.problem)
    [(gradient, loss)] = decoded(trainer, [point])
    exact = trainer.problem.gradient(point)
    np.testing.assert_allclose(gradient, exact, rtol=0, atol=1e-5 * np.abs(exact).max())
    assert loss == pytest.approx(trainer.problem.loss(point), rel=1e-5)
