"""Schemes and objectives of one's own, from the current folder."""

import importlib
import sys

import numpy as np
import pytest

from coded_dgd import registry, schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems import objectives
from coded_dgd.schemes.base import Scheme

SCHEME = '''
import numpy as np
from coded_dgd.schemes.base import ReplicationScheme, Threshold


class Everything(Threshold, ReplicationScheme):
    """Everybody does everything; the first to be done will do."""

    threshold = 1
    options = ("spice",)

    def __init__(self, name, workers, blocks, load, spice=1):
        super().__init__(name, workers, blocks, blocks)
        self.spice = spice

    def held(self, worker):
        return np.arange(self.blocks)

    def ends(self, worker):
        return (self.blocks,)

    def weights(self, arrived, learnt=None):
        weights = np.zeros(arrived.shape)
        weights[np.flatnonzero(arrived)[0]] = 1.0
        return weights


class Nothing:
    pass


number = 3


class Alias:
    """What ``list[int]`` is on Python 3.10: it says that it is a class, and is none."""

    __class__ = property(lambda self: type)


alias = Alias()
'''

OBJECTIVE = """
import numpy as np
from coded_dgd.problems.objectives import LinearModel


class Huber(LinearModel):
    curvature = 1.0

    def slope(self, z, y):
        return np.clip(z - (0 if y is None else y), -1, 1)

    def loss(self, X, y, beta):
        r = np.abs(X @ beta - y)
        return float(np.where(r < 1, r * r / 2, r - 0.5).sum())


huber = Huber()
number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with modules of one's own, that are forgotten afterwards."""
    (tmp_path / "my_scheme.py").write_text(SCHEME)
    (tmp_path / "my_objective.py").write_text(OBJECTIVE)
    (tmp_path / "my_mistake.py").write_text("def f(:\n")
    (tmp_path / "my_failure.py").write_text("1 / 0\n")
    (tmp_path / "my_exit.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "my_need.py").write_text("import no_such_library.part\n")
    (tmp_path / "my_refusal.py").write_text(
        "from coded_dgd.errors import UsageError\n"
        "raise UsageError('--load 0 is too small: use --load 1')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]


def run(**options):
    config = RunConfig(
        workers=4, transport="simulated", data="synthetic:rows=21,features=3", **options
    )
    return job.run(prepare(config, None), SimulatedTransport(4))


def test_a_scheme_of_ones_own(folder):
    outcome = run(scheme="my_scheme:Everything", iterations=5, check_gradient=True)
    assert outcome.setup.scheme.name == "my_scheme:Everything"
    assert max(record.gradient_error for record in outcome.log) <= 1e-12
    completion = [record.completion_time for record in outcome.log]
    np.testing.assert_allclose(completion, outcome.ideal, rtol=1e-12)
    scheme = schemes.create("my_scheme:Everything", 4, spice=2)
    assert scheme.spice == 2
    with pytest.raises(UsageError, match="--pepper means nothing to my_scheme:Everything"):
        schemes.create("my_scheme:Everything", 4, pepper=2)


def test_an_objective_of_ones_own(folder):
    outcome = run(scheme="uc-mmc", objective="my_objective:Huber", iterations=30)
    problem = outcome.start.problem
    assert problem.loss(outcome.beta) < problem.loss(np.zeros(3))
    with pytest.raises(Infeasible, match=r"which that of my_objective:Huber is not"):
        prepare(RunConfig(scheme="lcc-mmc", workers=4, objective="my_objective:Huber"), None)


def test_an_objective_may_be_an_object_of_a_module(folder):
    by_class, by_object = (
        run(scheme="uc-mmc", objective=f"my_objective:{name}", iterations=5)
        for name in ("Huber", "huber")
    )
    np.testing.assert_array_equal(by_object.beta, by_class.beta)
    assert objectives.create("my_objective:huber") is sys.modules["my_objective"].huber


def test_both_of_ones_own(folder):
    outcome = run(scheme="my_scheme:Everything", objective="my_objective:Huber", iterations=3)
    assert outcome.status == "done"


def test_what_is_installed_can_be_named_by_its_path():
    found = registry.find(schemes, "coded_dgd.schemes.lcc:LCC", Scheme, "scheme")
    assert found is registry.find(schemes, "lcc", Scheme, "scheme")
    assert objectives.create("coded_dgd.problems.objectives.logistic:Logistic").curvature == 0.25


def test_aliases_of_types_beside_a_class_are_passed_over(folder, monkeypatch):
    package = folder / "my_schemes"
    package.mkdir()
    (package / "__init__.py").touch()
    aliases = SCHEME.partition("class Alias")[1:]
    (package / "first.py").write_text("".join(aliases) + SCHEME)
    monkeypatch.syspath_prepend(folder)
    my_schemes = importlib.import_module("my_schemes")
    assert registry.find(my_schemes, "first", Scheme, "scheme").__name__ == "Everything"


REFUSED = {
    "no_such_module:Class": "cannot be imported .*: give MODULE:CLASS",
    "my_scheme:NoSuchClass": "cannot be imported .*: give MODULE:CLASS",
    "my_scheme:": "cannot be imported .*: give MODULE:CLASS",
    ":Everything": "cannot be imported|give MODULE:CLASS",
    ":": "cannot be imported|give MODULE:CLASS",
    ".my_scheme:Everything": "cannot be imported|give MODULE:CLASS",
    "my_scheme.py:Everything": "cannot be imported .*: give MODULE:CLASS",
    "my_scheme:Nothing": "is no scheme: it has to be a subclass of Scheme",
    "my_scheme:number": "is no scheme: it has to be a subclass of Scheme",
    "my_scheme:alias": "is no scheme: it has to be a subclass of Scheme",
    "my_objective:Huber": "is no scheme: it has to be a subclass of Scheme",
    "coded_dgd.schemes.base:Scheme": "scheme",
    "my_mistake:Class": "cannot be imported",
    "my_failure:Class": "cannot be imported",
    "my_exit:Class": r"cannot be imported \(SystemExit: 0\)",
    "my_need:Class": "No module .*: install no_such_library, which it imports",
    "my_refusal:Class": "cannot be imported: --load 0 is too small: use --load 1$",
}


@pytest.mark.parametrize("path", REFUSED)
def test_an_import_path_that_cannot_be_is_refused(folder, path):
    with pytest.raises(UsageError, match=REFUSED[path]) as caught:
        schemes.create(path, 4)
    assert "\n" not in str(caught.value)
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("my_scheme:Everything", "is no objective: it has to be a subclass of Objective"),
        ("my_objective:number", "has to be a subclass of Objective, or an object of one"),
        ("my_objective:huber:delta=2", "which is an object, has no parameter 'delta'"),
        ("nowhere:Objective", "objective 'nowhere:Objective' cannot be imported"),
        ("hinge", "unknown objective 'hinge'; there are: huber, least-squares, "),
        ("logistics", r"\(did you mean 'logistic'\?\)"),
        ("base", "unknown objective 'base'"),
        ("", "unknown objective ''"),
    ],
)
def test_an_objective_that_cannot_be_is_refused(folder, path, words):
    with pytest.raises(UsageError, match=words):
        objectives.create(path)
    with pytest.raises(UsageError, match=words):
        prepare(RunConfig(workers=4, scheme="uncoded", objective=path), None)


# Parameters: name:key=value

PARAMETERS = """
from coded_dgd.problems.objectives import LinearModel
from coded_dgd.problems.optimizers import Optimizer

import numpy as np


class Huber(LinearModel):
    curvature = 1.0

    def __init__(self, delta: float = 1.0, mean=False, name: "str | None" = None, sizes: list = ()):
        self.delta, self.mean, self.name = delta, mean, name

    def slope(self, z, y):
        return np.clip(z - (0 if y is None else y), -self.delta, self.delta)

    def loss(self, X, y, beta):
        r, d = np.abs(X @ beta - y), self.delta
        return float(np.where(r < d, r * r / 2, d * (r - d / 2)).sum())


class Narrow(Huber):
    def __init__(self, width: int):
        super().__init__(1 / width)


class Ball(Optimizer):
    def __init__(self, start, schedule, inertia: float = 0.5):
        super().__init__(start, schedule)
        self.inertia, self.before = inertia, start

    def update(self, gradient, loss=None):
        self.steps += 1
        step = self.inertia * (self.beta - self.before) - self.step_size * gradient
        self.before, self.beta = self.beta, self.beta + step
        self.point = self.beta

    def state(self):
        return {**super().state(), "before": self.before}

    def restore(self, state):
        super().restore(state)
        self.before = state["before"]


class Strict(Ball):
    def __init__(self, start, schedule, inertia: float):
        super().__init__(start, schedule, 1 / inertia)
"""


@pytest.fixture
def mine(folder):
    (folder / "my_parameters.py").write_text(PARAMETERS)


def test_parameters_are_converted_as_they_are_annotated(mine):
    made = objectives.create("my_parameters:Huber:delta=2,mean=yes,name=a,b")
    assert (made.delta, made.mean, made.name) == (2.0, True, "a,b")
    made = objectives.create("my_parameters:Huber:name=none")
    assert (made.delta, made.mean, made.name) == (1.0, False, None)
    assert objectives.create("my_parameters:Narrow:width=4").delta == 0.25


def test_an_objective_trains_with_its_parameters(mine):
    narrow = run(scheme="uc-mmc", objective="my_parameters:Huber:delta=0.1", iterations=3)
    wide = run(scheme="uc-mmc", objective="my_parameters:Huber", iterations=3)
    assert narrow.start.problem.objective.delta == 0.1
    assert 0 < narrow.log[0].gradient_norm < wide.log[0].gradient_norm


def test_an_optimizer_of_ones_own_trains_with_its_parameters(mine):
    own = "my_parameters:Ball:inertia="
    still, plain, fast = (
        run(scheme="uc-mmc", iterations=20, optimizer=name)
        for name in (f"{own}0", "gd", f"{own}.8")
    )
    np.testing.assert_array_equal(still.beta, plain.beta)
    beta = before = np.zeros(3)
    problem = fast.start.problem
    for _ in range(20):
        step = 0.8 * (beta - before) - problem.gradient(beta) / problem.lipschitz()
        before, beta = beta, beta + step
    np.testing.assert_allclose(fast.beta, beta, rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("logistic:delta=1", "objective logistic has no parameter 'delta'; it takes: none"),
        ("my_parameters:Huber:detla=1", r"no parameter 'detla' \(did you mean 'delta'\?\)"),
        ("my_parameters:Huber:sizes=1", "no parameter 'sizes'; it takes: delta, mean, name"),
        ("my_parameters:Huber:3", "has no parameter '3'; it takes: delta, mean, name"),
        ("my_parameters:Huber:delta=a", "my_parameters:Huber: delta=a is not a number: give that"),
        ("my_parameters:Huber:mean=2", "mean=2 is not true or false"),
        ("my_parameters:Narrow:width=1.5", "width=1.5 is not a whole number"),
        ("my_parameters:Narrow:width=0", r"cannot be made with width=0 \(ZeroDivisionError"),
        ("my_parameters:Narrow", "cannot be made without arguments"),
        ("my_parameters:Huber:delta=1,delta=2", "gives 'delta' twice"),
    ],
)
def test_parameters_that_cannot_be_are_refused(mine, text, words):
    with pytest.raises(UsageError, match=words) as caught:
        prepare(RunConfig(workers=4, scheme="uncoded", objective=text), None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gd:inertia=1", "optimizer gd has no parameter 'inertia'; it takes: none"),
        ("my_parameters:Ball:start=1", "has no parameter 'start'; it takes: inertia"),
        ("my_parameters:Ball:inertia=x", "inertia=x is not a number"),
        ("my_parameters:Strict:inertia=0", r"cannot be made \(ZeroDivisionError"),
        ("my_parameters:Strict", r"cannot be made \(TypeError"),
        ("my_parameters:Huber", "is no optimizer: it has to be a subclass of Optimizer"),
        ("nowhere:Ball", "optimizer 'nowhere:Ball' cannot be imported"),
        (
            "nestorov",
            r"unknown --optimizer 'nestorov' \(did you mean 'nesterov'\?\); there are: adam, cg,",
        ),
    ],
)
def test_an_optimizer_that_cannot_be_is_refused(mine, text, words):
    with pytest.raises(UsageError, match=words) as caught:
        run(scheme="uncoded", optimizer=text, iterations=1)
    assert "\n" not in str(caught.value)
