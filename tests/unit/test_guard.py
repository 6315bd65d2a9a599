"""Decoding under guard: when it waits, what it accepts, and what is foretold of it."""

import numpy as np
import pytest

from coded_dgd import delays, registry, schemes
from coded_dgd.codes.circle import spread_ranks
from coded_dgd.config import DEFAULT_GUARDS
from coded_dgd.errors import Infeasible
from coded_dgd.guard import GuardedDecoder, replay
from coded_dgd.schemes.base import CodedScheme, Scheme, Threshold
from coded_dgd.theory.predictor import forecast

FIXED = [name for name in schemes.names() if not schemes.find(name)[0].dynamic]
LAW = delays.create("shifted-exponential:mu=10,alpha=0.01", 0)


def small(name, workers, blocks):
    """A scheme, with so many blocks where there is a choice, fitted to rows of unequal size."""
    sizes = registry.find(schemes, name.removesuffix("-2"), Scheme, "scheme").sizes
    try:
        scheme = schemes.create(name, workers, blocks if "blocks" in sizes else None)
    except Infeasible as refusal:
        pytest.skip(str(refusal))
    scheme.fit(4 * blocks, lambda count: np.arange(1.0, count + 1))
    return scheme


class Scripted(Threshold, CodedScheme):
    """Four workers of a message each, threshold 2; its amplification follows a script."""

    def __init__(self, amplification):
        super().__init__("scripted", workers=4, blocks=4, load=1)
        self.threshold = 2
        self.script = amplification  # by number of messages

    def generator(self, worker):
        return np.eye(4)[[worker]]

    def ends(self, worker):
        return (1,)

    def weights(self, arrived, learnt=None):
        count = np.count_nonzero(arrived)
        size = 4 / count * self.script[count]  # each message has scale 1/4
        signs = np.where(np.arange(4) % 2, 1.0, -1.0)[:, None]
        return np.where(arrived, size * signs, 0.0)


SCRIPTS = [
    # amplification by number of messages, guard, messages used (None: never accepted)
    ({2: 10.0, 3: 5.0, 4: 1.0}, 100.0, 2),
    ({2: 10.0, 3: 5.0, 4: 1.0}, 10.0, 2),
    ({2: 10.0, 3: 5.0, 4: 1.0}, 9.9, 3),
    ({2: 10.0, 3: 5.0, 4: 1.0}, 2.0, 4),
    ({2: 10.0, 3: 50.0, 4: 1.0}, 9.0, 4),
    ({2: 10.0, 3: 5.0, 4: 2.0}, 1.0, None),
    ({2: np.nan, 3: np.inf, 4: 1.0}, 1e300, 4),
    ({2: np.nan, 3: np.nan, 4: np.nan}, np.inf, None),
]


@pytest.mark.parametrize(("script", "guard", "used"), SCRIPTS)
def test_above_the_guard_further_messages_are_taken(script, guard, used):
    scheme = Scripted(script)
    decoder = GuardedDecoder(scheme, guard)
    order = [(2, 0), (0, 0), (3, 0), (1, 0)]
    for count, message in enumerate(order, start=1):
        accepted = decoder.arrive(message)
        assert accepted == (count == used)
        assert decoder.order == order[:count]
        assert decoder.exhausted == (count == 4)
        if count == 1:
            assert decoder.amplification == np.inf
        else:
            np.testing.assert_allclose(decoder.amplification, script[count])
            np.testing.assert_allclose(decoder.first_amplification, script[2])
            assert decoder.extra == count - 2
        if accepted:
            arrived = np.isin(np.arange(4), [worker for worker, _ in decoder.order])[:, None]
            expected = scheme.weights(arrived)[[worker for worker, _ in decoder.order], 0]
            np.testing.assert_array_equal(decoder.weights, expected)
            break
    assert (used is None) == (not accepted)
    assert decoder.exhausted == (used in (4, None))


@pytest.mark.parametrize("at_once", [1, 2, 3, 4])
@pytest.mark.parametrize(("script", "guard", "used"), SCRIPTS)
def test_messages_are_taken_together_as_one_by_one(script, guard, used, at_once):
    single, together = (GuardedDecoder(Scripted(script), guard) for _ in range(2))
    order = [(2, 0), (0, 0), (3, 0), (1, 0)]
    for first in range(0, 4, at_once):
        keys = order[first : first + at_once]
        accepted = [single.arrive(key) for key in keys if not (used and len(single.order) >= used)]
        assert together.arrive_all(keys) == (len(accepted), accepted[-1])
        assert together.order == single.order
        assert together.extra == single.extra
        np.testing.assert_array_equal(together.amplification, single.amplification)
        np.testing.assert_array_equal(together.weights, single.weights)
        if accepted[-1]:
            break
    assert (used is None) == (not accepted[-1])


def test_begin_forgets_the_last_iteration():
    decoder = GuardedDecoder(Scripted({2: 10.0, 3: 5.0, 4: 1.0}), 6.0)
    for _ in range(3):
        decoder.begin()
        assert decoder.order == []
        assert (decoder.extra, decoder.amplification) == (0, np.inf)
        assert (decoder.first_amplification, decoder.weights_time) == (np.inf, 0.0)
        assert not decoder.exhausted and not decoder.weights.size
        assert [decoder.arrive((worker, 0)) for worker in (3, 1, 0)] == [False, False, True]
        assert len(decoder.weights) == 3
        assert decoder.extra == 1
        assert decoder.weights_time > 0


def test_what_was_used_is_kept_when_the_next_iteration_begins():
    decoder = GuardedDecoder(Scripted({2: 1.0}), 6.0)
    finish = np.array([[3.0], [1.0], [2.0], [4.0]])
    first = replay(decoder, finish)
    decoder.begin()
    assert first.order == [(1, 0), (2, 0)]


@pytest.mark.parametrize("guard", [2.0, 10.0, 100.0])
def test_lcc_mmc_takes_messages_until_the_amplification_is_small(guard):
    scheme = schemes.create("lcc-mmc", 20, load=5)
    norms = np.random.default_rng(0).random(20)
    decoder = GuardedDecoder(scheme, guard, norms)
    scales = scheme.message_scales(norms)
    waited = 0
    for finish in LAW.sample(np.random.default_rng(1), 20, 20, scheme.work):
        replay(decoder, finish)
        arrived = np.zeros(scheme.expected.shape, dtype=bool)
        amplification = []
        for count, message in enumerate(decoder.order, start=1):
            arrived[message] = True
            if count >= scheme.threshold:
                amplification.append((np.abs(scheme.weights(arrived)) * scales).sum())
        assert decoder.extra == len(amplification) - 1
        np.testing.assert_allclose(decoder.first_amplification, amplification[0])
        np.testing.assert_allclose(decoder.amplification, amplification[-1])
        assert amplification[-1] <= guard
        assert all(each > guard for each in amplification[:-1])
        waited += decoder.extra > 0
    assert 0 < waited <= 20


@pytest.mark.parametrize("name", ["uncoded", "uc-mmc", "lcc", "lcc-mmc"])
@pytest.mark.parametrize("workers", [3, 4, 7, 8, 40])
def test_all_messages_of_equal_blocks_decode_under_the_smallest_guard(name, workers):
    """The smallest --guard must not refuse what amplifies nothing."""
    scheme = schemes.create(name, workers)
    decoder = GuardedDecoder(scheme, guard=1.0)
    replay(decoder, np.arange(1.0, workers * scheme.load + 1).reshape(workers, -1))
    assert decoder.weights.size, decoder.amplification


@pytest.mark.parametrize("name", ["uncoded", "uc-mmc"])
def test_copies_of_unequal_blocks_decode_under_the_smallest_guard(name):
    scheme = schemes.create(name, 4, load=1)
    decoder = GuardedDecoder(scheme, 2.0, np.array([1.0, 2.0, 1.0, 0.0]))
    replay(decoder, np.arange(1.0, 5.0)[:, None])
    assert decoder.weights.size, decoder.amplification


@pytest.mark.parametrize("name", [*FIXED, "lcc-mmc-2"])
@pytest.mark.parametrize(("workers", "blocks"), [(6, 6), (8, 5), (5, 8)])
def test_replay_without_a_guard_is_the_completion_time(name, workers, blocks):
    scheme = small(name, workers, blocks)
    finish = LAW.sample(np.random.default_rng(0), 30, workers, scheme.work)
    decoder = GuardedDecoder(scheme, np.inf)
    ideal = [replay(decoder, each) for each in finish]
    completion = scheme.completion_time(scheme.message_times(finish))
    np.testing.assert_array_equal([each.completion_time for each in ideal], completion)
    for times, each in zip(scheme.message_times(finish), ideal, strict=True):
        instants = [times[message] for message in each.order]
        assert instants == sorted(instants)
        assert instants[-1] == each.completion_time
        assert len(set(each.order)) == len(each.order)


@pytest.mark.parametrize("name", [*FIXED, "lcc-mmc-2"])
def test_replay_of_what_never_becomes_decodable(name):
    scheme = small(name, 6, 6)
    finish = np.full((6, scheme.load), np.inf)
    ideal = replay(GuardedDecoder(scheme, np.inf), finish)
    assert ideal.completion_time == np.inf
    assert ideal.order == []


def test_messages_of_the_same_instant_are_taken_in_the_order_of_the_workers():
    decoder = GuardedDecoder(Scripted({2: 1.0}), np.inf)
    assert replay(decoder, np.ones((4, 1))).order == [(0, 0), (1, 0)]


# Forecast


def test_a_forecast_is_reproducible_and_depends_on_its_seed():
    decoder = GuardedDecoder(schemes.create("lcc-mmc", 20, load=5), 100.0)
    first, again = (forecast(decoder, LAW, samples=20, seed=1) for _ in range(2))
    assert first.samples == again.samples == len(first.amplification) == 20
    np.testing.assert_array_equal(first.amplification, again.amplification)
    np.testing.assert_array_equal(first.extra_messages, again.extra_messages)
    other = forecast(decoder, LAW, samples=20, seed=2)
    assert (other.amplification != first.amplification).any()


def test_a_forecast_that_is_out_of_time_has_one_sample():
    decoder = GuardedDecoder(schemes.create("lcc-mmc", 10, load=5), 100.0)
    assert forecast(decoder, LAW, samples=50, seconds=0.0).samples == 1


@pytest.mark.parametrize("guard", [3.0, 30.0])
def test_a_forecast_agrees_with_replay(guard):
    scheme = schemes.create("lcc-mmc", 20, load=5)
    foretold = forecast(GuardedDecoder(scheme, guard), LAW, samples=300)
    decoder = GuardedDecoder(scheme, guard)
    amplification, extra = [], []
    for finish in LAW.sample(np.random.default_rng(9), 300, 20, scheme.work):
        replay(decoder, finish)
        amplification.append(decoder.first_amplification)
        extra.append(decoder.extra)
    assert foretold.waiting == np.mean(foretold.amplification > guard)
    # two samples of 300: three standard errors of a difference of fractions
    assert abs(foretold.waiting - np.mean(np.array(extra) > 0)) < 3 * np.sqrt(0.5 / 300)
    medians = np.log10([np.median(foretold.amplification), np.median(amplification)])
    assert abs(medians[0] - medians[1]) < 0.2
    assert 0 < foretold.waiting < 1


def test_at_the_default_guard_lcc_mmc_of_40_blocks_seldom_waits():
    decoder = GuardedDecoder(schemes.create("lcc-mmc", 40, load=5), 1e6)
    foretold = forecast(decoder, LAW, samples=300)
    assert foretold.waiting < 0.2
    assert 1 < np.median(foretold.amplification) < 1e6


@pytest.mark.parametrize("ranks", [(13, 14, 13), (19, 12, 9)])
@pytest.mark.parametrize(("name", "load"), [("lcc-mmc", 10), ("lcc", 5)])
def test_a_lost_host_costs_less_than_with_neighbours_side_by_side(name, load, ranks):
    """Any of three hosts that are filled one after the other; a lost one costs a tenth or less."""
    finish = LAW.sample(np.random.default_rng(1), 30, 40, np.arange(1.0, load + 1))
    placed, side_by_side = (schemes.create(name, 40, None, load) for _ in range(2))
    side_by_side.points = placed.points[np.argsort(spread_ranks(40))]
    for host in np.split(np.arange(40), np.cumsum(ranks)[:-1]):
        typical = []
        for scheme in (placed, side_by_side):
            decoder, amplifications = GuardedDecoder(scheme, np.inf), []
            for pattern in finish:
                replay(decoder, pattern, dict.fromkeys(host.tolist(), 0.0))
                amplifications.append(decoder.amplification)
            typical.append(np.median(amplifications))
        assert typical[0] < 0.1 * typical[1]
        assert typical[0] < DEFAULT_GUARDS["float64"]
