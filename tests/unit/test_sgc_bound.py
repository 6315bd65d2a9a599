"""Theorem 1 of Bitar et al. against the exact error of stochastic gradient coding.

Workers straggle independently, so mean and second moment of beta_t - beta* follow a closed linear
recursion: no runs are averaged here.
"""

from math import ceil, log

import numpy as np
import pytest

from coded_dgd import schemes
from coded_dgd.errors import UsageError
from coded_dgd.problems import objectives
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource
from coded_dgd.theory.sgc_bound import theorem1

WORKERS, COPIES, ROWS = 8, 4, 6


def problem_of(X, y):
    return Problem(ArraySource("test", X, y, "in memory"), objectives.create("least-squares"))


def balanced(X, noise):
    """An instance of the theorem: exactly balanced, on rows of equal norms."""
    rng = np.random.default_rng(1)
    y = X @ rng.standard_normal(X.shape[1]) + noise * rng.standard_normal(len(X))
    problem = problem_of(X, y)
    scheme = schemes.create("sgc", WORKERS, redundancy=COPIES, assignment="balanced")
    scheme.fit(len(X), problem.block_norms)
    return problem, scheme


def on_circle(condition_number):
    """Rows of norm 1 with X^T X of that condition number."""
    angle = np.arctan(1 / np.sqrt(condition_number))
    sign = np.where(np.arange(ROWS) % 2, 1.0, -1.0)
    return np.column_stack([np.full(ROWS, np.cos(angle)), sign * np.sin(angle)])


def exact_error(problem, scheme, p, epsilon, iterations):
    """E ||beta_T - beta*||^2 for beta_0 = 0 and the loss ||X beta - y||^2."""
    ((X, y),) = problem.source.windows()
    optimum = problem.optimum()
    residual = X @ optimum - y
    H, c = [], []  # a worker sends H (beta - beta*) + c
    for worker in range(scheme.workers):
        held = scheme.held(worker)
        scaled = 2 * X[held].T / scheme.copies[held]
        H.append(scaled @ X[held])
        c.append(scaled @ residual[held])
    H, c = np.array(H), np.array(c)
    whole, odds = H.sum(axis=0), p / (1 - p)
    L, norm = log(1 / epsilon**2), np.linalg.norm(X.T @ X, 2)
    mean, second = -optimum, np.outer(optimum, optimum)
    for t in range(1, iterations + 1):
        step = min(0.5, L / t) / norm
        contraction = np.eye(len(mean)) - step * whole
        sent = H @ second @ H.transpose(0, 2, 1)
        sent += (H @ mean)[:, :, None] * c[:, None, :] + c[:, :, None] * (H @ mean)[:, None, :]
        sent += c[:, :, None] * c[:, None, :]
        second = contraction @ second @ contraction.T + step**2 * odds * sent.sum(axis=0)
        second = (second + second.T) / 2
        mean = contraction @ mean
    return np.trace(second)


def test_the_exact_error_is_that_of_averaged_runs():
    problem, scheme = balanced(on_circle(2.0), noise=0.5)
    ((X, y),) = problem.source.windows()
    p, epsilon, T, runs = 0.3, 0.1, 12, 20_000
    rng = np.random.default_rng(0)
    beta = np.zeros((runs, 2))
    L, norm = log(1 / epsilon**2), np.linalg.norm(X.T @ X, 2)
    for t in range(1, T + 1):
        up = rng.random((runs, WORKERS)) >= p
        gradients = 2 * (beta @ X.T - y)[:, :, None] * X
        held = np.array([np.isin(np.arange(ROWS), scheme.held(w)) for w in range(WORKERS)])
        copies_up = up.astype(float) @ held / scheme.copies / (1 - p)
        beta -= min(0.5, L / t) / norm * np.einsum("kr,krl->kl", copies_up, gradients)
    squares = ((beta - problem.optimum()) ** 2).sum(axis=1)
    error = squares.std() / np.sqrt(runs)
    assert abs(squares.mean() - exact_error(problem, scheme, p, epsilon, T)) < 4 * error


@pytest.mark.parametrize("condition_number", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("epsilon", [0.5, 1e-2, 1e-6])
@pytest.mark.parametrize("more", [1, 10])
def test_the_bound_holds_where_its_conditions_do(condition_number, p, epsilon, more):
    problem, scheme = balanced(on_circle(condition_number), noise=0.5)
    T = more * ceil(2 * log(1 / epsilon**2))
    theorem = theorem1(problem, scheme, p, epsilon, T)
    assert theorem.condition_number == pytest.approx(condition_number, rel=1e-6)
    assert theorem.applies, [each.text for each in theorem.conditions if not each.holds]
    assert exact_error(problem, scheme, p, epsilon, T) <= theorem.bound


@pytest.mark.parametrize(("condition_number", "holds"), [(4.0, True), (5.0, False), (20.0, False)])
def test_without_a_condition_number_the_theorem_fails_even_without_stragglers(
    condition_number, holds
):
    """Found: for kappa >= 5, p = 0 and T = ceil(2 log(1/epsilon^2)). The check tells."""
    problem, scheme = balanced(on_circle(condition_number), noise=0.5)
    theorem = theorem1(problem, scheme, p=0.0)
    error = exact_error(problem, scheme, 0.0, 1e-6, theorem.iterations)
    assert theorem.without_stragglers == pytest.approx(error, rel=1e-9)
    assert theorem.bound == pytest.approx(1e-12 * theorem.distance, rel=1e-12)
    assert (error <= theorem.bound) == holds == theorem.applies
    failing = [each.text for each in theorem.conditions if not each.holds]
    assert all(text.startswith("not in the paper") for text in failing)


def test_the_residual_is_not_squared_again():
    problem, scheme = balanced(on_circle(2.0), noise=0.5)
    theorem = theorem1(problem, scheme, 0.3, 0.1)
    ((X, y),) = problem.source.windows()
    norm = np.linalg.norm(X.T @ X, 2)
    residual = np.linalg.norm(X @ problem.optimum() - y) ** 2 / norm
    assert theorem.residual == pytest.approx(residual, rel=1e-9)
    assert theorem.mu == pytest.approx((X**2).sum() / ROWS / norm, rel=1e-12)
    psi = log(100) ** 2 * 0.3 / 0.7 * residual * theorem.mu
    assert theorem.psi == pytest.approx(psi, rel=1e-9)
    bound = 0.01 * theorem.distance + psi / (COPIES * theorem.iterations)
    assert theorem.bound == pytest.approx(bound, rel=1e-9)


def test_corollary_2_is_for_systems_that_have_a_solution():
    problem, scheme = balanced(on_circle(2.0), noise=0.0)
    theorem = theorem1(problem, scheme, 0.3, 1e-3)
    assert theorem.corollary2 == pytest.approx(1e-6 * theorem.distance, rel=1e-12)
    assert exact_error(problem, scheme, 0.3, 1e-3, theorem.iterations) <= theorem.corollary2
    assert theorem1(*balanced(on_circle(2.0), noise=0.5), 0.3).corollary2 is None


def failing(theorem):
    return [each.text.split(" ")[0] for each in theorem.conditions if not each.holds]


def test_each_condition_is_checked():
    problem, scheme = balanced(on_circle(2.0), noise=0.5)
    assert failing(theorem1(problem, scheme, 0.3)) == []
    assert failing(theorem1(problem, scheme, 0.3, 1e-6, 55)) == ["T"]
    assert failing(theorem1(problem, scheme, 0.6)) == ["n"]
    assert failing(theorem1(problem, scheme, 0.8)) == ["n", "d"]

    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    problem = problem_of(X, rng.standard_normal(200))
    scheme = schemes.create("sgc", 20)
    scheme.fit(200, problem.block_norms)
    assert failing(theorem1(problem, scheme, 0.3)) == ["d_i", "any"]
    scheme = schemes.create("sgc", 20, 50)
    scheme.fit(200, problem.block_norms)
    assert failing(theorem1(problem, scheme, 0.3))[0] == "a"


def test_p_near_1_is_excluded_at_a_redundancy_of_2():
    """As in Section V, where p goes to 0.9 at d = 2."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 100))
    problem = problem_of(X, rng.standard_normal(1000))
    scheme = schemes.create("sgc", 100)
    scheme.fit(1000, problem.block_norms)
    assert "d" in failing(theorem1(problem, scheme, 0.9))
    assert "d" not in failing(theorem1(problem, scheme, 0.7))


def test_data_without_full_rank():
    X = np.repeat(on_circle(2.0)[:, :1], 2, axis=1)
    problem, scheme = balanced(X, noise=0.5)
    theorem = theorem1(problem, scheme, 0.0)
    assert theorem.condition_number > 1e12
    assert np.isfinite(theorem.bound)


@pytest.mark.parametrize(("epsilon", "T"), [(0.0, 5), (1.0, 5), (0.1, 0)])
def test_parameters_out_of_range(epsilon, T):
    with pytest.raises(UsageError, match=r"choose|1 or more"):
        theorem1(*balanced(on_circle(2.0), noise=0.5), 0.3, epsilon, T)
