"""Codes without a circle: gradient codes, repetition, MDS, and assignments of copies."""

import re
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coded_dgd.codes.assignment import balanced_design, proportional_copies, random_assignment
from coded_dgd.codes.circle import spread_ranks
from coded_dgd.codes.cyclic import (
    cyclic_code,
    decode_weights,
    mds_code,
    random_code,
    solutions,
    vanishing,
)
from coded_dgd.codes.mds import decode_weights as mds_weights
from coded_dgd.codes.mds import orthogonal_rows
from coded_dgd.codes.repetition import groups
from coded_dgd.errors import Infeasible
from coded_dgd.schemes.gc import CERTIFICATE

# Cyclic gradient codes


SMALL = [(n, s) for n in range(1, 9) for s in range(n)]
MDS = [(n, s) for n, s in SMALL if (n - s) % 2]


def assert_cyclic_support(B, s):
    n = len(B)
    for row, worker in zip(B, range(n), strict=True):
        expected = np.isin(np.arange(n), (worker + np.arange(s + 1)) % n)
        np.testing.assert_array_equal(row != 0, expected)


def assert_every_set_decodes(B, s, largest_residual=1e-11):
    """The ones are in the span of any n - s rows, found from the rows alone."""
    n = len(B)
    for answered in combinations(range(n), n - s):
        rows = B[list(answered)]
        weights, residual = decode_weights(rows)
        assert residual == np.abs(weights @ rows - 1).max()
        assert residual <= largest_residual, answered
        assert np.linalg.matrix_rank(np.vstack([rows, np.ones(n)])) == np.linalg.matrix_rank(rows)


@pytest.mark.parametrize(("n", "s"), SMALL)
def test_any_n_minus_s_rows_of_a_cyclic_code_decode(n, s):
    B = cyclic_code(n, s)
    assert_cyclic_support(B, s)
    assert_every_set_decodes(B, s)
    np.testing.assert_array_equal(cyclic_code(n, s), B)


@pytest.mark.parametrize(("n", "s"), SMALL)
def test_any_n_minus_s_rows_of_a_random_code_decode(n, s):
    B = random_code(n, s, np.random.default_rng(0))
    assert_cyclic_support(B, s)
    assert_every_set_decodes(B, s, CERTIFICATE)


@pytest.mark.parametrize(("n", "s"), MDS)
def test_mds_codes_are_real_circulant_and_decode(n, s):
    B = mds_code(n, s)
    assert B.dtype == np.float64
    assert_cyclic_support(B, s)
    assert_every_set_decodes(B, s)
    for shift in range(n):
        np.testing.assert_array_equal(B[shift], np.roll(B[0], shift))


@pytest.mark.parametrize(("n", "s"), [(n, s) for n, s in SMALL if (n - s) % 2 == 0])
def test_there_is_no_real_mds_code_for_even_n_minus_s(n, s):
    with pytest.raises(ValueError, match=f"n - s = {n - s} has to be odd"):
        mds_code(n, s)


@pytest.mark.parametrize(("n", "s"), [(40, 1), (40, 3), (40, 5), (39, 2), (39, 4), (100, 3)])
def test_rows_of_a_large_mds_code_are_in_the_code(n, s):
    B = mds_code(n, s)
    assert_cyclic_support(B, s)
    # the spectrum of the circulant vanishes at s frequencies around n / 2, and not at 0
    spectrum = np.abs(np.fft.fft(B[0]))
    zeros = np.arange((n - s + 1) // 2, (n + s + 1) // 2)
    np.testing.assert_allclose(spectrum[zeros], 0, atol=1e-12)
    assert np.delete(spectrum, zeros).min() > 1e-6
    assert np.linalg.matrix_rank(B) == n - s


@pytest.mark.parametrize("s", [4, 5, 9, 19])
@pytest.mark.parametrize("order", ["code", "rank"])
def test_neighbouring_stragglers_of_40_decode(s, order):
    """The worst case of a cyclic code, s neighbours; strides are how neighbours in rank lie."""
    B = cyclic_code(40, s)
    if order == "rank":
        B = B[spread_ranks(40)]
    gradients = np.random.default_rng(0).standard_normal((40, 6))
    total = gradients.sum(axis=0)
    for first in range(40):
        answered = np.ones(40, dtype=bool)
        answered[(first + np.arange(s)) % 40] = False
        weights, residual = decode_weights(B[answered])
        error = np.linalg.norm(weights @ (B[answered] @ gradients) - total) / np.linalg.norm(total)
        assert error <= 1e-6, (first, residual)


@pytest.mark.parametrize(("n", "s"), [(7, 2), (12, 7), (20, 10), (40, 2), (41, 3), (41, 6)])
def test_weights_without_the_missing_are_the_shortest_that_there_are(n, s):
    B = cyclic_code(n, s)
    every = solutions(B, s)
    np.testing.assert_allclose(every.null.T @ B, 0, atol=1e-12)
    rng = np.random.default_rng(0)
    for count in (*range(s + 1), *[s] * 20):
        missing = rng.permutation(n)[:count]
        answered = np.delete(np.arange(n), missing)
        expected, _ = decode_weights(B[answered])
        weights = vanishing(every, missing)
        assert not weights[missing].any()
        scale = np.abs(expected).sum()
        np.testing.assert_allclose(weights[answered], expected, atol=1e-12 * scale**2)
        assert np.abs(weights @ B - 1).max() <= 1e-13 * scale


def test_the_residual_tells_what_does_not_decode():
    weights, residual = decode_weights(cyclic_code(7, 2)[:4])  # one too few
    assert residual > 0.01
    assert len(weights) == 4


# Repetition


@pytest.mark.parametrize(("workers", "copies"), [(1, 1), (6, 2), (6, 3), (40, 10), (40, 1), (5, 5)])
def test_groups(workers, copies):
    group = groups(workers, copies)
    assert np.bincount(group).tolist() == [copies] * (workers // copies)
    if workers // copies > 1:
        assert (np.diff(group) != 0).all()


# MDS


@pytest.mark.parametrize("blocks", [1, 2, 5, 40])
def test_orthogonal_rows(blocks):
    slices = orthogonal_rows(blocks, 4)
    assert slices.shape == (4, blocks, blocks)
    np.testing.assert_array_equal(slices[0], np.eye(blocks))
    for each in slices:
        np.testing.assert_allclose(each @ each.T, np.eye(blocks), atol=1e-13)
    np.testing.assert_array_equal(orthogonal_rows(blocks, 4), slices)
    if blocks > 1:
        assert (orthogonal_rows(blocks, 4, seed=1)[1] != slices[1]).any()


def test_any_rows_of_an_mds_code_are_invertible():
    rows = orthogonal_rows(3, 3).reshape(9, 3)
    for some in combinations(range(9), 3):
        assert np.linalg.cond(rows[list(some)]) < 1e4


def arrivals(blocks, copies, plain, rng):
    """Indices of rows of a code that have arrived, in some order: so many blocks as they are."""
    coded = blocks + rng.permutation(blocks * (copies - 1))[: blocks - plain]
    return rng.permutation(np.concatenate([rng.permutation(blocks)[:plain], coded]))


@pytest.mark.parametrize("plain", [0, 1, 11, 20, 38, 39, 40])
def test_blocks_come_back_whichever_of_them_are_plain(plain):
    rng = np.random.default_rng(plain)
    every = orthogonal_rows(40, 3).reshape(120, 40)
    indices = arrivals(40, 3, plain, rng)
    rows = every[indices]
    weights = mds_weights(rows, indices)
    np.testing.assert_allclose(weights, np.linalg.inv(rows), rtol=1e-9, atol=1e-9)
    scale = np.abs(weights).sum(axis=1).max()
    assert np.abs(weights @ rows - np.eye(40)).max() <= 1e-14 * scale
    known = indices[indices < 40]
    np.testing.assert_array_equal(weights[known], indices == known[:, None])


def test_more_rows_than_blocks_give_the_shortest_weights():
    every = orthogonal_rows(8, 3).reshape(24, 8)
    indices = np.random.default_rng(0).permutation(24)[:13]
    rows = every[indices]
    np.testing.assert_allclose(mds_weights(rows, indices), np.linalg.pinv(rows), atol=1e-12)


@pytest.mark.parametrize("indices", [[1, 4, 5], [1, 4, 5, 6]])
def test_rows_that_are_no_code_give_no_weights(indices):
    rows = np.zeros((len(indices), 3))
    rows[0, 1] = 1
    assert np.isnan(mds_weights(rows, np.array(indices))).all()


# Numbers of copies


def check_copies(norms, redundancy, workers):
    copies = proportional_copies(norms, redundancy, workers)
    assert copies.shape == norms.shape
    assert copies.dtype.kind == "i"
    assert copies.sum() == round(len(norms) * redundancy)
    assert copies.min() >= 1
    assert copies.max() <= workers
    order = np.argsort(norms, kind="stable")
    steps = np.diff(copies[order])
    assert (steps[np.diff(norms[order]) > 1e-6 * norms.max()] >= 0).all()  # more norm, no fewer
    return copies


workers_and_redundancy = st.integers(1, 50).flatmap(
    lambda n: st.tuples(st.just(n), st.floats(1, n))
)


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=60), workers_and_redundancy)
def test_copies_are_proportional_to_the_squared_norm(norms, drawn):
    workers, redundancy = drawn
    norms = np.array(norms)
    copies = check_copies(norms, redundancy, workers)
    # one sigma has |d_i - sigma w_i| < 1 for all that are not clipped to 1..n
    low = max(((copies - 1) / norms)[copies > 1], default=0)
    high = min(((copies + 1) / norms)[copies < workers], default=np.inf)
    assert low <= high * (1 + 1e-6)


@given(
    st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.0, 5.0]), min_size=1, max_size=30),
    workers_and_redundancy,
)
def test_copies_of_rows_of_zeros(norms, drawn):
    workers, redundancy = drawn
    norms = np.array(norms)
    copies = check_copies(norms, redundancy, workers)
    zeros = copies[norms == 0]
    if norms.any() and zeros.size and zeros.max() > 1:  # only what nobody else can take
        assert (copies[norms > 0] == workers).all()
    if zeros.size and (copies[norms > 0] == workers).all():
        assert zeros.max() - zeros.min() <= 1


@given(st.lists(st.floats(-200, 200), min_size=1, max_size=20), workers_and_redundancy)
def test_copies_of_rows_of_extreme_norms(exponents, drawn):
    workers, redundancy = drawn
    check_copies(10.0 ** np.array(exponents), redundancy, workers)


def test_copies_at_the_edges():
    norms = np.array([1e30, 1.0, 1.0, 1e-30, 0.0])
    assert proportional_copies(norms, 1, 7).tolist() == [1] * 5
    assert proportional_copies(norms, 7, 7).tolist() == [7] * 5
    assert proportional_copies(norms, 2.2, 7).tolist() == [7, 1, 1, 1, 1]
    assert proportional_copies(np.full(6, 3.0), 2, 9).tolist() == [2] * 6
    assert proportional_copies(np.zeros(4), 1.5, 9).tolist() == [2, 2, 1, 1]
    assert proportional_copies(np.array([1.0, 2.0, 3.0]), 2, 9).tolist() == [1, 2, 3]
    largest_remainder = proportional_copies(np.array([1.2, 1.4, 1.9, 1.5]), 1.5, 9)
    assert largest_remainder.tolist() == [1, 1, 2, 2]
    assert proportional_copies(np.ones(1), 3, 9).tolist() == [3]


def test_copies_of_the_set_up_of_the_paper():
    """m = 1000, l = 100, n = 100, d = 2: about 92 % of the d_i are 2."""
    shares = []
    for seed in range(10):
        X = np.random.default_rng(seed).standard_normal((1000, 100))
        copies = check_copies((X**2).sum(axis=1), 2, 100)
        assert set(copies) <= {1, 2, 3}
        shares.append(np.mean(copies == 2))
    assert np.mean(shares) == pytest.approx(0.92, abs=0.02)


# Random assignment


@given(st.lists(st.integers(1, 7), min_size=1, max_size=20), st.integers(0, 99))
def test_a_random_assignment_gives_each_vector_to_distinct_workers(copies, seed):
    held = random_assignment(np.array(copies), 7, np.random.default_rng(seed))
    assert len(held) == 7
    for vectors in held:
        assert (np.diff(vectors) > 0).all()
    every = np.concatenate(held).astype(int)
    np.testing.assert_array_equal(np.bincount(every, minlength=len(copies)), copies)


def test_a_random_assignment_is_uniform():
    """Every set of d workers is as likely as any other: chi-square at a level of 0.1 %."""
    workers, delay_streams = 5, 4000
    sets = list(combinations(range(workers), 2))
    held = random_assignment(np.full(delay_streams, 2), workers, np.random.default_rng(0))
    matrix = np.zeros((delay_streams, workers), dtype=bool)
    for worker, vectors in enumerate(held):
        matrix[vectors, worker] = True
    counts = np.array([matrix[:, list(some)].all(axis=1).sum() for some in sets])
    assert counts.sum() == delay_streams
    expected = delay_streams / len(sets)
    assert ((counts - expected) ** 2 / expected).sum() < 27.9  # 9 degrees of freedom
    # and vectors are independent: two of them meet on d^2 / n workers on average
    meetings = (matrix[::2] & matrix[1::2]).sum(axis=1)
    assert abs(meetings.mean() - 4 / workers) < 4 * meetings.std() / np.sqrt(delay_streams / 2)


def test_a_random_assignment_depends_on_its_generator_only():
    copies = np.array([2, 3, 1, 4])
    drawn = [random_assignment(copies, 6, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert all((a == b).all() for a, b in zip(drawn[0], drawn[1], strict=True))
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(drawn[0], drawn[2], strict=True))


# Balanced designs


FAMILIES = [
    *((vectors, n, n) for n in (1, 2, 3, 6, 10) for vectors in (1, 2, n, 3 * n)),
    *((1, 10, d) for d in range(1, 11)),
    *((vectors, n, n // 2) for n in (2, 4, 8, 16, 64) for vectors in {1, 2, n // 2, n - 1} - {n}),
    *((vectors, q * q, q) for q in (2, 3, 5, 7, 11) for vectors in (1, 2, q, q + 1)),
]


@pytest.mark.parametrize(("vectors", "workers", "copies"), FAMILIES)
def test_every_pair_of_a_balanced_design_meets_on_d_squared_over_n_workers(
    vectors, workers, copies
):
    if vectors > workers - 1 and copies != workers and vectors > 1:
        pytest.skip("more than there can be")
    design = balanced_design(vectors, workers, copies)
    assert design.shape == (vectors, workers)
    assert design.dtype == bool
    meetings = design.astype(int) @ design.T.astype(int)
    assert (meetings.diagonal() == copies).all()
    apart = meetings[~np.eye(vectors, dtype=bool)]
    np.testing.assert_array_equal(apart * workers, copies**2)


def test_designs_that_are_not_known_are_refused_with_numbers_that_work():
    refused = 0
    for vectors, workers, copies in product(range(1, 12), range(1, 18), range(1, 18)):
        if copies > workers:
            continue
        try:
            design = balanced_design(vectors, workers, copies).astype(int)
        except Infeasible as refusal:
            text = str(refusal)
            mend = re.search(r"use (\d+) workers with --redundancy (\d+), --redundancy (\d+)", text)
            assert mend, text
            balanced_design(vectors, int(mend[1]), int(mend[2]))
            balanced_design(vectors, workers, int(mend[3]))
            assert "fewer --blocks, or --assignment random" in text
            balanced_design(1, workers, copies)
            refused += 1
        else:
            meetings = (design @ design.T)[~np.eye(vectors, dtype=bool)]
            assert (meetings * workers == copies**2).all()
    assert refused > 100


def test_a_design_of_a_composite_square_is_not_taken_for_a_plane():
    with pytest.raises(Infeasible):
        balanced_design(5, 36, 6)
    with pytest.raises(Infeasible):
        balanced_design(8, 81, 9)
