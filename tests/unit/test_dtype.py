"""``--dtype float32``: half the bytes, and errors that the guard keeps small all the same."""

import re

import numpy as np
import pytest

from coded_dgd import registry, schemes, train
from coded_dgd.config import DEFAULT_GUARDS, RunConfig
from coded_dgd.config_file import to_toml
from coded_dgd.engine import job, protocol
from coded_dgd.engine.payloads import Payloads
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import DataError, Diverged, UsageError
from coded_dgd.planner import memory
from coded_dgd.planner.costs import Sizes
from coded_dgd.problems.layout import Layout
from coded_dgd.schemes.base import Scheme

NAMES = [*schemes.names(), "lcc-mmc-2"]
DATA = "synthetic:rows=61,features=8"


def run(name, transport=None, **options):
    options = {"iterations": 5, "data": DATA, "check_gradient": True} | options
    config = RunConfig(scheme=name, workers=6, transport="simulated", **options)
    return job.run(prepare(config, None), transport or SimulatedTransport(6))


def is_exact(name):
    kind = registry.find(schemes, re.sub(r"-\d+$", "", name), Scheme, "scheme")
    return kind.exact or kind.data_dependent


class Watching(SimulatedTransport):
    """Takes down what travels."""

    def __init__(self, workers):
        super().__init__(workers)
        self.types, self.sizes = set(), set()

    def piece(self, peer, start, X, y):
        self.types |= {each.dtype for each in (X, y) if each is not None}
        super().piece(peer, start, X, y)

    def _deliver(self, peer, message):
        self.types.add(message.dtype)
        self.sizes.add(message.nbytes)
        super()._deliver(peer, message)


@pytest.mark.parametrize("name", NAMES)
def test_errors_stay_within_the_guards_promise(name):
    outcome = run(name, dtype="float32")
    if is_exact(name):
        for record in outcome.log:
            assert record.gradient_error < record.error_amplification * 32 * 2.0**-24
    assert max(record.gradient_error for record in outcome.log) > 1e-9  # float32 it is
    assert outcome.beta.dtype == np.float64


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["lcc-mmc", "uc-mmc", "gc"])
def test_everything_that_travels_is_of_that_type(name, dtype):
    transport = Watching(6)
    run(name, transport, dtype=dtype)
    assert transport.types == {np.dtype(dtype)}
    assert transport.sizes == {8 * protocol.HEADER + 8 * np.dtype(dtype).itemsize}


def test_a_header_is_exact_whatever_the_type():
    for dtype in DEFAULT_GUARDS:
        message = np.zeros(protocol.result_size(3, dtype), dtype)
        header, payload = message[:-3].view(np.float64), message[-3:]
        header[:] = 1, 10**9 - 1, 12345, 0.1, 0.2
        payload[:] = 1, 2, 3
        payloads = Payloads()
        payloads.reserve(Layout(3, dtype=dtype), 2)
        (row,) = payloads.take(1)
        payloads.buffers[row][:] = message
        assert payloads.headers([row])[0] == [1, 10**9 - 1, 12345, 0.1, 0.2]
        assert payloads.body(row, Layout(3)).tolist() == [1, 2, 3]
        assert payloads.body_lengths([message.nbytes]) == [3]
        assert payloads.body_lengths([message[:4].nbytes])[0] < 0


def test_the_guard_is_the_types_own_unless_it_is_given():
    assert RunConfig(dtype="float32").guard == DEFAULT_GUARDS["float32"]
    assert RunConfig().guard == RunConfig(guard=0.0).guard == DEFAULT_GUARDS["float64"]
    assert RunConfig(dtype="float32", guard=1e5).guard == 1e5
    assert "guard = 100.0" in to_toml(RunConfig(dtype="float32"))


def test_an_unknown_type_is_refused():
    with pytest.raises(UsageError, match="--dtype: give one of float64, float32"):
        RunConfig(dtype="float16")


@pytest.mark.parametrize("scale", [1e17, 1e-17])
@pytest.mark.parametrize("name", ["lcc-mmc", "uc-mmc"])
def test_data_whose_squares_float32_cannot_hold_are_refused(tmp_path, name, scale):
    rng = np.random.default_rng(2)
    np.save(tmp_path / "data.npy", scale * rng.standard_normal((40, 5)))
    data = str(tmp_path / "data.npy")
    with pytest.raises(DataError, match=r"float32 cannot hold.*--dtype float64"):
        run(name, data=data, dtype="float32")
    assert len(run(name, data=data).log) == 5


@pytest.mark.parametrize("objective", ["logistic", "least-squares"])
@pytest.mark.parametrize("weight", [1e-60, 1e60])
def test_sample_weights_that_float32_cannot_hold_are_refused(objective, weight):
    """They became 0, and training ended at once with a gradient of zero."""
    X = np.random.default_rng(2).standard_normal((40, 5))
    options = {"scheme": "uc-mmc", "load": 2, "workers": 4, "transport": "simulated"}
    with pytest.raises(DataError, match=r"float32 cannot hold.*--dtype float64"):
        train(
            X, np.sign(X[:, 0]), sample_weight=np.full(40, weight), objective=objective,
            dtype="float32", **options,
        )  # fmt: skip


def test_gradient_descent_gets_as_near_as_seven_digits_go():
    double, single = (
        run("lcc-mmc", dtype=dtype, iterations=300, check_gradient=False)
        for dtype in ("float64", "float32")
    )
    difference = np.linalg.norm(single.beta - double.beta) / np.linalg.norm(double.beta)
    assert 0 < difference < 1e-5


def test_a_guard_that_waits_most_of_the_time_is_worth_a_word():
    def cautions(name, dtype):
        config = RunConfig(
            scheme=name, workers=40, load=5, iterations=1, transport="simulated", dtype=dtype
        )
        return job.run(prepare(config, None), SimulatedTransport(40)).start.cautions

    (told,) = cautions("lcc-mmc", "float32")
    assert "--dtype float64" in told
    assert not cautions("lcc-mmc", "float64")
    assert not cautions("uc-mmc", "float32")


def test_a_worker_is_planned_with_half_the_memory():
    scheme = schemes.create("lcc-mmc", 6, None, 3)
    double, single = (
        memory.worker(scheme, Sizes(60_000, 500, 60_000, 1e6, itemsize=itemsize))
        - memory.without_data(6)
        for itemsize in (8, 4)
    )
    assert double == pytest.approx(2 * single, rel=1e-3)  # points stay in float64


def test_what_only_float32_cannot_hold_is_divergence():
    """Messages overflow before the gradient of rank 0, in float64, does."""
    X = np.random.default_rng(0).standard_normal((40, 5))
    with pytest.raises(Diverged, match="diverged in iteration 0"):
        train(
            X, X @ np.ones(5), dtype="float32", step_size=1e36, scheme="uc-mmc", load=2, workers=4,
            transport="simulated",
        )  # fmt: skip
