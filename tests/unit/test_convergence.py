"""A run that has not converged says so, with what helps; one that has, or only began, does not."""

import csv
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from coded_dgd import schemes, train
from coded_dgd.__main__ import exit_code
from coded_dgd.app import convergence
from coded_dgd.cli import run_command_line
from coded_dgd.engine.iteration import Iteration
from coded_dgd.engine.job import gradient_norm_ratio
from coded_dgd.engine.trail import Trail
from coded_dgd.errors import ConvergenceWarning
from coded_dgd.problems import remaining
from coded_dgd.problems.objectives import Objective, create
from coded_dgd.problems.objectives.least_squares import LeastSquares
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource
from coded_dgd.runs import summarizing
from coded_dgd.runs.reading import read_run

DELAY = "shifted-exponential:mu=10,alpha=0.01"
INEXACT = ("sgc", "bgc", "erasurehead", "ignore-stragglers", "sgc-send-all")
DEADLINE = "deadline:0.05"  # of the second tier: as with fastest, not all are waited for
CASES = [
    pytest.param(name, wait, marks=pytest.mark.slow if wait == DEADLINE else [])
    for name in [*schemes.names(), "lcc-mmc-2"]
    for wait in ((None, "fastest:4", DEADLINE) if name in INEXACT else (None,))
]


def homes(rows=300):
    """Unscaled: m2, rooms, year and km, and a column of ones."""
    rng = np.random.default_rng(42)
    columns = [rng.uniform(40, 220, rows), rng.integers(1, 7, rows), rng.integers(1950, 2024, rows)]
    X = np.column_stack([*columns, rng.gamma(2, 3, rows), np.ones(rows)])
    return X, X @ [2.1, 8, 0.6, -4, -1144] + rng.normal(0, 10, rows)


def good(rows=240, features=12):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((rows, features))
    return X, X @ rng.standard_normal(features) + rng.standard_normal(rows)


def run(X, y, **options):
    """The result, and what was said of its convergence."""
    given = {"scheme": "uc-mmc", "load": 2, "workers": 4, "iterations": 100} | options
    given = {name: value for name, value in given.items() if value is not None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = train(X, y, transport="simulated", **given)
    said = [str(each.message) for each in caught if each.category is ConvergenceWarning]
    assert result.summary["warnings"][-len(said) :] == said or not said
    assert all(each.filename == __file__ for each in caught)  # the caller's line
    return result, " ".join(said)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("homes.npy", np.column_stack(homes()))
    np.save("good.npy", np.column_stack(good()))


def command(*arguments):
    code = run_command_line(["run", "--transport", "simulated", "--workers", "4", *arguments])
    assert code == 0


# What is said, and of what


@pytest.mark.parametrize(("name", "wait"), CASES)
def test_every_scheme_says_so_on_unscaled_data_and_none_on_good_data(monkeypatch, name, wait):
    monkeypatch.setattr(summarizing, "expected", lambda *_: None)  # takes seconds
    load = 4 if name not in (*INEXACT, "uncoded") else None
    options = {"scheme": name, "wait": wait, "load": load, "workers": 6, "delay": DELAY}
    result, said = run(*good(), iterations=60, **options)
    assert said == "", result.summary["gradient_norm_ratio"]
    X, y = homes()
    result, said = run(X, y, iterations=60, **options)
    assert said.startswith("not converged after 60 iterations")
    assert "more than 100 times smaller: column 2, column 4, column 5" in said
    assert "column 3 has the largest" in said
    assert np.std(X @ result.coef_ - y) > 5 * np.std(X @ np.linalg.lstsq(X, y)[0] - y)


@pytest.mark.parametrize("factor", [1e2, 1e4, 1e6, 1e9])
def test_the_units_of_a_column_do_not_hide_it(factor):
    X, y = good()
    X[:, 2] *= factor
    result, said = run(X, y)
    assert "column 3 has the largest" in said
    if factor > 1e2:
        assert result.summary["gradient_norm_ratio"] < 10 / factor


@pytest.mark.parametrize(
    "options",
    [
        {}, {"dtype": "float32"}, {"ridge": 5.0}, {"optimizer": "nesterov"},
        {"step_size": "theorem1"}, {"stop_at": 1e-3},
        *({"iterations": few} for few in (1, 2, 3, 5, 10)),
    ],
)  # fmt: skip
def test_nothing_is_said_of_good_data(options):
    assert run(*good(), **options)[1] == ""


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (good()[0], np.zeros(240)), (good()[0], np.full(240, 5.0)), (good()[0], good()[1] + 1000),
        (good()[0], good()[0] @ np.arange(12.0)), (np.eye(4), np.arange(4.0)),
        (np.column_stack([good()[0], good()[0][:, 0], np.zeros(240)]), good()[1]),
    ],
    ids=["zero", "constant", "offset", "no noise", "identity", "rank deficient"],
)  # fmt: skip
def test_nothing_is_said_of_odd_data_that_converge(X, y):
    assert run(X, y)[1] == ""


def test_columns_that_are_nearly_the_same_are_too_much_for_a_few_iterations():
    x = np.linspace(0, 1, 200)
    said = run(np.vander(x, 7), np.sin(6 * x))[1]
    assert ": add --standardize and --intercept, or use --optimizer nesterov" in said
    assert "norms" not in said
    said = run(np.vander(x, 7), np.sin(6 * x), intercept=True, standardize=True, iterations=20)[1]
    assert "that takes" in said and ": use --optimizer nesterov and more --iterations" in said


def test_logistic_regression():
    rng = np.random.default_rng(0)
    income, age = rng.lognormal(10.5, 0.6, 300), rng.uniform(20, 70, 300)
    X = np.column_stack([income, age, np.ones(300)])
    y = np.where(age + rng.normal(0, 8, 300) > 45, 1.0, -1.0)
    assert "column 1 has the largest" in run(X, y, objective="logistic")[1]
    Z = np.column_stack([(X[:, :2] - X[:, :2].mean(0)) / X[:, :2].std(0), X[:, 2]])
    assert run(Z, y, objective="logistic", iterations=300)[1] == ""


def test_a_step_that_is_too_small_or_makes_the_iterates_oscillate():
    X, y = good()
    safe = 1 / np.linalg.eigvalsh(X.T @ X)[-1]
    for factor in (1e-7, 1e-3):
        said = run(X, y, step_size=str(factor * safe))[1]
        times = float(re.search(r"is ([\d,]+) times smaller", said)[1].replace(",", ""))
        assert times == pytest.approx(1 / factor, rel=2e-3)  # L is known within 0.1 %
        assert said.endswith("times smaller than 1 / L = 0.00304: use --step-size auto")
    for factor in (1.99, 2, 2.02):
        assert "the iterates oscillate: use --step-size auto" in run(
            X, y, step_size=str(factor * safe)
        )[1]  # fmt: skip
    for factor in (0.5, 1.5):
        assert run(X, y, step_size=str(factor * safe))[1] == ""
    options = {"scheme": "sgc", "load": None, "wait": "fastest:3", "delay": DELAY}
    assert "times smaller" in run(X, y, step_size=str(1e-6 * safe), **options)[1]


class Unbounded(Objective):
    """Least squares that names no bound of its curvature."""

    def gradient(self, X, y, beta, weights):
        return LeastSquares().gradient(X, y, beta, weights)

    def loss(self, X, y, beta):
        return LeastSquares().loss(X, y, beta)


def test_an_objective_without_a_bound_is_judged_by_its_gradients():
    X, y = good()
    safe = 1 / np.linalg.eigvalsh(X.T @ X)[-1]
    said = run(X, y, objective=Unbounded(), step_size=str(1e-6 * safe))[1]
    assert "||gradient|| is 100.0% of the first" in said
    assert "take a larger --step-size" in said
    assert run(X, y, objective=Unbounded(), step_size=str(safe))[1] == ""
    X[:, 2] *= 200
    safe = 1 / np.linalg.eigvalsh(X.T @ X)[-1]
    said = run(X, y, objective=Unbounded(), step_size=str(safe), iterations=30)[1]
    assert "column 3 has the largest" in said


@pytest.mark.parametrize(
    ("options", "words", "nonsense"),
    [
        ({}, "or use --optimizer nesterov and more --iterations", "--step-size"),
        ({"optimizer": "nesterov"}, "or use more --iterations", "--optimizer nesterov"),
        ({"optimizer": "cg"}, "or use more --iterations", "nesterov"),
        ({"optimizer": "lbfgs"}, "or use more --iterations", "--step-size"),
        ({"optimizer": "adam"}, "take a larger --step-size", "--step-size auto"),
        ({"optimizer": "adam", "step_size": 1e-4}, "take a larger --step-size", "1 / L"),
    ],
)
def test_a_remedy_suits_the_optimizer(options, words, nonsense):
    X, y = good(240, 60)
    _, said = run(X * np.geomspace(1, 1e4, 60), y, **({"iterations": 40} | options))
    assert words in said
    assert nonsense not in said


def test_of_large_data_a_sample_of_rows_is_read(monkeypatch):
    X, y = good()
    X[:, 2] *= 200
    monkeypatch.setattr(convergence, "LARGEST", 100)
    monkeypatch.setattr(convergence, "SAMPLE", 50)
    monkeypatch.setattr(Problem, "column_norms", lambda _: pytest.fail("all rows are read"))
    assert "column 3 has the largest" in run(X, y)[1]


def test_approximate_gradients_that_take_the_model_away_are_named():
    options = {"scheme": "sgc", "load": None, "wait": "deadline:0.05", "delay": DELAY}
    X, y = good(1000, 100)
    said = run(X, y, optimizer="nesterov", workers=10, **options)[1]
    assert "gradients are approximate: wait for more workers" in said


def test_a_target_that_says_nothing_is_named():
    result, said = run(*homes(), stop_at=0.02)
    assert result.summary["status"] == "converged"
    assert said.startswith("far from the optimum, though --stop-at 0.02 is reached")


def test_a_resumed_run_is_judged_as_well(files):
    options = {"scheme": "uc-mmc", "load": 2, "workers": 4, "transport": "simulated"}
    with pytest.warns(ConvergenceWarning, match="after 5 iterations"):
        train(data="homes.npy", iterations=5, out="r", **options)
    with pytest.warns(ConvergenceWarning, match="after 60 iterations"):
        train(transport="simulated", resume="r", iterations=60)


# Where it is said


def test_the_command_tells_everywhere(files, capsys):
    command("--data", "homes.npy", "--out", "r", "--log-dir", "logs", "--json", "--load", "4")
    out, err = capsys.readouterr()
    (warning,) = json.loads(out)["warnings"]
    assert f"\nwarning: {warning}\n" in err
    assert re.search(r"^gradient norm  +8.\de-03 of the first$", err, re.MULTILINE)
    log = Path("r/log.txt").read_text()
    assert warning in log
    stopped = "stop_reason iterations after 100 iterations, gradient_norm_ratio 0.008"
    assert f"stopped: {stopped}" in log
    rank_log = Path("logs/rank-000.log").read_text()
    assert f"WARNING {warning}" in rank_log
    assert stopped in rank_log
    assert run_command_line(["report", "r"]) == 0
    report = capsys.readouterr().out
    assert warning in report
    assert re.search(r"gradient norm +8.\de-03 of the first\n", report)
    assert run_command_line(["watch", "r"]) == 0
    assert warning in capsys.readouterr().out


def test_compare_tells_once_for_schemes_alike(files, capsys):
    arguments = ["--transport", "simulated", "--workers", "4", "--load", "4", "--json"]
    arguments += ["--data", "homes.npy", "--schemes", "uncoded,uc-mmc", "--iterations", "60"]
    assert run_command_line(["compare", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err.count("not converged") == 1
    assert "warning: uncoded, uc-mmc: not converged after 60 iterations" in err
    results = json.loads(out)["results"]
    assert all("not converged" in result["warnings"][-1] for result in results)
    assert [result["stop_reason"] for result in results] == ["iterations"] * 2


def test_collect_has_it_in_its_file(files, capsys):
    command("--data", "good.npy", "--load", "4", "--out", "r", "--stop-at", "1e-3")
    assert run_command_line(["collect", "r", "--csv", "all.csv"]) == 0
    (found,) = csv.DictReader(Path("all.csv").read_text().splitlines())
    assert (found["stop_reason"], found["converged"]) == ("target", "True")
    assert float(found["gradient_norm_ratio"]) <= 1e-3


# Why the run has stopped


@pytest.mark.parametrize(
    ("options", "reason", "converged", "line"),
    [
        ((), "iterations", None, None),
        (("--iterations", "3"), "iterations", None, " of the first"),
        (("--stop-at", "1e-3"), "target", True, " of the first; --stop-at is reached"),
        (
            ("--stop-at", "1e-9", "--iterations", "5"),
            "iterations", False, " of the first; --stop-at is not reached",
        ),
    ],
)  # fmt: skip
def test_the_summary_says_why_and_the_table_where_there_is_something_to_say(
    files, capsys, options, reason, converged, line
):
    command("--data", "good.npy", "--load", "4", "--json", "--out", "r", *options)
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["stop_reason"], found["converged"]) == (reason, converged)
    log = read_run(Path("r")).log
    ratio = log[-1].gradient_norm / log[0].gradient_norm
    assert found["gradient_norm_ratio"] == pytest.approx(ratio)
    shown = re.findall(r"^gradient norm +[\d.e-]+(.*)$", err, re.MULTILINE)
    assert shown == ([line] if line else [])
    assert "warning" not in err


@pytest.mark.parametrize(("stop_at", "converged"), [("0", None), ("1e-9", False)])
@pytest.mark.parametrize("reason", ["request", "diverged", "error"])
def test_a_run_that_ended_early_says_why(files, monkeypatch, reason, stop_at, converged):
    from coded_dgd.engine import job
    from coded_dgd.errors import Diverged, Interrupted

    errors = {"request": Interrupted("stopped"), "diverged": Diverged("no"), "error": OSError("x")}
    step = job.Trainer.step

    def stop(trainer):
        if trainer.iteration == 4:
            raise errors[reason]
        return step(trainer)

    monkeypatch.setattr(job.Trainer, "step", stop)
    options = ["--load", "4", "--quiet", "--stop-at", stop_at, "--data", "good.npy"]
    arguments = ["run", "--transport", "simulated", "--workers", "4", "--out", "r", *options]
    assert exit_code(arguments, launched=False) != 0
    found = read_run(Path("r")).summary
    assert (found.stop_reason, found.converged) == (reason, converged)
    assert 0 < found.gradient_norm_ratio < 0.1
    monkeypatch.setattr(job.Trainer, "step", step)
    assert run_command_line(["run", "--resume", "r", "--quiet"]) == 0
    assert read_run(Path("r")).summary.stop_reason in ("iterations", "target")


@pytest.mark.parametrize(
    ("norms", "exact", "ratio"),
    [
        ([4, 2, 1], True, 0.25), ([0, 4, 2], False, 0.5), ([4, 2, 0], False, 0.5),
        ([4, 2, 0], True, 0.0), ([0, 0], False, None), ([], True, None), ([0], True, None),
    ],
)  # fmt: skip
def test_iterations_in_which_nothing_came_do_not_count(norms, exact, ratio):
    log = [Iteration(k, 0.1, 1, *[0] * 8, float(norm), None) for k, norm in enumerate(norms)]
    assert gradient_norm_ratio(log, exact) == ratio


# What it rests on


def test_what_is_left_to_gain():
    X, y = homes()
    problem = Problem(ArraySource("homes", X, y, "in memory"), create("least-squares"), ridge=2.0)
    beta = np.array([1.0, -1, 0.1, 0, 2])
    left = problem.loss(beta) - problem.loss(problem.optimum())
    bound = remaining.lower_bound(problem, beta, problem.column_norms(), 9.0)
    assert 0.99 * left < bound <= left * (1 + 1e-9)
    assert remaining.lower_bound(problem, problem.optimum(), problem.column_norms(), 9.0) < 1e-6
    np.testing.assert_allclose(problem.column_norms(), np.linalg.norm(X, axis=0))
    total = remaining.to_explain(problem)
    assert total == pytest.approx(((y - y.mean()) ** 2).sum() / 2)


def test_the_trail_remembers_a_model_of_the_first_half():
    trail = Trail(np.array([0.0]))
    for iteration in range(1, 200):
        trail.note(np.array([float(iteration)]))
        assert trail.earlier[0] == trail.earlier_iterations
        assert iteration / 4 < trail.earlier_iterations <= iteration / 2 or iteration == 1
