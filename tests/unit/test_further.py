"""Weights that are updated for each message while the guard waits, against whole decodes."""

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.codes import circle, further_points, further_rows
from coded_dgd.codes.further import LARGE
from coded_dgd.guard import GuardedDecoder, replay

LAW = delays.create("shifted-exponential:mu=10,alpha=0.01", 0)
UPDATED = [
    # name, workers, load, guard
    ("lcc-mmc", 120, 3, 1e6),
    ("lcc-mmc", 120, 3, 1e2),
    ("lcc-mmc", 100, 10, 1e4),
    ("lcc-mmc-2", 220, 4, 1e6),
    ("lcc", 400, 3, 1e4),
    ("mds-mmc", 200, 3, 1e2),
    ("mds-mmc", 210, 2, 2e1),
]


@pytest.fixture(autouse=True)
def also_somewhat_smaller_ones(monkeypatch):
    monkeypatch.setattr("coded_dgd.schemes._lagrange.LARGE", 150)


def whole(scheme, order, scales):
    """Weights and amplification of a whole decode, in the order of arrival."""
    arrived = np.zeros(scheme.expected.shape, dtype=bool)
    for key in order:
        arrived[key] = True
    weights = scheme.weights(arrived)
    flat = [worker * scheme.messages + message for worker, message in order]
    weights = weights.reshape(*weights.shape[:-2], -1)[..., flat]
    return weights, float(np.max(np.abs(weights) @ scales.ravel()[flat]))


@pytest.mark.parametrize(("name", "workers", "load", "guard"), UPDATED)
def test_updated_weights_are_those_of_a_whole_decode(name, workers, load, guard):
    scheme = schemes.create(name, workers, None, load)
    norms = np.random.default_rng(2).uniform(0.5, 2, scheme.blocks)
    decoder = GuardedDecoder(scheme, guard, norms)
    scales = scheme.message_scales(norms)
    assert scheme.further(scales.ravel(), guard) is not None
    waited = 0
    for finish in LAW.sample(np.random.default_rng(1), 4, workers, scheme.work):
        order = replay(decoder, finish).order
        weights, amplification = whole(scheme, order, scales)
        np.testing.assert_allclose(decoder.amplification, amplification, rtol=1e-8)
        np.testing.assert_allclose(
            decoder.weights, weights, rtol=0, atol=1e-7 * np.abs(weights).max()
        )
        assert amplification <= guard
        if decoder.extra:  # it did not wait for a message too many
            assert whole(scheme, order[:-1], scales)[1] > guard
        waited += decoder.extra
    assert waited > 4


@pytest.mark.parametrize(("name", "workers", "load", "guard"), UPDATED[:5])
def test_updated_weights_of_a_lagrange_code_satisfy_their_constraints(name, workers, load, guard):
    scheme = schemes.create(name, workers, None, load)
    decoder = GuardedDecoder(scheme, guard)
    for finish in LAW.sample(np.random.default_rng(3), 4, workers, scheme.work):
        order = replay(decoder, finish).order
        points = np.array([scheme.points[key] for key in order])
        rows = circle.basis(points, scheme.grid, scheme.nodes)
        wanted = np.append(np.zeros(rows.shape[1] - 1), scheme.nodes)
        residual = np.abs(decoder.weights @ rows - wanted).max()
        assert residual <= 2e-14 * np.abs(decoder.weights).sum()


@pytest.mark.parametrize(("name", "workers", "load", "guard"), UPDATED)
def test_gradients_are_as_accurate_as_with_whole_decodes(name, workers, load, guard):
    rng = np.random.default_rng(4)
    scheme = schemes.create(name, workers, None, load)
    decoder = GuardedDecoder(scheme, guard)
    blocks, theta = rng.standard_normal((scheme.blocks, 2, 4)), rng.standard_normal(4)
    gram = scheme.of_gram_matrix
    true = blocks @ theta if gram else np.einsum("bij,bik,k->j", blocks, blocks, theta)
    held = [scheme.encode(worker, blocks) for worker in range(workers)]
    payloads = {}
    for worker, own in enumerate(held):
        tasks = own @ theta if gram else np.einsum("tij,tik,k->tj", own, own, theta)
        sums = np.add.reduceat(tasks, [0, *scheme.ends(worker)[:-1]])
        payloads.update({(worker, m): each for m, each in enumerate(sums)})
    scales = scheme.message_scales(np.ones(scheme.blocks))
    for finish in LAW.sample(rng, 4, workers, scheme.work):
        order = replay(decoder, finish).order
        arrived = np.array([payloads[key] for key in order])
        errors = [
            np.abs(weights @ arrived - true).max() / np.abs(true).max()
            for weights in (decoder.weights, whole(scheme, order, scales)[0])
        ]
        assert errors[0] <= 3 * errors[1] + 1e-14 * decoder.amplification


@pytest.mark.parametrize("scheme", [("lcc-mmc", 100, 3), ("mds-mmc", 200, 2)])
def test_a_loss_while_the_guard_waits_decides_by_what_has_arrived(scheme):
    name, workers, load = scheme
    scheme = schemes.create(name, workers, None, load)
    decoder = GuardedDecoder(scheme, 3.0)
    order = [(w, m) for m in range(load) for w in range(workers)]
    rng = np.random.default_rng(5)
    rng.shuffle(order)
    for key in order[: scheme.threshold + 5]:
        assert not decoder.arrive(tuple(key))
    before = decoder.amplification
    assert not decoder.lose(order[-1][0])
    assert decoder.amplification == before


def test_points_that_cannot_be_refined_are_decoded_as_a_whole(monkeypatch):
    monkeypatch.setattr(further_points, "ROUNDING", 0.0)
    scheme = schemes.create("lcc-mmc", 100, None, 3)
    scales = scheme.message_scales(np.ones(100))
    decoder = GuardedDecoder(scheme, 1e4)
    order = replay(decoder, LAW.sample(np.random.default_rng(1), 1, 100, scheme.work)[0]).order
    assert decoder.extra
    weights = whole(scheme, order, scales)[0]
    np.testing.assert_allclose(decoder.weights, weights, atol=1e-9 * np.abs(weights).max())


@pytest.mark.parametrize("wrong", ["UPDATABLE", "ROUNDING"])
def test_rows_that_do_not_decode_are_decoded_as_a_whole(wrong, monkeypatch):
    monkeypatch.setattr(further_rows, wrong, 0.0)
    scheme = schemes.create("mds-mmc", 200, None, 3)
    scales = scheme.message_scales(np.ones(200))
    decoder = GuardedDecoder(scheme, 1e2)
    order = replay(decoder, LAW.sample(np.random.default_rng(1), 1, 200, scheme.work)[0]).order
    assert decoder.extra
    weights = whole(scheme, order, scales)[0]
    np.testing.assert_allclose(decoder.weights, weights, atol=1e-9 * np.abs(weights).max())


def test_rows_begin_with_the_weights_of_the_first_set_that_decodes(monkeypatch):
    scheme = schemes.create("mds-mmc", 200, None, 3)
    decoder = GuardedDecoder(scheme, 1e2)
    finish = LAW.sample(np.random.default_rng(1), 1, 200, scheme.work)[0]
    monkeypatch.delattr(further_rows, "decode_weights")
    order = replay(decoder, finish).order
    assert decoder.extra > 1
    weights = whole(scheme, order, scheme.message_scales(np.ones(200)))[0]
    np.testing.assert_allclose(decoder.weights, weights, rtol=0, atol=1e-9 * np.abs(weights).max())


def test_small_codes_are_decoded_anew():
    for name in ("lcc-mmc", "mds-mmc", "gc", "lcc"):
        scheme = schemes.create(name, 40, None, 5)
        assert scheme.further(np.ones(scheme.expected.size), 1e6) is None
    coset = schemes.create("lcc-mmc:early_stop=coset", 2 * LARGE, None, 3)
    assert coset.further(np.ones(coset.expected.size), 1e6) is None


def test_products_by_fourier_transforms_are_those_with_the_basis():
    rng = np.random.default_rng(6)
    for grid, nodes in ((21, 4), (20, 5), (9, 5)):
        points = rng.permutation(grid)[: 2 * nodes - 1]
        rows = circle.basis(points, grid, nodes)
        x, w = rng.standard_normal((2, 2 * nodes - 1))
        every = circle.evaluate(x, grid, nodes)
        np.testing.assert_allclose(every[points], rows @ x, atol=1e-13)
        np.testing.assert_allclose(circle.project(w, points, grid, nodes), w @ rows, atol=1e-13)
