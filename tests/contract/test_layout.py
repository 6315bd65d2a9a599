"""Payloads that are not one number for each column: more parameters, pieces, and a loss beside."""

from pathlib import Path

import numpy as np
import own_objective
import own_optimizer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coded_dgd import train
from coded_dgd.config import RunConfig
from coded_dgd.engine import job, protocol
from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.payloads import Payloads
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.base import Batch
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems.layout import EXTRAS, Layout
from coded_dgd.problems.optimizers import _trial
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource

RNG = np.random.default_rng(0)
WORKERS, ROWS, FEATURES = 6, 41, 3  # blocks are not all of the same height
TWO_LAYERS = "own_objective:TwoLayers:scale=0.5"
BACKTRACKING = "own_optimizer:Backtracking:enough=0.25"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)


def source(sparse=False):
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((ROWS, FEATURES)), np.sign(rng.standard_normal(ROWS))
    if sparse:
        from scipy.sparse import csr_array

        from coded_dgd.problems.sources.in_memory import open_arrays

        return open_arrays(csr_array(np.where(rng.random(X.shape) < 0.3, X, 0.0)), y)
    return ArraySource("own", X, y, "in memory")


def run(transport=None, data=None, **options):
    given = {"delay": "shifted-exponential:mu=10,alpha=0.01", "iterations": 25, "seed": 3}
    config = RunConfig(workers=WORKERS, transport="simulated", **{**given, **options})
    setup = prepare(config, None)
    problem = setup.problem(data or source())
    return job.run(setup, transport or SimulatedTransport(WORKERS), problem=problem)


# The layout itself


@given(
    st.integers(1, 50), st.integers(1, 60), st.sampled_from(["float32", "float64"]), st.booleans()
)
def test_lengths_and_places(parameters, pieces, dtype, loss):
    layout = Layout(parameters, pieces, dtype, EXTRAS if loss else ())
    message = np.zeros(protocol.result_size(layout.body_length, dtype), dtype)
    start = len(message) - layout.body_length
    header, body = message[:start].view(np.float64), message[start:]
    extras, payload = layout.parts(body)
    assert len(header) == protocol.HEADER
    assert len(extras) == loss and extras.dtype == np.float64
    assert len(payload) == layout.length == -(-parameters // pieces) and payload.dtype == dtype
    extras[:], payload[:] = 1 + 2**-50, np.arange(layout.length)
    payloads = Payloads()
    payloads.reserve(layout, 2)
    (row,) = payloads.take(1)
    payloads.buffers[row][:] = message
    assert payloads.is_finite(row, layout)
    assert payloads.inspect([row], layout) == ([header.tolist()], True)
    np.testing.assert_array_equal(payloads.extras([row], layout)[0], [1 + 2**-50] * loss)
    np.testing.assert_array_equal(
        payloads.combine(np.ones(1), [row], layout), np.arange(layout.length)
    )
    assert layout.whole.body_length >= layout.body_length


@given(st.integers(1, 50), st.integers(1, 60))
def test_pieces_are_joined_without_what_fills_them_up(parameters, pieces):
    layout = Layout(parameters, pieces)
    decoded, whole = np.full((pieces, layout.length), np.nan), np.arange(float(parameters))
    for piece, part in enumerate(decoded):
        first, last = (k * parameters // pieces for k in (piece, piece + 1))
        part[: last - first] = whole[first:last]
    np.testing.assert_array_equal(layout.unpack(decoded), whole)
    np.testing.assert_array_equal(layout.unpack(whole), whole)


# Two parameters for each column


def serial(iterations, step):
    problem = Problem(source(), own_objective.TwoLayers(0.5), 0.1)
    beta = np.random.default_rng(3).normal(0, 0.1, 2 * FEATURES)
    for _ in range(iterations):
        beta = beta - step * problem.gradient(beta)
    return beta


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("uncoded", {}),
        ("uc-mmc", {"load": 3}),
        ("uc-mmc", {"load": 3, "dtype": "float32"}),
        ("gc", {"load": 3}),
        ("sgc", {"wait": "all", "p": "0"}),
    ],
)
def test_more_parameters_than_columns_train_as_in_one_process(scheme, options):
    outcome = run(
        scheme=scheme, objective=TWO_LAYERS, step_size="0.01", ridge=0.1, check_gradient=True,
        **options,
    )  # fmt: skip
    assert outcome.beta.shape == (2 * FEATURES,)
    beta = serial(25, 0.01)
    limit = 1e-5 if "dtype" in options else 1e-12
    assert np.linalg.norm(outcome.beta - beta) <= limit * np.linalg.norm(beta)


def test_a_run_with_them_is_resumed_as_if_it_had_gone_on(tmp_path):
    data = "synthetic:rows=41,features=3"
    options = {
        "transport": "simulated", "workers": 4, "scheme": "gc", "load": 2, "data": data,
        "objective": TWO_LAYERS, "optimizer": BACKTRACKING, "step_size": 1,
    }  # fmt: skip
    whole = train(iterations=12, **options)
    half = train(iterations=6, out=tmp_path / "half", checkpoint_every=3, **options)
    assert half.coef_.shape == (6,)
    again = {"transport": "simulated", "resume": tmp_path / "half"}
    done = train(iterations=12, **again)
    np.testing.assert_array_equal(done.coef_, whole.coef_)
    with pytest.raises(UsageError, match=r"the model has 6 parameters and synthetic.* has 8"):
        train(
            iterations=20, data="synthetic:rows=41,features=4", allow_different_data=True, **again
        )


def test_a_scheme_that_needs_degree_2_refuses_it():
    with pytest.raises(Infeasible, match="decodes gradients of degree 2"):
        run(scheme="lcc-mmc", objective=TWO_LAYERS, step_size="0.01")


class Fixed(own_objective.TwoLayers):
    """With a size or a start that cannot be."""

    def __init__(self, size=None, start=None):
        super().__init__()
        self._size, self._start = size, start

    def size(self, features):
        return super().size(features) if self._size is None else self._size(features)

    def start(self, features, seed):
        return super().start(features, seed) if self._start is None else self._start(features)


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (Fixed(size=lambda _: 0), "size returned the int 0 for 3 columns"),
        (Fixed(size=lambda _: 2.0), "size returned the float 2.0"),
        (Fixed(size=lambda _: 1 / 0), "size raised ZeroDivisionError"),
        (Fixed(start=np.zeros), r"start returned float64 ndarray of shape \(3,\).* shape \(6,\)"),
        (
            Fixed(start=lambda size: np.full(2 * size, np.inf)),
            "start returned numbers that are not fin",
        ),
        (Fixed(start=lambda size: RNG.random(2 * size)), "start returns other numbers"),
        (Fixed(start=lambda _: 1 / 0), "start raised ZeroDivisionError"),
    ],
)
def test_a_size_or_a_start_that_cannot_be_is_refused(objective, words):
    config = RunConfig(workers=WORKERS, transport="simulated", scheme="uncoded", step_size="0.01")
    setup = prepare(config, None, objective)
    with pytest.raises(UsageError, match=words) as caught:
        job.run(setup, SimulatedTransport(WORKERS, objective), problem=setup.problem(source()))
    assert "\n" not in str(caught.value)


# A loss beside the gradient


class Watching(SimulatedTransport):
    """Remembers how long messages are."""

    def __init__(self):
        super().__init__(WORKERS)
        self.sizes = set()

    def _deliver(self, peer, message):
        self.sizes.add(message.nbytes)
        super()._deliver(peer, message)


@pytest.fixture
def told(monkeypatch):
    """Points and losses that the optimizer has been told in the run."""
    update, found = own_optimizer.Backtracking.update, []
    monkeypatch.setattr(_trial, "run", lambda *_: None)

    def note(self, gradient, loss=None):
        found.append((self.point, loss))
        update(self, gradient, loss)

    monkeypatch.setattr(own_optimizer.Backtracking, "update", note)
    return found


def assert_exact(told, problem, limit):
    points, losses = zip(*told, strict=True)
    exact = [problem.loss(point) for point in points]
    np.testing.assert_allclose(losses, exact, rtol=limit)
    assert len(told) == 25
    assert problem.loss(points[-1]) < problem.loss(points[0])


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("uncoded", {}),
        ("uc-mmc", {"load": 3}),
        ("uc-mmc", {"load": 3, "kernel": "gram"}),
        ("uc-mmc", {"load": 3, "dtype": "float32"}),
        ("uc-mmc", {"blocks": 60, "load": 20}),  # more blocks than rows
        ("gc", {"load": 3}),
        ("lcc-mmc", {"load": 4}),
        ("mds-mmc", {"load": 2}),
        ("uc-mmc", {"load": 3, "objective": "logistic"}),
        ("gc", {"load": 3, "objective": "logistic"}),
        ("gc", {"load": 3, "objective": TWO_LAYERS}),
    ],
)
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_an_optimizer_is_told_the_loss_where_it_asks(told, scheme, options, ridge):
    transport, coded = Watching(), scheme in ("lcc-mmc", "mds-mmc")
    config = {"step_size": "1", "optimizer": BACKTRACKING, "ridge": ridge, **options}
    outcome = run(transport, scheme=scheme, **config)
    single = options.get("dtype") == "float32"
    numbers = {"mds-mmc": 1}.get(scheme, 6 if options.get("objective") == TWO_LAYERS else 3)
    assert transport.sizes == {8 * (5 + (not coded)) + (4 if single else 8) * numbers}
    assert_exact(told, outcome.start.problem, 1e-5 if single else 1e-11)


def test_sparse_rows_have_the_same_loss(told):
    options = {"step_size": "1", "optimizer": BACKTRACKING, "objective": "logistic", "load": 3}
    outcome = run(scheme="gc", data=source(sparse=True), kernel="sparse", **options)
    assert outcome.start.kernel == "sparse"
    assert_exact(told, outcome.start.problem, 1e-11)


def test_a_loss_that_is_not_finite_is_not_used():
    layout = Layout(3, extras=EXTRAS)
    setup = prepare(RunConfig(workers=2, scheme="uncoded", transport="simulated"), None)
    transport = SimulatedTransport(2)
    transport.payloads.reserve(layout, 3)
    rows = transport.payloads.take(3)
    bodies = [[1.5, 1, 2, 3], [np.inf, 1, 2, 3], [1, 2, 3]]
    for row, body in zip(rows, bodies, strict=True):
        transport.payloads.buffers[row][: 5 + len(body)] = [0.0] * 5 + body
    transport.receive = lambda until, enough: Batch([0] * 3, rows, [4, 4, 3], [0.0] * 3)
    group = WorkerGroup(transport, setup.scheme, transport.new_code(), [0, 1], [0, 1], layout)
    incoming = group.receive(0)
    assert transport.payloads.extras(incoming.rows, layout).tolist() == [[1.5]]
    assert [each.reason for each in incoming.refusals] == ["not finite", "wrong length"]
