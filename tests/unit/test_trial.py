"""Objectives of one's own that are not what they declare: refused at the start, in one line."""

import re
import subprocess
import sys
import threading

import numpy as np
import pytest

from coded_dgd import train
from coded_dgd.cli import run_command_line
from coded_dgd.errors import CodedDGDError, Infeasible, UsageError
from coded_dgd.problems import evaluation, trial
from coded_dgd.problems.blocks import GradientBlocks
from coded_dgd.problems.objectives import LinearModel, Objective, create
from coded_dgd.problems.sources.base import ArraySource

RNG = np.random.default_rng(3)
X = RNG.standard_normal((37, 3))
Y = X @ [1.0, -2.0, 0.5]


class Good(Objective):
    """Least squares; each test spoils one thing of it."""

    degree, curvature = 2, 1.0

    def gradient(self, X, y, beta, weights):
        residual = X @ beta if y is None else X @ beta - y
        return X.T @ (residual if weights is None else weights * residual)

    def loss(self, X, y, beta):
        return float(np.sum((X @ beta - y) ** 2)) / 2


def spoilt(**methods):
    return type("Mine", (Good,), methods)()


def run(objective, **options):
    options = {"scheme": "uc-mmc", "workers": 4, "load": 2, "iterations": 300} | options
    return train(X, Y, objective=objective, transport="simulated", **options)


def refusal(objective, **options):
    with pytest.raises(CodedDGDError) as caught:
        run(objective, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def own(self, *arguments):
    return Good.gradient(self, *arguments)


def test_a_good_one_is_admitted():
    assert np.allclose(run(spoilt()).coef_, [1, -2, 0.5])


GRADIENTS = {
    "a number": (lambda self, *a: float(own(self, *a).sum()), r"the float -?\d.* shape \(3,\)"),
    "a number of numpy": (lambda self, *a: own(self, *a).sum(), r"the float64 .* shape \(3,\)"),
    "one number": (lambda self, *a: own(self, *a)[:1], r"ndarray of shape \(1,\), .* \(3,\)"),
    "a column": (lambda self, *a: own(self, *a)[:, None], r"shape \(3, 1\), .* shape \(3,\)"),
    "of the rows": (lambda self, X, y, b, w: X @ b, r"shape \(8,\), .* shape \(3,\)"),
    "a list": (lambda self, *a: own(self, *a).tolist(), r"a list, .* shape \(3,\)"),
    "nothing": (lambda self, *a: None, r"None, .* shape \(3,\)"),
    "complex": (lambda self, *a: own(self, *a) + 0j, r"complex128 ndarray of shape \(3,\)"),
    "objects": (lambda self, *a: own(self, *a).astype(object), "object ndarray"),
    "masked": (lambda self, *a: np.ma.array(own(self, *a)), "float64 MaskedArray"),
}


@pytest.mark.parametrize("kind", GRADIENTS)
def test_a_gradient_of_another_shape_or_type(kind):
    method, words = GRADIENTS[kind]
    said = refusal(spoilt(gradient=method))
    assert said.startswith("objective Mine: gradient returned ")
    assert re.search(words, said), said


def test_gradients_of_other_real_types_are_taken():
    single = spoilt(gradient=lambda self, *a: own(self, *a).astype(np.float32))
    assert np.allclose(run(single).coef_, [1, -2, 0.5], atol=1e-5)


LOSSES = {
    "nan": (lambda self, *a: float("nan"), "loss returned the float nan"),
    "infinite": (lambda self, *a: np.inf, "the loss at beta = 0, .* is not finite"),
    "complex": (lambda self, *a: 1j, "loss returned the complex 1j, and has to return one real"),
    "of rows": (lambda self, X, y, b: (X @ b - y) ** 2, r"float64 ndarray of shape \(8,\)"),
    "one number in an array": (lambda self, *a: np.ones(1), r"float64 ndarray of shape \(1,\)"),
    "nothing": (lambda self, *a: None, "loss returned None"),
    "text": (lambda self, *a: "3", "loss returned a str"),
    "a mean": (lambda self, X, y, b: np.mean((X @ b - y) ** 2), "the loss of some rows is not the"),
    "twice": (
        lambda self, X, y, b: np.sum((X @ b - y) ** 2),
        "have gradient return the derivative",
    ),
}


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_that_is_none(kind):
    method, words = LOSSES[kind]
    with pytest.raises(UsageError, match=f"objective Mine: .*{words}"):
        run(spoilt(loss=method))


def test_losses_of_other_types_are_taken():
    for kind in (np.float64, np.float32, np.asarray):
        run(spoilt(loss=lambda self, *a, kind=kind: kind(Good.loss(self, *a))), iterations=2)


def test_a_loss_of_another_scale_is_only_known_to_be_wrong_where_degree_is_2():
    run(spoilt(degree=None, loss=lambda self, *a: 2 * Good.loss(self, *a)), iterations=2)


def cached_gram(self, X, y, beta, weights):
    if not hasattr(self, "gram"):
        self.gram = X.T @ X
    return self.gram @ beta - X.T @ y


def cached_by_memory(self, X, y, beta, weights):
    self.grams = getattr(self, "grams", {})
    gram = self.grams.setdefault(X.ctypes.data, X.T @ X)
    return gram @ beta - X.T @ y


def counting(self, X, y, beta, weights):
    self.calls = getattr(self, "calls", 0) + 1
    return own(self, X, y, beta, weights) / self.calls


def momentum(self, X, y, beta, weights):
    self.last = 0.9 * getattr(self, "last", 0) + own(self, X, y, beta, weights)
    return self.last


def noisy(self, X, y, beta, weights):
    return own(self, X, y, beta, weights) + 1e-6 * RNG.standard_normal(len(beta))


@pytest.mark.parametrize("method", [cached_gram, cached_by_memory, counting, momentum, noisy])
def test_state_between_calls(method):
    said = refusal(spoilt(gradient=method))
    assert "the same rows give another gradient after other rows" in said


def test_state_is_found_where_objectives_cannot_be_copied():
    objective = spoilt(gradient=counting)
    objective.lock = threading.Lock()
    assert "the same rows give another gradient" in refusal(objective)
    sound = spoilt()
    sound.lock = threading.Lock()
    run(sound, iterations=2)


def test_what_follows_from_the_arguments_may_be_kept():
    def gradient(self, X, y, beta, weights):
        self.kept = getattr(self, "kept", {})
        key = X.tobytes()
        if key not in self.kept:
            self.kept[key] = X.T @ X
        return self.kept[key] @ beta - (0 if y is None else X.T @ y)

    objective = spoilt(gradient=gradient)
    assert np.allclose(run(objective).coef_, [1, -2, 0.5])


def test_a_trial_leaves_the_objective_alone():
    objective = spoilt(gradient=counting)
    refusal(objective)
    assert not hasattr(objective, "calls")


def changing(name):
    def gradient(self, X, y, beta, weights):
        found = own(self, X, y, beta, weights)
        array = {"X": X, "y": y, "beta": beta}[name]
        array *= 2
        return found

    return gradient


@pytest.mark.parametrize("name", ["X", "y", "beta"])
def test_arguments_that_are_changed(name):
    said = refusal(spoilt(gradient=changing(name)))
    assert f"gradient changes its argument {name}: have it work on a copy" in said
    if name == "y":

        def loss(self, X, y, beta):
            y -= X @ beta
            return float(y @ y) / 2

        beyond = ArraySource("data", X, Y, "in memory")
        with pytest.raises(UsageError, match="loss changes its argument y"):
            trial.admit(spoilt(loss=loss), beyond)


SUMS = {
    "averages": lambda self, X, *a: own(self, X, *a) / len(X),
    "normalises": lambda self, *a: own(self, *a) / (1 + np.linalg.norm(own(self, *a))),
    "depends on places": lambda self, X, y, b, w: np.arange(len(X)) * (X @ b - y) @ X,
}


@pytest.mark.parametrize("kind", SUMS)
def test_gradients_that_are_no_sums_over_rows(kind):
    said = refusal(spoilt(gradient=SUMS[kind]))
    assert "the gradient of some rows is not the sum of those of its parts" in said


def test_a_term_of_beta_alone():
    ridge = spoilt(gradient=lambda self, X, y, b, w: own(self, X, y, b, w) + 0.1 * b)
    assert "leave a term of beta alone to --ridge" in refusal(ridge)


def test_objectives_never_see_the_rows_of_zeros_that_fill_up_blocks():
    def strict(self, X, y, beta, weights):
        if np.any(y == 0):
            raise ValueError("a label is 0")
        return own(self, X, y, beta, weights)

    assert len(X) % 4
    assert np.allclose(run(spoilt(gradient=strict, degree=None)).coef_, [1, -2, 0.5])


def test_what_it_raises_is_one_line_with_the_cause():
    def gradient(self, X, y, beta, weights):
        return {}["no such\nkey"]

    said = refusal(spoilt(gradient=gradient))
    assert "objective Mine: gradient raised KeyError: " in said
    assert "(test_trial.py, line " in said
    assert "loss raised ZeroDivisionError" in refusal(spoilt(loss=lambda self, *a: 1 / 0))
    assert "scores raised ZeroDivisionError" in refusal(spoilt(scores=lambda self, *a: 1 / 0))
    for value in (3, {"right": "many"}, {"right": np.ones(2)}):
        said = refusal(spoilt(scores=lambda self, *a, value=value: value))
        assert "has to return a dict of names and real numbers" in said


def test_a_gradient_that_is_not_finite_at_the_start():
    said = refusal(spoilt(gradient=lambda self, *a: own(self, *a) * np.nan))
    assert "the gradient at beta = 0, where training starts, is not finite" in said


def test_a_declaration_of_degree_2_that_is_wrong():
    def cubed(self, X, y, beta, weights):
        return (X @ beta - (0 if y is None else y)) ** 3 @ X

    for method, words in [
        (cubed, "labels add a term to its gradient that depends on beta"),
        (
            lambda self, X, y, b, w: (X @ b) ** 3 @ X - (0 if y is None else y @ X),
            "not linear in b",
        ),
        (lambda self, X, y, b, w: np.sign(X) * X[:, :1] @ b @ X, "."),
        (
            lambda self, X, y, b, w: (np.abs(X) @ b) @ X - (0 if y is None else y @ X),
            "no quadratic form in X",
        ),
    ]:
        said = refusal(spoilt(gradient=method, curvature=None), scheme="lcc-mmc", load=3)
        assert words in said
    said = refusal(spoilt(gradient=lambda self, X, y, b, w: (X @ b - y) @ X))
    assert "raised TypeError" in said
    assert "for y = None, which degree = 2 allows" in said


def test_factors_of_features_that_only_take_two_values():
    """Combinations of such rows have other values, so that no line through them tells."""
    rng = np.random.default_rng(0)
    binary = rng.integers(0, 2, (40, 3)) * 1.0

    def gradient(self, X, y, beta, weights):
        return np.where(X[:, 0] == 1, 2.0, 1.0) * (X @ beta - (0 if y is None else y)) @ X

    def loss(self, X, y, beta):
        return float(np.where(X[:, 0] == 1, 2.0, 1.0) @ (X @ beta - y) ** 2) / 2

    mine = spoilt(gradient=gradient, loss=loss, curvature=None)
    with pytest.raises(UsageError, match="no quadratic form in X"):
        trial.admit(mine, ArraySource("data", binary, binary @ [1, 2, 3.0], "in memory"))


def test_a_curvature_that_is_too_small():
    said = refusal(spoilt(curvature=0.5))
    assert "curvature = 0.5, but the second derivative of its loss reaches 1: declare" in said
    run(spoilt(curvature=None), step_size="0.01", iterations=2)
    run(spoilt(curvature=3.0), iterations=2)


def test_weights_matter_to_schemes_that_give_some():
    deaf = spoilt(gradient=lambda self, X, y, b, w: own(self, X, y, b, None))
    assert np.allclose(run(deaf).coef_, [1, -2, 0.5])
    with pytest.raises(Infeasible, match="the gradient of objective Mine ignores its weights: use"):
        run(deaf, scheme="gc", load=3)
    run(spoilt(), scheme="gc", load=3, iterations=2)


def test_slopes_are_held_against_the_shape_of_the_margins():
    class Sloped(LinearModel):
        def loss(self, X, y, beta):
            return 0.0

    for value, words in [
        (lambda self, z, y: 0.5, "slope returned the float 0.5"),
        (lambda self, z, y: (z - y)[:, None], r"shape \(8, 1\), and has to .* \(8,\), one number"),
        (lambda self, z, y: (z - y).sum(keepdims=True), r"float64 ndarray of shape \(1,\)"),
    ]:
        with pytest.raises(UsageError, match=f"objective Mine: .*{words}"):
            run(type("Mine", (Sloped,), {"slope": value})(), step_size="0.01")


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_few_rows_are_enough_for_a_trial(rows):
    trial.admit(spoilt(), ArraySource("data", X[:rows], Y[:rows], "in memory"))
    with pytest.raises(UsageError):
        averages = spoilt(gradient=SUMS["averages"])
        trial.admit(averages, ArraySource("data", X[:rows], Y[:rows], "in memory"))


@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_data_of_any_size(scale):
    for name in ("least-squares", "logistic"):
        built_in = type(create(name))
        copied = type("Mine", (built_in,), {"__module__": "mine", "slope": built_in.slope})()
        y = Y * scale if name == "least-squares" else np.sign(Y)
        trial.admit(copied, ArraySource("data", X * scale, y, "in memory"))


@pytest.mark.parametrize(
    ("value", "words"), [(None, "gradient raised ZeroDivisionError"), (0.0, "the float 0.0")]
)
def test_what_goes_wrong_later_is_one_line_too(value, words):
    """The trial sees nothing of it: beta has to be where training takes it."""

    def gradient(self, X, y, beta, weights):
        if np.abs(beta).max() > 0.9 and 8 < len(X) < 12:
            return 1 / 0 if value is None else value
        return own(self, X, y, beta, weights)

    assert words in refusal(spoilt(gradient=gradient, degree=None), step_size="0.02")


def test_blocks_check_what_a_task_returns():
    arrays = np.ones((2, 3, 4)), np.ones((2, 3))
    blocks = GradientBlocks(arrays, spoilt(gradient=lambda self, *a: np.ones(1)))
    with pytest.raises(UsageError, match="objective Mine: gradient returned"):
        blocks.result(0, 1, np.zeros(4), None)


def test_built_in_objectives_are_not_tried(monkeypatch):
    monkeypatch.setattr(trial, "Trial", None)
    for name in ("least-squares", "logistic"):
        assert evaluation.is_built_in(create(name))
        trial.admit(create(name), ArraySource("data", X, np.sign(Y), "in memory"))


OWN = """
import numpy as np
from coded_dgd.problems.objectives import LinearModel

class Mine(LinearModel):
    curvature = 1.0
    def slope(self, z, y):
        return np.tanh(z - y)
    def loss(self, X, y, beta):
        return float(np.log(np.cosh(X @ beta - y)).sum())

class Wrong(Mine):
    def slope(self, z, y):
        return float(np.tanh(z - y).sum())

class Given(Mine):
    def __init__(self, delta):
        pass
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "my_own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    yield tmp_path
    sys.modules.pop("my_own", None)


SIMULATED = ["--transport", "simulated", "--workers", "4", "--iterations", "3", "--delay", "none"]


@pytest.mark.parametrize("command", ["run", "plan", "compare"])
def test_commands_try_it_as_well(folder, capsys, command):
    given = {"run": ["--scheme", "gc"], "compare": ["--schemes", "uc-mmc,gc"]}.get(command, [])
    assert run_command_line([command, *SIMULATED, *given, "--objective", "my_own:Wrong"]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "Wrong" in line]
    assert len(said) == 1
    assert said[0].startswith("coded-dgd: objective Wrong: slope returned the float")
    assert run_command_line([command, *SIMULATED, *given, "--objective", "my_own:Given"]) == 2
    assert "cannot be made without arguments (TypeError" in capsys.readouterr().err


def test_an_objective_that_needs_labels_can_be_planned_for(folder, capsys):
    """Messages are measured with rows of zeros, and labels of their own."""
    given = ["--objective", "my_own:Mine", "--probe", "2", "--schemes", "uc-mmc,uncoded"]
    assert run_command_line(["plan", *SIMULATED, *given]) == 0
    run = ["run", *SIMULATED, "--scheme", "auto", "--objective", "my_own:Mine", "--quiet"]
    assert run_command_line(run) == 0, capsys.readouterr().err


def test_workers_do_not_import_it():
    code = (
        "import sys; import coded_dgd.engine.shard, coded_dgd.engine.transports.mpi.worker; "
        "print('coded_dgd.problems.trial' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
