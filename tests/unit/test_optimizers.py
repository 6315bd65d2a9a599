"""Conjugate gradients, L-BFGS, momentum, Adam, and the restart rule of Nesterov's method."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize

from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Diverged, Infeasible, UsageError
from coded_dgd.planner.costs import Sizes
from coded_dgd.problems import objectives, optimizers
from coded_dgd.problems.batches import Batches
from coded_dgd.problems.optimizers import _trial
from coded_dgd.problems.optimizers._line_search import LineSearch, TrialStep
from coded_dgd.problems.optimizers._pairs import Pairs
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource

PARAMETERS = 12
EVERY = ["gd", "nesterov", "nesterov:restart=gradient", "momentum", "adam", "cg", "lbfgs"]


def source(rows=80, seed=0, spread=1.0, classes=False):
    dice = np.random.default_rng(seed)
    X = dice.standard_normal((rows, PARAMETERS)) * np.geomspace(1, spread, PARAMETERS)
    y = X @ dice.standard_normal(PARAMETERS) + dice.standard_normal(rows)
    return ArraySource("test", X, np.where(y > 0, 1.0, -1.0) if classes else y, "")


def problem(objective="least-squares", ridge=0.0, **options):
    options["classes"] = objective == "logistic"
    return Problem(source(**options), objectives.create(objective), ridge)


def started(name, step=1.0, start=None):
    return optimizers.find(name)(np.zeros(PARAMETERS) if start is None else start, lambda _: step)


def norms(optimizer, whole, steps):
    """Norms of the recorded gradients, relative to the first one."""
    found = [np.linalg.norm(optimizers.iterate(optimizer, whole)) for _ in range(steps)]
    return np.array(found) / found[0]


# What they do


def test_momentum_equals_the_formula():
    whole, step = problem(), 1e-3
    ball = started("momentum:factor=0.5", step)
    beta = velocity = np.zeros(PARAMETERS)
    for _ in range(20):
        optimizers.iterate(ball, whole)
        np.testing.assert_array_equal(ball.beta, beta)
        velocity = 0.5 * velocity - step * whole.gradient(beta)
        beta = beta + velocity
    np.testing.assert_array_equal(ball.point, beta)


def test_adam_by_hand():
    adam = optimizers.find("adam:beta1=0.5,beta2=0.5,epsilon=1")(np.zeros(1), lambda _: 1.0)
    adam.update(np.array([3.0]))
    assert adam.beta == 0
    assert adam.point == pytest.approx(-3 / (3 + 1))
    adam.update(np.array([1.0]))
    mean, square = (0.25 * 3 + 0.5 * 1) / 0.75, (0.25 * 9 + 0.5 * 1) / 0.75
    assert adam.point == pytest.approx(-0.75 - mean / (np.sqrt(square) + 1))


@pytest.mark.parametrize("name", ["momentum", "adam", "cg", "lbfgs"])
@pytest.mark.parametrize("steps", range(1, 9))
def test_the_gradient_that_is_recorded_is_the_one_at_the_model(name, steps):
    """So a run with a stop rule hands back the model that fulfils it."""
    whole = problem(ridge=0.1)
    optimizer = started(name, 1 / whole.lipschitz())
    for _ in range(steps):
        recorded = optimizers.iterate(optimizer, whole)
    first = np.linalg.norm(whole.gradient(np.zeros(PARAMETERS)))
    np.testing.assert_allclose(recorded, whole.gradient(optimizer.beta), atol=1e-10 * first)


def test_a_restart_helps_where_momentum_is_too_large():
    whole = problem(spread=30.0)
    step = 1 / whole.lipschitz()
    left = {name: norms(started(name, step), whole, 600)[-1] for name in EVERY[1:3]}
    assert left["nesterov:restart=gradient"] < 1e-3 * left["nesterov"]


def test_conjugate_gradients_end_after_as_many_steps_as_there_are_parameters():
    whole = problem(ridge=0.5)
    gradients = started("cg")
    assert norms(gradients, whole, 1 + PARAMETERS)[-1] < 1e-12
    np.testing.assert_allclose(gradients.beta, whole.optimum(), rtol=1e-10)


def test_directions_of_conjugate_gradients_are_conjugate():
    whole, gradients, directions = problem(spread=3.0), started("cg"), []
    for _ in range(PARAMETERS):
        if gradients.asks_product:
            directions.append(gradients.point)
        optimizers.iterate(gradients, whole)
    products = np.array([[p @ whole.product(q) for q in directions] for p in directions])
    sizes = np.sqrt(np.diag(products))
    np.testing.assert_allclose(products / np.outer(sizes, sizes), np.eye(len(sizes)), atol=1e-6)
    assert all(0.5 <= np.linalg.norm(p) < 1 for p in directions)


def test_a_start_that_is_not_zero_is_one():
    whole, start = problem(), np.arange(PARAMETERS, dtype=float)
    for name in ("cg", "lbfgs"):
        optimizer = started(name, start=start)
        norms(optimizer, whole, 60)
        np.testing.assert_allclose(optimizer.beta, whole.optimum(), rtol=1e-8, err_msg=name)


@pytest.mark.parametrize("size", [1e-100, 1e-30, 1e30, 1e95])
def test_conjugate_gradients_know_no_scale(size):
    whole = problem()
    X, y = whole.source.read(0, 80)
    other = Problem(ArraySource("scaled", size * X, y, ""), whole.objective)
    one, scaled = started("cg"), started("cg")
    one, scaled = norms(one, whole, 12), norms(scaled, other, 12)
    np.testing.assert_allclose(one, scaled, rtol=1e-5)


def test_the_recursion_is_confirmed_by_a_gradient():
    whole, gradients = problem(spread=100.0), started("cg:every=3")
    asked = []
    for _ in range(9):
        asked.append(gradients.asks_product)
        point = gradients.point
        recorded = optimizers.iterate(gradients, whole)
        assert gradients.confirmed != asked[-1]
        if not asked[-1]:
            np.testing.assert_array_equal(recorded, whole.gradient(gradients.beta))
            assert point is gradients.beta
    assert asked == [False, True, True, True] * 2 + [False]
    gradients.confirm()  # it is
    assert gradients.asks_product
    optimizers.iterate(gradients, whole)
    gradients.confirm()
    assert not gradients.asks_product and gradients.point is gradients.beta


def test_a_recursion_that_has_gone_astray_is_replaced():
    whole, gradients = problem(spread=100.0), started("cg")
    for _ in range(4):
        optimizers.iterate(gradients, whole)
    gradients.update(1.5 * whole.product(gradients.point))  # a wrong answer
    gradients.confirm()
    norms(gradients, whole, 60)
    np.testing.assert_allclose(gradients.beta, whole.optimum(), rtol=1e-8)


def test_conjugate_gradients_stay_at_the_optimum():
    whole, gradients = problem(), started("cg")
    norms(gradients, whole, 400)
    np.testing.assert_allclose(gradients.beta, whole.optimum(), rtol=1e-10)
    still = started("cg", start=np.zeros(PARAMETERS))
    zero = Problem(
        ArraySource("zero", whole.source.read(0, 80)[0], np.zeros(80), ""), whole.objective
    )
    for _ in range(4):
        optimizers.iterate(still, zero)
    assert not still.beta.any() and still.confirmed


def test_a_line_without_curvature_makes_them_begin_again():
    gradients = started("cg")
    gradients.update(np.ones(PARAMETERS))
    gradients.update(np.zeros(PARAMETERS))
    np.testing.assert_array_equal(gradients.gradient_at_beta, np.ones(PARAMETERS))
    assert not gradients.asks_product and not gradients.confirmed and not gradients.beta.any()


def test_an_objective_without_minimum_is_refused():
    gradients = started("cg")
    gradients.update(np.ones(PARAMETERS))
    with pytest.raises(Diverged, match=r"has no minimum: .* use a larger --ridge"):
        gradients.update(-gradients.point)


def test_two_loops_are_the_inverse_of_bfgs():
    dice = np.random.default_rng(0)
    pairs, hessian = Pairs(3), dice.standard_normal((5, 5))
    hessian = hessian @ hessian.T + np.eye(5)
    kept = []
    for s in dice.standard_normal((6, 5)):
        pairs.add(s, hessian @ s)
        kept = [*kept, (s, hessian @ s)][-3:]
    pairs.add(s, -s)  # no positive curvature: left out
    assert len(pairs) == 3
    s, y = kept[-1]
    inverse = s @ y / (y @ y) * np.eye(5)
    for s, y in kept:  # the update formula (Nocedal and Wright, (6.17))
        left = np.eye(5) - np.outer(s, y) / (s @ y)
        inverse = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
    gradient = dice.standard_normal(5)
    np.testing.assert_allclose(pairs.direction(gradient), -inverse @ gradient)


def along(function, slope, step, most=20):
    """Search along a function of the step; return the successful trial."""
    search = LineSearch(TrialStep(0.0, function(0.0), slope(0.0)), step)
    for _ in range(most):
        step = search.step
        assert np.isfinite(search.state()).all()  # or no checkpoint can hold it
        search = LineSearch.restored(search.state())
        if search.take(function(step), slope(step)):
            return step, search.trials
    raise AssertionError(search.state())


@pytest.mark.parametrize("first", [1e-6, 0.01, 1.0, 2.5, 100.0])
@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda a: (a - 1) ** 2, lambda a: 2 * (a - 1)),
        (lambda a: (a - 1) ** 4, lambda a: 4 * (a - 1) ** 3),
        (lambda a: np.exp(a) - 3 * a, lambda a: np.exp(a) - 3),
        (lambda a: -a / (a * a + 2), lambda a: (a * a - 2) / (a * a + 2) ** 2),
        (lambda a: np.logaddexp(0, -9 * a) + a, lambda a: 1 - 9 * np.exp(-np.logaddexp(0, 9 * a))),
    ],
)
def test_a_line_search_fulfils_the_wolfe_conditions(function, slope, first):
    step, trials = along(function, slope, first)
    assert function(step) <= function(0.0) + 1e-4 * step * slope(0.0)
    assert abs(slope(step)) <= 0.9 * abs(slope(0.0))
    assert trials <= 12


def test_a_line_search_comes_back_from_where_the_loss_is_infinite():
    step, _ = along(
        lambda a: np.inf if a > 3 else (a - 1) ** 2,
        lambda a: np.nan if a > 3 else 2 * (a - 1),
        1000.0,
    )
    assert 0 < step < 2


def test_a_line_search_judges_by_slopes_where_losses_are_noise():
    dice = np.random.default_rng(0)
    for _ in range(50):
        step, trials = along(
            lambda a: 1e6 + 1e-3 * dice.standard_normal(), lambda a: 1e-6 * (a - 1), 3.0
        )
        assert 0.1 <= step <= 1.8 and trials <= 3


@pytest.mark.parametrize("objective", ["least-squares", "logistic"])
@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_lbfgs_takes_hardly_more_evaluations_than_scipy(objective, spread):
    whole = problem(objective, 0.1, rows=300, spread=spread)
    evaluated = []

    def evaluate(beta):
        evaluated.append(np.linalg.norm(whole.gradient(beta)))
        return whole.loss(beta), whole.gradient(beta)

    options = {"maxcor": 10, "ftol": 0, "gtol": 0}
    minimize(evaluate, np.zeros(PARAMETERS), jac=True, method="L-BFGS-B", options=options)
    needed = np.argmax(np.array(evaluated) <= 1e-6 * evaluated[0]) + 1
    ours = norms(started("lbfgs"), whole, 2 * needed)
    assert (ours <= 1e-6).any()
    assert np.argmax(ours <= 1e-6) + 1 <= 1.2 * needed + 3


@pytest.mark.parametrize("noise", [1e-9, 1e-8])
def test_lbfgs_survives_noise_of_gradients_and_losses(noise):
    whole, dice = problem("logistic", 0.1, rows=300, spread=10.0), np.random.default_rng(0)
    optimizer, first = started("lbfgs"), np.linalg.norm(whole.gradient(np.zeros(PARAMETERS)))
    found = []
    for _ in range(300):
        gradient, loss = optimizers.answer(optimizer, whole)
        wrong = noise * first * dice.standard_normal(PARAMETERS)
        optimizer.update(gradient + wrong, loss * (1 + noise * dice.standard_normal()))
        found.append(np.linalg.norm(whole.gradient(optimizer.beta)) / first)
    assert np.argmax(np.array(found) <= 1e-6) < 60
    assert max(found[100:]) <= 100 * noise


def test_lbfgs_speaks_of_the_model_and_never_of_a_rejected_trial():
    whole, optimizer = problem("logistic", 0.1, spread=30.0), started("lbfgs")
    rejected = 0
    for number in range(40):
        before = optimizer.beta
        recorded = optimizers.iterate(optimizer, whole)
        np.testing.assert_allclose(recorded, whole.gradient(optimizer.beta), rtol=1e-12)
        rejected += number > 0 and before is optimizer.beta
    assert rejected > 0


def test_a_line_search_without_success_ends():
    optimizer = started("lbfgs")
    optimizer.update(np.ones(PARAMETERS), 0.0)
    for _ in range(100):  # the loss rises in every direction
        optimizer.update(np.ones(PARAMETERS), 1.0)
    assert not optimizer.beta.any()
    for number in range(25):  # it falls, and the slope stays: the best trial counts
        optimizer.update(np.ones(PARAMETERS), -float(number))
    assert optimizer.beta.any()


# What every optimizer promises


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("stop", range(12))
def test_a_restored_state_goes_on_bit_for_bit(name, stop):
    objective = "least-squares" if name == "cg" else "logistic"
    whole = problem(objective, 0.1, spread=30.0)
    one, other = started(name, 1e-3), started(name, 1e-3)
    for _ in range(stop):
        optimizers.iterate(one, whole)
    other.restore({key: np.array(value) for key, value in one.state().items()})
    for _ in range(12):
        assert (one.asks_product, one.confirmed) == (other.asks_product, other.confirmed)
        np.testing.assert_array_equal(one.point, other.point)
        first, second = optimizers.iterate(one, whole), optimizers.iterate(other, whole)
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(one.beta, other.beta)


@pytest.mark.parametrize("name", EVERY)
def test_they_pass_the_trial_of_a_user_s_own(name):
    _trial.run(name, lambda: started(name, 0.1))


@pytest.mark.parametrize("name", EVERY)
def test_they_keep_as_many_vectors_as_they_say(name):
    whole, optimizer = problem("least-squares", spread=30.0), started(name, 1e-3)
    for _ in range(40):
        optimizers.iterate(optimizer, whole)
        vectors = sum(np.size(each) for each in optimizer.state().values()) / PARAMETERS
        assert vectors <= optimizers.find(name).vectors + 1.5  # and a few scalars


def test_the_memory_of_rank_0_counts_the_pairs():
    sizes = [
        Sizes.of(source(), objectives.create("least-squares"), RunConfig(optimizer=name)).vectors
        for name in ("gd", "lbfgs:pairs=5", "auto", "cg")
    ]
    assert sizes[:2] == [2, 16] and sizes[2] == sizes[3]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("momentum:factor=1", "factor=1 is out of range: choose 0 <= factor < 1"),
        ("momentum:factor=nan", "factor=nan is out of range"),
        ("adam:beta1=1.5", "beta1=1.5 is out of range: choose 0 <= beta1 < 1"),
        ("adam:beta2=-1", "beta2=-1 is out of range"),
        ("adam:epsilon=0", "epsilon=0 is out of range: choose a positive number"),
        ("lbfgs:pairs=0", "pairs=0 is out of range: choose 1 or more"),
        ("cg:every=0", "every=0 is out of range: choose 1 or more"),
        ("nesterov:restart=often", "restart=often is no rule: give none or gradient"),
        ("lbfgs:pairs=2.5", "pairs=2.5 is not a whole number"),
    ],
)
def test_a_parameter_out_of_range_is_refused_before_there_are_data(text, words):
    with pytest.raises(UsageError, match=words) as caught:
        prepare(RunConfig(optimizer=text, transport="simulated", data="nowhere.npy"), None)
    assert "\n" not in str(caught.value)


# In runs


def simulate(workers=6, source=None, **options):
    config = RunConfig(**{"transport": "simulated", "workers": workers, **options})
    prepared = prepare(config, None)
    return job.run(prepared, SimulatedTransport(workers), problem=prepared.problem(source))


@pytest.mark.parametrize(
    ("scheme", "objective", "chosen"),
    [
        ("uc-mmc", "least-squares", "cg"),
        ("lcc-mmc", "least-squares", "cg"),
        ("gc", "logistic", "lbfgs"),
        ("sgc", "least-squares", "momentum"),
        ("ignore-stragglers", "logistic", "momentum"),
    ],
)
def test_auto_is_resolved_before_a_run(scheme, objective, chosen):
    load = {"load": 3} if scheme in ("uc-mmc", "lcc-mmc", "gc") else {}
    config = RunConfig(
        scheme=scheme, optimizer="auto", objective=objective, workers=6, transport="simulated",
        **load,
    )  # fmt: skip
    assert prepare(config, None).config.optimizer == chosen


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"optimizer": "lbfgs", "scheme": "sgc"},
            "lbfgs needs exact gradients, and those of sgc are approximate: use --optimizer mom",
        ),
        (
            {"optimizer": "cg", "scheme": "uncoded", "objective": "logistic"},
            "cg is for objectives of degree 2, such as least-squares: use --optimizer lbfgs",
        ),
        (
            {"optimizer": "cg", "scheme": "uncoded", "step_size": "0.1"},
            "cg finds the lengths of its steps: leave --step-size out",
        ),
        (
            {"optimizer": "lbfgs:pairs=3", "scheme": "gc", "load": 2, "step_size": "theorem1"},
            "lbfgs:pairs=3 finds the lengths of its steps",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_before_there_are_data(options, words):
    config = RunConfig(workers=6, transport="simulated", data="nowhere.npy", **options)
    with pytest.raises(UsageError, match=words) as caught:
        prepare(config, None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("uncoded", {}),
        ("uc-mmc", {"load": 3}),
        ("uc-mmc", {"load": 3, "kernel": "gram"}),
        ("gc", {"load": 3}),
        ("lcc", {"load": 3}),
        ("lcc-mmc", {"load": 3}),
        ("mds-mmc", {"load": 2}),
    ],
)
@pytest.mark.parametrize("name", ["cg", "lbfgs"])
@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_a_run_does_what_one_process_does(name, scheme, options, ridge, check):
    outcome = simulate(
        scheme=scheme, optimizer=name, ridge=ridge, source=source(), stop_at=1e-9,
        iterations=60, check_gradient=check, **options,
    )  # fmt: skip
    whole = problem(ridge=ridge)
    assert outcome.status == "converged"
    assert outcome.start.step is None and outcome.start.stepping == ""
    first = np.linalg.norm(whole.gradient(np.zeros(PARAMETERS)))
    assert np.linalg.norm(whole.gradient(outcome.beta)) <= 1e-9 * first
    np.testing.assert_allclose(outcome.beta, whole.optimum(), rtol=1e-7)
    assert outcome.log[-1].loss == pytest.approx(whole.loss(outcome.beta), rel=1e-12)
    serial = started(name)
    for record in outcome.log[:8]:
        recorded = optimizers.iterate(serial, whole)
        assert record.gradient_norm == pytest.approx(np.linalg.norm(recorded), rel=1e-6)
        assert record.loss == pytest.approx(whole.loss(serial.beta), rel=1e-9)
    if check:
        assert max(record.gradient_error for record in outcome.log) < 1e-8


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("uc-mmc", {"load": 3, "kernel": "products"}),
        ("uc-mmc", {"load": 3, "kernel": "gram"}),
        ("gc", {"load": 3}),
        ("lcc-mmc", {"load": 3}),
        ("mds-mmc", {"load": 2}),
    ],
)
@pytest.mark.parametrize("name", ["cg", "lbfgs"])
def test_products_and_losses_know_sample_weights_and_the_intercept(name, scheme, options):
    data = source()
    data.intercept = True  # the last column has no ridge
    if scheme in ("uc-mmc", "gc") and options.get("kernel") != "gram":
        data.weights = np.random.default_rng(1).uniform(0, 3, 80)
    X, y = data.read(0, 80)
    weights = np.ones(80) if data.weights is None else data.weights
    penalty = np.diag([0.7] * (PARAMETERS - 1) + [0.0])
    optimum = np.linalg.solve(X.T * weights @ X + penalty, X.T @ (weights * y))
    outcome = simulate(
        scheme=scheme, optimizer=name, ridge=0.7, source=data, stop_at=1e-10, iterations=60,
        check_gradient=True, **options,
    )  # fmt: skip
    assert outcome.status == "converged"
    np.testing.assert_allclose(outcome.beta, optimum, rtol=1e-8)
    assert max(record.gradient_error for record in outcome.log) < 1e-8
    vector = np.arange(PARAMETERS, dtype=float)
    product = X.T @ (weights * (X @ vector)) + penalty @ vector
    np.testing.assert_allclose(outcome.start.problem.product(vector), product)


def test_the_recursion_alone_does_not_end_a_run(monkeypatch):
    kind = optimizers.find("cg").kind
    update, told = kind.update, []

    def note(self, gradient, loss=None):
        told.append(self.asks_product)
        update(self, gradient, loss)

    monkeypatch.setattr(kind, "update", note)
    outcome = simulate(scheme="uc-mmc", load=3, optimizer="cg", stop_at=1e-6, source=source())
    assert outcome.status == "converged"
    assert told[0] is False and told[-1] is False and all(told[1:-1])
    last, confirmation = outcome.log[-2:]
    assert confirmation.gradient_norm == pytest.approx(last.gradient_norm, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gd", "--step-size auto is safe for these data"),
        ("nesterov", "--step-size auto is safe for these data"),
        ("momentum", "--step-size auto is safe for these data"),
        ("adam", "a smaller --step-size, such as the 0.001"),
        ("cg", "use a larger --ridge"),
        ("lbfgs", "use a larger --ridge, or --optimizer gd"),
    ],
)
def test_the_message_of_a_divergence_names_a_remedy(monkeypatch, name, words):
    steps = {} if name in ("cg", "lbfgs") else {"step_size": "1"}
    if name in ("adam", "cg", "lbfgs"):  # it does not diverge here
        monkeypatch.setattr("coded_dgd.engine.convergence.EXPLOSION", 1e-9)
    with pytest.raises(Diverged, match=words) as caught:
        simulate(scheme="uncoded", optimizer=name, source=source(), iterations=40, **steps)
    assert "\n" not in str(caught.value)
    if name in ("cg", "lbfgs"):
        assert "--step-size" not in str(caught.value)


@pytest.mark.parametrize("options", [{"batch": "0.1"}, {"batch": "1"}])
def test_momentum_does_not_amplify_the_errors_of_batches(options):
    left = {}
    for name in ("gd", "auto"):
        outcome = simulate(
            scheme="uc-mmc", load=3, optimizer=name, source=source(rows=200), iterations=200,
            **options,
        )  # fmt: skip
        left[outcome.setup.config.optimizer] = outcome.start.problem.loss(outcome.beta)
    assert left["momentum"] < 1.2 * left["gd"]


def test_the_automatic_step_of_momentum():
    options = {"scheme": "uncoded", "source": source(), "iterations": 2}
    plain, half = (
        simulate(optimizer=name, **options).start.step for name in ("gd", "momentum:factor=0.5")
    )
    assert half == 0.5 * plain


def test_the_remedy_of_nesterov_for_mini_batches_is_another_optimizer():
    whole = problem()
    batches = Problem(whole.source, whole.objective, 0.0, Batches(whole.source.rows, 1, 0))
    assert "--optimizer momentum or gd" in started("nesterov").remedy(batches)


class Steep(objectives.LinearModel):
    """Least squares whose loss, and not its slope, overflows away from zero."""

    def slope(self, z, y):
        return z - y

    def losses(self, z, y):
        return np.where(np.abs(z) > 0.1, np.inf, (z - y) ** 2 / 2)


def test_a_trial_with_an_infinite_loss_is_no_failure_of_the_workers():
    setup = prepare(
        RunConfig(scheme="uc-mmc", load=2, workers=4, transport="simulated", optimizer="lbfgs"),
        None,
        Steep(),
    )
    with pytest.raises(Diverged, match="the loss has no minimum near"):
        job.run(setup, SimulatedTransport(4, Steep()), problem=setup.problem(source()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("momentum:0.9", "give parameters as key=value, as in momentum:key=0.9"),
        ("auto:pairs=3", "auto takes no parameters"),
    ],
)
def test_parameters_without_a_key_or_of_auto_are_refused(text, words):
    """They were taken for a module that is not installed, and for an unknown name."""
    with pytest.raises(UsageError, match=words):
        optimizers.suiting(text, quadratic=True)


@pytest.mark.parametrize("units", [2.0**-90, 2.0**90])
def test_lbfgs_takes_the_same_steps_whatever_the_units_of_the_loss(units):
    whole = problem("logistic", ridge=0.1)
    one, other = started("lbfgs"), started("lbfgs")
    for _ in range(25):
        optimizers.iterate(one, whole)
        other.update(units * whole.gradient(other.point), units * whole.loss(other.point))
    np.testing.assert_allclose(one.beta, other.beta, rtol=1e-6)


def test_no_eigenvalue_is_computed_for_an_optimizer_without_step_size(monkeypatch):
    monkeypatch.setattr(Problem, "largest_eigenvalue", lambda self: 1 / 0)
    assert simulate(scheme="uncoded", optimizer="cg", source=source(), iterations=3).log
    own = simulate(scheme="uncoded", optimizer="adam", source=source(), iterations=3)
    assert own.start.step == 1e-3


def test_a_late_loss_and_no_message_at_all_are_no_error():
    """With nothing arrived before the deadline there is no loss to sum."""
    outcome = simulate(
        scheme="ignore-stragglers", wait="deadline:0.001", optimizer="momentum", iterations=5,
        source=source(),
    )  # fmt: skip
    assert len(outcome.log) == 5
    payloads = SimulatedTransport(2).payloads
    layout = SimpleNamespace(extras=("loss",))
    assert payloads.extras([], layout).shape == (0, 1)


def test_a_scheme_that_takes_older_messages_is_not_exact():
    with pytest.raises(Infeasible, match="needs exact gradients"):
        optimizers.find("lbfgs").check("stale", exact=False, quadratic=True)
