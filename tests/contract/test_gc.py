"""Gradient coding: any s stragglers, and the certificate that every decode carries."""

import re
from itertools import combinations

import numpy as np
import pytest

from coded_dgd import schemes
from coded_dgd.codes import cyclic
from coded_dgd.errors import Infeasible
from coded_dgd.guard import GuardedDecoder, replay
from coded_dgd.problems import objectives
from coded_dgd.schemes import gc

SMALL = [(n, s) for n in range(1, 9) for s in range(n)]
BY_REPETITION, CYCLIC = 1e-9, 1e-6  # largest error, relative to the gradient


class Run:
    """The messages of every worker for random blocks, and the gradient."""

    def __init__(self, scheme, features=6):
        rng = np.random.default_rng(scheme.workers)
        X = rng.standard_normal((scheme.blocks, 2, features))
        y = rng.standard_normal((scheme.blocks, 2))
        beta = rng.standard_normal(features)
        gradient = objectives.create("least-squares").gradient
        self.exact = sum(gradient(a, b, beta, None) for a, b in zip(X, y, strict=True))
        self.sent = np.zeros((scheme.workers, 1, features))
        for worker in range(scheme.workers):
            held = zip(scheme.encode(worker, X), scheme.encode(worker, y), strict=True)
            tasks = [gradient(a, b, beta, None) for a, b in held]
            self.sent[worker, 0] = scheme.coefficients(worker) @ tasks

    def error(self, weights):
        decoded = np.tensordot(weights, self.sent, 2)
        return np.linalg.norm(decoded - self.exact) / np.linalg.norm(self.exact)


def answered(scheme, missing):
    arrived = np.ones((scheme.workers, 1), dtype=bool)
    arrived[list(missing)] = False
    return arrived


@pytest.mark.parametrize(("n", "s"), SMALL)
def test_any_s_stragglers_are_tolerated_and_no_more(n, s):
    scheme = schemes.create("gc", n, load=s + 1)
    assert scheme.repetition == (n % (s + 1) == 0)
    assert scheme.threshold == n - s
    run = Run(scheme)
    bound = BY_REPETITION if scheme.repetition else CYCLIC
    for fewer in range(s + 1):
        for missing in combinations(range(n), fewer):
            arrived = answered(scheme, missing)
            assert scheme.is_decodable(arrived)
            assert run.error(scheme.weights(arrived)) <= bound, missing
    for missing in combinations(range(n), s + 1):
        assert not scheme.is_decodable(answered(scheme, missing))


@pytest.mark.parametrize(("n", "s"), SMALL)
def test_every_worker_holds_r_blocks_and_every_block_has_r_copies(n, s):
    scheme = schemes.create("gc", n, load=s + 1)
    held = [scheme.held(worker) for worker in range(n)]
    assert all(len(each) == s + 1 for each in held)
    np.testing.assert_array_equal(np.bincount(np.concatenate(held), minlength=n), s + 1)
    assert all(scheme.ends(worker) == (s + 1,) for worker in range(n))


@pytest.mark.parametrize("s", [4, 5, 9, 18, 19])
@pytest.mark.parametrize("order", ["code", "rank"])
def test_neighbouring_stragglers_of_40_are_tolerated(s, order):
    scheme = schemes.create("gc", 40, load=s + 1)
    run = Run(scheme)
    if order == "code":  # neighbours in the code: they hold almost the same blocks
        first = [np.flatnonzero(row & ~np.roll(row, 1))[0] for row in scheme.B != 0]
        ranks = np.argsort(first, kind="stable")
    else:
        ranks = np.arange(40)
    bound = BY_REPETITION if scheme.repetition else CYCLIC
    decoder = GuardedDecoder(scheme, 1e6)
    for start in range(40):
        missing = ranks[(start + np.arange(s)) % 40]
        finish = np.where(np.isin(np.arange(40), missing), np.inf, 1.0)[:, None]
        ideal = replay(decoder, np.repeat(finish, s + 1, axis=1))
        assert ideal.completion_time == 1.0, (start, decoder.amplification)
        weights = np.zeros((40, 1))
        weights[tuple(np.array(decoder.order).T)] = decoder.weights
        assert run.error(weights) <= bound


@pytest.mark.parametrize(("n", "r"), [(40, 6), (40, 7), (41, 3), (12, 5)])
def test_neighbouring_ranks_are_no_neighbours_in_a_cyclic_code(n, r):
    support = schemes.create("gc", n, load=r).B != 0
    first = np.array([np.flatnonzero(row & ~np.roll(row, 1))[0] for row in support])
    assert sorted(first) == list(range(n))
    step = np.diff(first) % n
    assert np.minimum(step, n - step).min() >= n // 4


# The certificate


def test_a_tampered_code_gives_no_weights_and_the_decoder_takes_further_messages():
    scheme = schemes.create("gc", 7, load=3)
    first = scheme.held(0)[0]
    scheme.B[0, first] += 1.0
    decoder = GuardedDecoder(scheme, 1e300)
    for count, worker in enumerate([0, 1, 2, 3, 4], start=1):
        assert not decoder.arrive((worker, 0))
        assert scheme.is_decodable(decoder._ages == 0) == (count == 5)
    weights = scheme.weights(decoder._ages == 0)
    assert np.isnan(weights[:5]).all()
    assert not weights[5:].any()
    assert decoder.arrive((5, 0))  # five good ones
    assert decoder.extra == 1
    run = Run(scheme)
    np.testing.assert_allclose(decoder.weights @ run.sent[:6, 0], run.exact, rtol=1e-9)


@pytest.mark.parametrize(("change", "accepted"), [(1e-13, True), (1e-7, False), (1e-3, False)])
def test_a_residual_above_the_certificate_is_refused(change, accepted):
    scheme = schemes.create("gc", 9, load=2)
    scheme.B[3, scheme.held(3)[0]] *= 1 + change
    arrived = answered(scheme, [7])
    assert np.isfinite(scheme.weights(arrived)).all() == accepted


def test_a_system_of_the_stragglers_is_enough(monkeypatch):
    """Least squares over all that have answered is for codes that are nearly of lower rank."""
    monkeypatch.setattr(gc, "decode_weights", None)
    for n, load in [(7, 3), (40, 3), (40, 6), (41, 12)]:
        scheme = schemes.create("gc", n, load=load)
        rng = np.random.default_rng(0)
        for _ in range(10):
            weights = scheme.weights(answered(scheme, rng.permutation(n)[: load - 1]))
            np.testing.assert_allclose(weights[:, 0] @ scheme.B, 1, rtol=1e-10)


def test_messages_that_do_not_decode_at_all_are_refused():
    scheme = schemes.create("gc", 7, load=3)
    assert np.isnan(scheme.weights(answered(scheme, [0, 1, 2]))[3:]).all()


def test_copies_are_not_amplified_and_cyclic_codes_may_be():
    assert not schemes.create("gc", 40, load=10).amplifies
    assert schemes.create("gc", 40, load=7).amplifies
    scheme = schemes.create("gc", 12, load=4)
    for missing in combinations(range(12), 3):
        weights = scheme.weights(answered(scheme, missing))
        assert set(weights.ravel()) <= {0.0, 1.0}
        assert weights.sum() == 3


# Sizes


@pytest.mark.parametrize(("workers", "blocks"), [(4, 5), (5, 4), (40, 80), (1, 2)])
def test_as_many_blocks_as_workers(workers, blocks):
    with pytest.raises(Infeasible, match="needs as many blocks as workers") as caught:
        schemes.create("gc", workers, blocks)
    mend = re.search(r"use --blocks (\d+) or leave it out", str(caught.value))
    assert schemes.create("gc", workers, int(mend[1])).blocks == workers
    assert schemes.create("gc", workers).blocks == workers


@pytest.mark.parametrize(("n", "s"), [(250, 2), (300, 5)])
def test_many_workers_have_a_code_at_once_and_it_decodes(n, s, monkeypatch):
    """Choosing between codes took hours for a thousand workers."""

    def decode(_):
        raise AssertionError("codes are compared")

    monkeypatch.setattr(cyclic, "worst", decode)
    B = cyclic.cyclic_code(n, s)
    rng = np.random.default_rng(0)
    for _ in range(5):
        answered = np.sort(rng.choice(n, n - s, replace=False))
        weights, residual = cyclic.decode_weights(B[answered])
        assert residual < 1e-10
        assert np.abs(weights).max() < 1e5
