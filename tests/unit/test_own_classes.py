"""Schemes and optimizers of one's own that are not what they should be: refused in one line."""

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems import optimizers
from coded_dgd.problems.optimizers import Optimizer
from coded_dgd.schemes.base import CodedScheme, ReplicationScheme
from coded_dgd.schemes.dynamic import DynamicScheme
from coded_dgd.schemes.rules import Count, Coverage, Rule
from coded_dgd.theory.prediction import predict

# Schemes


class Pairs(ReplicationScheme):
    """Workers 2k and 2k + 1 hold the same two blocks, and send one message each."""

    def __init__(self, name, workers, blocks, load, spice: int = 1):
        super().__init__(name, workers, blocks, load)
        self.load = 2
        self.pair = (np.arange(workers) // 2)[:, None]

    def held(self, worker):
        return worker // 2 * 2 + np.arange(2)

    def ends(self, worker):
        return (2,)

    @property
    def rule(self):
        return Coverage(self.workers // 2, self.pair)

    def weights(self, arrived, learnt=None):
        weights = np.zeros(arrived.shape)
        for pair in range(self.workers // 2):
            weights[tuple(np.argwhere(arrived & (self.pair == pair))[0])] = 1.0
        return weights


class Raises(Pairs):
    def __init__(self, name, workers, blocks, load, spice: int = 1):
        raise ValueError("too spicy")


class NoArguments(Pairs):
    def __init__(self, name):
        pass


class NoSuper(Pairs):
    def __init__(self, name, workers, blocks, load, spice: int = 1):
        self.spice = spice


class NoLoad(Pairs):
    def __init__(self, name, workers, blocks, load, spice: int = 1):
        super().__init__(name, workers, blocks, load)
        self.load = 1


class HeldList(Pairs):
    def held(self, worker):
        return [0, 1]


class HeldBeyond(Pairs):
    def held(self, worker):
        return np.array([worker, 99])


class HeldRaises(Pairs):
    def held(self, worker):
        return {}["block"]


class EndsNumber(Pairs):
    def ends(self, worker):
        return 2


class EndsBeyond(Pairs):
    def ends(self, worker):
        return (3,)


class EndsBackwards(Pairs):
    def ends(self, worker):
        return (2, 1)


class CoefficientsShape(Pairs):
    def coefficients(self, worker):
        return np.ones(5)


class RuleMethod(Pairs):
    def rule(self, arrived, lost):
        return True


class RuleNever(Pairs):
    rule = Count(99, np.ones((8, 1), dtype=bool))


class NoLost(Rule):
    def holds(self, arrived):
        return True


class RuleArguments(Pairs):
    rule = NoLost()


class WeightsShape(Pairs):
    def weights(self, arrived, learnt=None):
        return super().weights(arrived)[:, 0]


class WeightsArguments(Pairs):
    def weights(self, arrived):
        return super().weights(arrived)


class WeightsMissing(Pairs):
    def weights(self, arrived, learnt=None):
        return np.full(arrived.shape, 0.5)


class WeightsTwice(Pairs):
    def weights(self, arrived, learnt=None):
        return 2 * super().weights(arrived)


class Generator(CodedScheme):
    def __init__(self, name, workers, blocks, load):
        super().__init__(name, workers, blocks, 1)

    def generator(self, worker):
        return np.eye(self.blocks)[worker]

    def ends(self, worker):
        return (1,)

    @property
    def rule(self):
        return Count(self.workers, self.expected)

    def weights(self, arrived, learnt=None):
        return np.ones(arrived.shape)


SCHEMES = {
    Raises: r"cannot be made \(ValueError: too spicy \(test_own_classes.py, line \d+\)\)",
    NoArguments: "its constructor takes name, workers, blocks, load and options",
    NoSuper: r"sets no name: have it begin with super\(\).__init__\(name, workers, blocks, load\)",
    NoLoad: "worker 0 has 2 tasks, more than load = 1: have the constructor set self.load",
    HeldList: r"held\(0\) returned a list, and has to return a numpy array of integers",
    HeldBeyond: r"held\(0\) returned \[0, 99\], and has to return indices of blocks, from 0 to 7",
    HeldRaises: r"held raised KeyError: 'block' \(test_own_classes.py, line \d+\)$",
    EndsNumber: r"ends\(0\) returned the int 2, and has to return a tuple, such as \(1, 2\)",
    EndsBeyond: r"ends\(0\) returned \(3,\), .* increase, from 1 to 2, the tasks of the worker",
    EndsBackwards: r"ends\(0\) returned \(2, 1\), and has to return numbers of tasks that increase",
    CoefficientsShape: r"coefficients\(0\) returned .* of shape \(5,\), .* of shape \(2,\)",
    RuleMethod: "rule is a method: make it a property that returns a Rule",
    RuleNever: "its rule does not hold where every message has arrived",
    RuleArguments: r"rule.holds raised TypeError: .* positional arguments but 3 were given$",
    WeightsShape: r"weights returned .* of shape \(8,\), .* of shape \(8, 1\), one weight for each",
    WeightsArguments: "weights raised TypeError",
    WeightsMissing: "gives messages that have not arrived a weight other than 0",
    WeightsTwice: r"block 0 counts 2 times: .* or set exact = False",
    Generator: r"generator\(0\) returned .* of shape \(8,\), .* of shape \(1, 8\)",
}


def path(kind):
    return f"{__name__}:{kind.__name__}"


@pytest.mark.parametrize("kind", SCHEMES, ids=lambda kind: kind.__name__)
def test_a_scheme_that_cannot_be_used_is_refused(kind):
    with pytest.raises(UsageError, match=SCHEMES[kind]) as caught:
        schemes.create(path(kind), 8)
    assert str(caught.value).startswith(f"scheme {path(kind)}")
    assert "\n" not in str(caught.value)


def test_a_scheme_as_it_should_be_is_admitted():
    assert schemes.create(path(Pairs), 8).load == 2


def test_a_load_with_which_nothing_can_be_decoded_is_infeasible():
    with pytest.raises(Infeasible, match=r"rule does not hold .* another --load than 2"):
        schemes.create(path(Scripted), 4, load=2)


def test_weights_of_an_approximation_need_not_sum_to_one(monkeypatch):
    monkeypatch.setattr(WeightsTwice, "exact", False)
    assert not schemes.create(path(WeightsTwice), 8).exact


def test_weights_that_are_not_finite_are_left_to_the_guard(monkeypatch):
    monkeypatch.setattr(WeightsTwice, "weights", lambda *_: np.full((8, 1), np.nan))
    schemes.create(path(WeightsTwice), 8)


# Dynamic schemes


class Scripted(DynamicScheme):
    task = None

    def held(self, worker):
        return np.arange(self.load)

    def next_task(self, worker, progress):
        return self.task


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (None, "next_task returned None for every worker, though block 0 has not arrived"),
        (7, r"next_task returned 7 for worker 0, .* position in held\(0\), from 0 to 3, or None"),
        (0.5, "next_task returned 0.5 for worker 0"),
        (property(lambda self: [][0]), "next_task raised IndexError: .* line"),
    ],
    ids=str,
)
def test_a_task_that_does_not_exist_is_refused(monkeypatch, task, words):
    monkeypatch.setattr(Scripted, "task", task)
    with pytest.raises(UsageError, match=words):
        run(scheme=path(Scripted))


@pytest.mark.parametrize("exact", [True, False])
def test_a_task_that_does_not_exist_is_refused_in_predictions(exact):
    scheme = schemes.create(path(Scripted), 4, load=4)
    delay = delays.create("shifted-exponential:mu=10,alpha=0.01", seed=0)
    with pytest.raises(UsageError, match="returned None for every worker, though block 0"):
        predict(scheme, delay, exact=exact)


# Optimizers


class Ball(Optimizer):
    """Heavy ball, with what the steps below leave out."""

    def __init__(self, start, schedule):
        super().__init__(start, schedule)
        self.velocity = np.zeros(len(start))

    def update(self, gradient, loss=None):
        self.steps += 1
        self.velocity = 0.5 * self.velocity - self.step_size * gradient
        self.beta = self.point = self.beta + self.velocity

    def state(self):
        return {**super().state(), "velocity": self.velocity}

    def restore(self, state):
        super().restore(state)
        self.velocity = state["velocity"]


class BallNoSuper(Ball):
    def __init__(self, start, schedule):
        self.velocity = np.zeros(len(start))


class BallShape(Ball):
    def update(self, gradient, loss=None):
        self.steps += 1
        self.beta = self.point = np.zeros(2)


class BallList(Ball):
    def update(self, gradient, loss=None):
        super().update(gradient)
        self.point = self.beta.tolist()


class BallInPlace(Ball):
    def update(self, gradient, loss=None):
        self.steps += 1
        self.beta -= self.step_size * gradient


class BallUncounted(Ball):
    def update(self, gradient, loss=None):
        self.beta = self.point = self.beta - self.step_size * gradient


class BallRaises(Ball):
    def update(self, gradient, loss=None):
        return [][0]


class BallNoState(Ball):
    def state(self):
        pass


class BallForgets(Ball):
    def state(self):
        return Optimizer.state(self)

    def restore(self, state):
        Optimizer.restore(self, state)


class BallProduct(Ball):
    asks_product = True


class BallUnconfirmed(Ball):
    confirmed = False

    def confirm(self):
        self.point = 2 * self.beta


class BallKnows(Ball):
    gradient_at_beta = np.zeros(2)


class BallForgetsWhatItAsks(Ball):
    needs_quadratic = True
    asked = 0

    @property
    def asks_product(self):
        return self.asked > 3

    def update(self, gradient, loss=None):
        super().update(np.zeros_like(gradient))
        self.asked += 1


OPTIMIZERS = {
    BallNoSuper: r"sets no beta: have it begin with super\(\).__init__\(start, schedule\)",
    BallShape: r"leaves .* of shape \(2,\) as beta, and has to leave a float64 array of shape",
    BallList: "update leaves a list as point",
    BallInPlace: "update writes to beta or point, .*: replace the array",
    BallUncounted: r"steps is 0 after update number 1: have update begin with self.steps \+= 1",
    BallRaises: r"update raised IndexError: .* \(test_own_classes.py, line \d+\)",
    BallNoState: "state has to return a dict of names and arrays of numbers",
    BallForgets: "a resumed run would take other steps: have state return",
    BallProduct: "asks_product is true: have the class set needs_quadratic = True",
    BallUnconfirmed: "confirm has to set point to beta, and asks_product to False",
    BallKnows: r"leaves .* of shape \(2,\) as gradient_at_beta, and has to leave a float64 array",
    BallForgetsWhatItAsks: "a resumed run would take other steps",
}


@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)
def test_an_optimizer_that_cannot_be_used_is_refused(kind):
    with pytest.raises(UsageError, match=OPTIMIZERS[kind]) as caught:
        run(optimizer=path(kind))
    assert str(caught.value).startswith(f"optimizer {path(kind)}")
    assert "\n" not in str(caught.value)


def test_a_trial_leaves_the_optimizer_at_its_start():
    start = np.array([1.0, 2.0, 3.0])
    made = optimizers.find(path(Ball))(start, lambda step: 0.1)
    assert made.steps == 0
    np.testing.assert_array_equal(made.beta, [1.0, 2.0, 3.0])


def run(scheme="uc-mmc", **options):
    data = "synthetic:rows=20,features=3"
    config = RunConfig(workers=4, scheme=scheme, data=data, iterations=2, **options)
    return job.run(prepare(config, None), SimulatedTransport(4))
