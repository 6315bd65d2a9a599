"""Step sizes: their formulas, and what cannot be read."""

from math import log

import numpy as np
import pytest

from coded_dgd.config import RunConfig
from coded_dgd.engine.setup import prepare
from coded_dgd.errors import UsageError
from coded_dgd.problems import objectives, step_sizes
from coded_dgd.problems.objectives import LinearModel
from coded_dgd.problems.optimizers.gd import GradientDescent
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import open_source
from coded_dgd.problems.sources.base import ArraySource

ITERATIONS = (1, 2, 3, 10, 55, 56, 1000)


class Unbounded(LinearModel):
    """Of a curvature that nobody knows."""

    def slope(self, z, y):
        return z**3

    def loss(self, X, y, beta):
        return float(((X @ beta) ** 4).sum()) / 4


def problem(objective="least-squares", ridge=0.0, rows=30, X=None):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, 4)) if X is None else X
    y = np.sign(rng.standard_normal(len(X)))
    chosen = objectives.create(objective) if isinstance(objective, str) else objective
    return Problem(ArraySource("test", X, y, "in memory"), chosen, ridge)


def largest(whole):
    X = whole.source.read(0, whole.source.rows)[0]
    return np.linalg.eigvalsh(X.T @ X)[-1]


def steps(text, whole):
    schedule = step_sizes.parse(text)(whole)
    return np.array([schedule(t) for t in ITERATIONS])


WITHIN = 2e-3  # the largest eigenvalue is known within 0.1 % from above


@pytest.mark.parametrize("text", ["0.125", "1e-3", " 2 ", "1e300"])
def test_a_number_is_the_step(text):
    np.testing.assert_array_equal(steps(text, problem()), float(text))


@pytest.mark.parametrize(("objective", "curvature"), [("least-squares", 1.0), ("logistic", 0.25)])
@pytest.mark.parametrize("ridge", [0.0, 3.0])
def test_auto_is_the_inverse_of_the_largest_curvature(objective, curvature, ridge):
    whole = problem(objective, ridge)
    expected = 1 / (curvature * largest(whole) + ridge)
    got = steps("auto", whole)
    np.testing.assert_allclose(got, expected, rtol=WITHIN)
    assert (got <= expected * (1 + 1e-12)).all()


def test_auto_where_there_is_nothing_to_learn():
    np.testing.assert_array_equal(steps("auto", problem(X=np.zeros((3, 2)))), 1.0)


def test_auto_needs_a_bound_of_the_curvature():
    with pytest.raises(UsageError, match="needs a bound of the objective's curvature: give a num"):
        step_sizes.parse("auto")(problem(Unbounded()))
    assert problem(Unbounded()).lipschitz() is None
    assert (steps("theorem1", problem(Unbounded())) > 0).all()


def test_theorem1_takes_the_steps_of_the_theorem_on_its_own_loss():
    """||X beta - y||^2 instead of half of it: half the step, for twice the gradient."""
    twice = Unbounded()
    twice.curvature = 2.0
    np.testing.assert_array_equal(
        2 * steps("theorem1", problem(twice)), steps("theorem1", problem(Unbounded()))
    )


@pytest.mark.parametrize("epsilon", [None, 1e-6, 1e-2, 0.9])
def test_theorem_1(epsilon):
    """min(1/2, log(1/epsilon^2) / t) / ||X^T X|| for a gradient that is twice ours."""
    whole = problem()
    text = "theorem1" if epsilon is None else f"theorem1:epsilon={epsilon}"
    bound = log(1 / (epsilon or 1e-6) ** 2)
    expected = [2 * min(0.5, bound / t) / largest(whole) for t in ITERATIONS]
    np.testing.assert_allclose(steps(text, whole), expected, rtol=WITHIN)


@pytest.mark.parametrize(
    ("text", "scale", "power"),
    [
        ("power-law", 7 * log(10) * 100, 0.7),  # 7 ln(10^100)
        ("power-law:scale=3", 3, 0.7),
        ("power-law:power=0", 7 * log(10) * 100, 0),
        ("power-law:scale=0.5,power=1", 0.5, 1),
    ],
)
def test_power_law(text, scale, power):
    whole = problem()
    expected = scale / np.array(ITERATIONS, dtype=float) ** power / (30 * largest(whole))
    np.testing.assert_allclose(steps(text, whole), expected, rtol=WITHIN)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_power_law_is_stable_in_the_set_up_of_the_paper(seed):
    """m = 1000, l = 100, mean gradient and 1 / ||X^T X||: gamma_1 lambda_max = 1.61 < 2."""
    source = open_source("synthetic:rows=1000,features=100", seed)
    whole = Problem(source, objectives.create("least-squares"))
    schedule = step_sizes.parse("power-law")(whole)
    assert schedule(1) * largest(whole) == pytest.approx(1.61, rel=0.01)
    descent = GradientDescent(np.zeros(100), schedule)
    best = whole.optimum()
    X, y = source.read(0, 1000)
    Q, Xy = X.T @ X, X.T @ y
    distances = []
    for _ in range(300):
        descent.update(Q @ descent.point - Xy)
        distances.append(np.linalg.norm(descent.beta - best))
    assert (np.diff(distances) < 0).all()
    assert distances[-1] < 1e-2 * np.linalg.norm(best)


REFUSED = {
    "0": "give auto or a positive number",
    "-1e-3": "give auto or a positive number",
    "nan": "give auto or a positive number",
    "inf": "give auto or a positive number",
    "-inf": "give auto or a positive number",
    "large": "give auto or a positive number, theorem1 or power-law",
    "": "give auto or a positive number, theorem1 or power-law",
    "atuo": r"did you mean 'auto'\?",
    "theorem": r"did you mean 'theorem1'\?",
    "powerlaw": r"did you mean 'power-law'\?",
    "auto:3": "auto has no parameter '3'; it takes: none",
    "auto:x=3": "auto has no parameter 'x'; it takes: none",
    "theorem1:epsilon=0": "epsilon = 0 is out of range: choose 0 < epsilon < 1",
    "theorem1:epsilon=1": "epsilon = 1 is out of range: choose 0 < epsilon < 1",
    "theorem1:epsilon=nan": "epsilon = nan is out of range: choose 0 < epsilon < 1",
    "theorem1:epsilon=small": "epsilon=small is not a number",
    "theorem1:epsylon=0.1": r"no parameter 'epsylon' \(did you mean 'epsilon'\?\)",
    "power-law:scale=0": "scale = 0 has to be a positive number",
    "power-law:scale=inf": "scale = inf has to be a positive number",
    "power-law:scale=nan": "scale = nan has to be a positive number",
    "power-law:power=-0.1": "power = -0.1 0 or more",
    "power-law:power=nan": "power = nan 0 or more",
    "power-law:power=inf": "power = inf",
    "power-law:sclae=3": r"no parameter 'sclae' \(did you mean 'scale'\?\).* scale, power",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_read_is_refused_by_prepare(text):
    with pytest.raises(UsageError, match=REFUSED[text]) as caught:
        prepare(RunConfig(step_size=text, workers=4, transport="simulated"), None)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=REFUSED[text]):
        step_sizes.parse(text)


@pytest.mark.parametrize("text", ["0", "-1e-3", "nan", "inf", "large", ""])
def test_what_is_no_step_size_is_refused_by_the_name_of_its_option(text):
    with pytest.raises(UsageError, match=f"--step-size {text!r}"):
        step_sizes.parse(text)
