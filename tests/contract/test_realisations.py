"""Monte Carlo finds, for every scheme, what replaying each realisation finds."""

import numpy as np
import pytest

from coded_dgd import delays, registry, schemes
from coded_dgd.errors import Infeasible
from coded_dgd.guard import GuardedDecoder, replay
from coded_dgd.schemes.base import Scheme
from coded_dgd.theory.monte_carlo import messages_used, simulate

FIXED = [name for name in schemes.names() if not schemes.find(name)[0].dynamic]
NAMES = [*FIXED, "lcc-mmc-2"]
SIZES = [(6, 6, 4), (5, 8, 8), (4, 2, 2), (8, 6, 3)]  # M, N, r
OPTIONS = [{}, {"early_stop": "coset"}, {"wait": "fastest:3"}]
OPTIONS += [{"wait": f"deadline:{seconds}"} for seconds in (0.5, 2)]  # 2 ties with arrivals
INF = np.inf


def variants():
    """Every scheme with each of the options that it takes, and sizes of many kinds."""
    for name in NAMES:
        kind = registry.find(schemes, name.removesuffix("-2"), Scheme, "scheme")
        for options in OPTIONS:
            if set(options) <= set(kind.options):
                for M, N, r in SIZES:
                    chosen = {"blocks": N, "load": r}
                    given = {size: chosen[size] for size in kind.sizes} | options
                    try:
                        schemes.create(name, M, **given)
                    except Infeasible:
                        continue
                    yield pytest.param(name, M, N, given, id=f"{name} M={M} {given}")


def build(name, workers, rows, given):
    scheme = schemes.create(name, workers, **given)
    scheme.fit(rows, lambda blocks: np.arange(1.0, blocks + 1))  # unequal: so are the workers
    return scheme


def finish_times(kind, rng, scheme):
    shape = (40, scheme.workers, scheme.load)
    if kind == "distinct":
        times = rng.random(shape) * 5
    elif kind == "ties":
        times = rng.integers(0, 4, shape).astype(float)
    elif kind == "at once":
        times = np.zeros(shape)
    else:
        times = np.where(rng.random(shape) < 0.3, INF, rng.integers(0, 4, shape))
    return np.sort(times, axis=-1)


@pytest.mark.parametrize(("name", "workers", "rows", "given"), list(variants()))
def test_completion_and_messages_are_those_of_replay(name, workers, rows, given):
    scheme = build(name, workers, rows, given)
    decoder = GuardedDecoder(scheme, INF)
    decoder.scheme.weights = lambda arrived, _: np.zeros(arrived.shape)  # no guard: rule only
    rng = np.random.default_rng(1)
    for kind in ("distinct", "ties", "at once", "never"):
        finish = finish_times(kind, rng, scheme)
        times = scheme.message_times(finish)
        completion = scheme.completion_time(times)
        ideal = [replay(decoder, each) for each in finish]
        np.testing.assert_array_equal(completion, [each.completion_time for each in ideal])
        done = np.isfinite(completion)
        used = messages_used(scheme, times[done], completion[done])
        expected = np.array([len(each.order) for each in ideal])
        np.testing.assert_array_equal(used, expected[done])
        assert kind == "never" or done.all()


@pytest.mark.parametrize("delay", ["shifted-exponential", "pareto:tasks=independent", "markov"])
@pytest.mark.parametrize("name", NAMES)
def test_a_simulation_is_of_the_same_iterations(name, delay):
    """Against replaying draws of all tasks; simulations draw for the messages alone."""
    kind = registry.find(schemes, name.removesuffix("-2"), Scheme, "scheme")
    chosen = {"blocks": 6, "load": 4}
    scheme = build(name, 6, 6, {size: chosen[size] for size in kind.sizes})
    model = delays.create(delay, 0)
    sample = simulate(scheme, model, 20_000, seed=3)
    finish = model.sample(np.random.default_rng(4), 2000, 6, scheme.work)
    decoder = GuardedDecoder(scheme, INF)
    decoder.scheme.weights = lambda arrived, _: np.zeros(arrived.shape)
    ideal = [replay(decoder, each) for each in finish]
    for mean, error, values in [
        (sample.mean, sample.standard_error, [each.completion_time for each in ideal]),
        (
            sample.communication_load,
            sample.communication_load_standard_error,
            [len(each.order) for each in ideal],
        ),
    ]:
        error = np.hypot(error, np.std(values) / np.sqrt(2000))
        assert abs(mean - np.mean(values)) <= 4 * error
