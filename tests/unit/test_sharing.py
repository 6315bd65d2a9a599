"""Who shares blocks with whom, the memory in which they are, and the results from there."""

from math import prod
from pathlib import Path

import numpy as np
import pytest

from coded_dgd import schemes
from coded_dgd.engine.kinds_of_blocks import blocks as blocks_of
from coded_dgd.engine.kinds_of_blocks import forms
from coded_dgd.engine.protocol import Assignment, SharedPlaces
from coded_dgd.engine.shard import Shard
from coded_dgd.engine.shared_blocks import SharedBlocks
from coded_dgd.problems import objectives
from coded_dgd.problems.batches import Batches
from coded_dgd.problems.layout import Layout
from coded_dgd.problems.places import Places
from coded_dgd.problems.sharing import block_bytes, host_groups
from coded_dgd.problems.sparse import SparseRows
from coded_dgd.problems.task_rows import EVERY, TaskRows

HUGE = 1e9
RNG = np.random.default_rng(4)

# Groups


@pytest.mark.parametrize("name", ["uc-mmc", "uc-mmc-pg", "gc", "sgc", "bgc", "erasurehead"])
@pytest.mark.parametrize("hosts", [1, 2, 3])
def test_each_block_of_a_host_is_held_once_and_found_by_number(name, hosts):
    load = {"load": 4} if name in ("uc-mmc", "uc-mmc-pg", "gc") else {}
    scheme = schemes.create(name, 12, **load)
    scheme.fit(1200, lambda blocks: np.ones(blocks))
    held = {worker: scheme.held(worker) for worker in range(12) if scheme.tasks(worker)}
    where = {worker: f"host {worker % hosts}" for worker in held}
    for group in host_groups(where, held, HUGE):
        assert len({where[worker] for worker in group.places}) == 1
        assert group.leader == min(group.places)
        assert len(set(group.blocks.tolist())) == len(group.blocks) <= scheme.blocks
        for worker, places in group.places.items():
            np.testing.assert_array_equal(group.blocks[list(places)], held[worker])
        assert group.saved == sum(map(len, group.places.values())) - len(group.blocks) > 0


def test_any_placement_takes_at_most_all_blocks_once():
    held = {worker: RNG.permutation(40)[:10] for worker in range(40)}
    (group,) = host_groups(dict.fromkeys(held, "here"), held, HUGE)
    assert len(group.blocks) <= 40
    every = {worker: RNG.permutation(40) for worker in range(40)}
    (group,) = host_groups(dict.fromkeys(every, "here"), every, HUGE)
    np.testing.assert_array_equal(group.blocks, np.arange(40))
    assert group.part == 1


def test_nobody_shares_what_is_small_or_elsewhere_or_held_once():
    held = {worker: np.array([0, 1]) for worker in range(3)}
    here = dict.fromkeys(held, "here")
    assert len(host_groups(here, held, 1 << 18)) == 1
    assert host_groups(here, held, 1 << 17) == []
    assert host_groups({0: "a", 1: "b", 2: ""}, held, HUGE) == []
    assert host_groups(here, {worker: np.array([worker]) for worker in range(3)}, HUGE) == []


# Places


def test_circularly_shifted_copies_have_one_break():
    places = Places([6, 7, 0, 1])
    assert places.of(0, 2) == slice(6, 8)
    assert places.of(2, 4) == slice(0, 2)
    assert places.of(1, 2) == slice(7, 8)
    np.testing.assert_array_equal(places.of(1, 3), [7, 0])


@pytest.mark.parametrize("rows", [EVERY, np.array([0, 4, 5, 11])])
def test_rows_keep_their_order_wherever_the_blocks_are(rows):
    X, y, order = RNG.standard_normal((9, 4, 2)), RNG.standard_normal((9, 4)), [6, 2, 3, 0]
    places = Places(order)
    for first, last in ((0, 3), (1, 4)):
        taken, labels, weights = places.taken([X, y, None], first, last, rows)
        np.testing.assert_array_equal(taken, X[order[first:last]].reshape(-1, 2)[rows])
        np.testing.assert_array_equal(labels, y[order[first:last]].ravel()[rows])
        assert weights is None
    assert np.shares_memory(places.taken([X], 1, 3, EVERY)[0], X)
    assert np.shares_memory(places.taken([X], 3, 4, slice(2))[0], X)


# Memory


HEIGHT, FEATURES = 4, 3
BLOCKS = 5
PLACES = (3, 4, 0, 2)
X = RNG.standard_normal((BLOCKS, HEIGHT, FEATURES))
X[RNG.random(X.shape) < 0.4] = 0
Y = RNG.standard_normal((BLOCKS, HEIGHT))
BOUNDS = [(0, 4), (4, 7), (7, 11), (11, 15), (15, 18)]
X[[1, 4], 3] = Y[[1, 4], 3] = 0  # padding
ENTRIES = np.count_nonzero(X, axis=(1, 2))
BATCHES = Batches(18, 9, 0)


def assignment(kernel="products", dtype="float64", weights=False, batch=False, **shared):
    """The assignment of a worker that shares blocks, or has copies of them (`shared` is empty)."""
    coming = range(BLOCKS) if shared else PLACES
    if shared:
        shared = {"shared": SharedPlaces(**({"blocks": BLOCKS, "places": PLACES} | shared))}
    return Assignment(
        code_id=0, replaces=None, worker=0, tasks=4, height=HEIGHT, columns=FEATURES,
        layout=Layout(FEATURES, dtype=dtype), own=None, labels=True, ends=(4,),
        coefficients=None, unit=1.0, product=False, objective="least-squares", delay="none",
        seed=0, weights=weights, kernel=kernel,
        rows=tuple(BOUNDS[place] for place in PLACES),
        batch=(BATCHES.rows, BATCHES.size) if batch else None,
        entries=tuple(ENTRIES[list(coming)].tolist()) if kernel == "sparse" else None, **shared,
    )  # fmt: skip


def sparse(X):
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(X.reshape(-1, FEATURES), axis=1))])
    columns = np.nonzero(X.reshape(-1, FEATURES))[1].astype(np.int32)
    return SparseRows(starts, columns, X[X != 0], len(X), FEATURES)


def load(into, given, coming, weighted=False):
    """Load in two windows."""
    y = np.stack([Y, Y**2], axis=1) if weighted else Y
    for rows in (slice(0, 3), slice(3, 4)):
        window = X[coming][:, rows].astype(given.layout.dtype)
        own = y[coming][..., rows].astype(given.layout.dtype)
        into.load(rows.start, sparse(window) if given.kernel == "sparse" else window, own)


def results(shard, first, last, beta):
    """The sum of the results of tasks in a message of their own."""
    message = shard.new_message()
    shard.add(message, first, last, beta)
    return message[len(shard.report(message)) :]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("kernel", "weights", "batch"),
    [
        ("products", False, False),
        ("products", True, False),
        ("products", True, True),
        ("gram", False, False),
        ("sparse", False, False),
        ("sparse", True, False),
        ("sparse", True, True),
    ],
)
def test_results_have_the_same_bits_as_from_copies(kernel, weights, batch, dtype):
    kinds = {"kernel": kernel, "dtype": dtype, "weights": weights, "batch": batch}
    first = assignment(**kinds, token=77)
    made = SharedBlocks.open(first.shared, forms(first))
    leader = Shard(first, shared=made)
    load(leader, first, list(range(BLOCKS)), weights)
    second = assignment(**kinds, token=77, path=made.path)
    follower = Shard(second, shared=SharedBlocks.open(second.shared, forms(second)))
    copies, failed = Shard(assignment(**kinds)), Shard(first)
    load(copies, copies.assignment, list(PLACES), weights)
    load(failed, first, list(range(BLOCKS)), weights)
    beta = RNG.standard_normal(FEATURES).astype(dtype)
    # products with small Gram matrices of older numpy depend on how the memory is aligned
    rounding = 8 * float(np.finfo(dtype).eps) if kernel == "gram" else 0.0
    for shard in (leader, follower, copies, failed):
        shard._rows.chosen = shard.draw(3).batch
    for begin in range(4):
        for end in range(begin + 1, 5):
            expected = results(copies, begin, end, beta)
            loss = copies.blocks.loss(begin, end, beta, None)
            assert expected.dtype == dtype
            for shard in (leader, follower, failed):
                found = results(shard, begin, end, beta)
                np.testing.assert_allclose(found, expected, rtol=rounding)
                found = shard.blocks.loss(begin, end, beta, None)
                assert found == pytest.approx(loss, rel=rounding, abs=0)


@pytest.mark.parametrize("shared", [False, True])
def test_rows_that_are_kept_are_views_and_leave_batches_as_they_are(shared):
    """They are of data that are loaded later, too."""
    given = assignment(batch=True, **({"token": 77} if shared else {}))
    made = SharedBlocks.open(given.shared, forms(given)) if shared else None
    shard = Shard(given, shared=made)
    beta = RNG.standard_normal(FEATURES)
    tasks = [(0, 1), (0, 2), (1, 3), (2, 4)]
    assert not any(shard.blocks.result(*each, beta, None).any() for each in tasks)
    load(shard, given, list(range(BLOCKS) if shared else PLACES))
    whole = [shard.blocks.result(*each, beta, None) for each in tasks]
    shard._rows.chosen = shard.draw(3).batch
    some = [shard.blocks.result(*each, beta, None) for each in tasks]
    for (first, last), of_all, of_batch in zip(tasks, whole, some, strict=True):
        expected = np.zeros((2, FEATURES))
        for task in range(first, last):
            x, y, taken = X[PLACES[task]], Y[PLACES[task]], shard._rows.chosen[task]
            expected += x.T @ (x @ beta - y), x[taken].T @ (x[taken] @ beta - y[taken])
        np.testing.assert_allclose([of_all, of_batch], expected, atol=1e-12)
    kept = {(0, 1), (0, 2), *(() if shared else ((1, 3), (2, 4)))}
    assert {key[:2] for key in shard.blocks._views} == kept, "copies are not kept"


@pytest.mark.parametrize("kernel", ["products", "gram", "sparse"])
def test_the_memory_is_of_the_predicted_size_and_vanishes(kernel):
    first = assignment(kernel, token=77)
    made = SharedBlocks.open(first.shared, forms(first))
    path = Path(made.path)
    exact = sum(prod(shape) * np.dtype(dtype).itemsize for shape, dtype in forms(first))
    assert exact <= path.stat().st_size <= exact + 64 * len(made.arrays) + 8
    density = ENTRIES.sum() / X.size
    predicted = BLOCKS * block_bytes(kernel, HEIGHT, FEATURES, 1, 8, density)
    assert predicted == pytest.approx(exact, abs=8 * BLOCKS)  # ||y||^2, the last start of rows
    second = assignment(kernel, token=77, path=made.path)
    mapped = SharedBlocks.open(second.shared, forms(second))
    del made
    assert not any(each.flags.writeable for each in mapped.arrays)
    assert not path.exists()


def test_tasks_of_consecutive_blocks_are_not_copied():
    """Not even by scipy, which copies small slices of an array."""
    given = assignment("sparse", token=77)
    made = SharedBlocks.open(given.shared, forms(given))
    held = blocks_of(given, made.arrays, objectives.create("least-squares"), TaskRows(HEIGHT))
    load(held, given, list(range(BLOCKS)))
    _, columns, values, _ = made.arrays
    for first, last in ((0, 1), (0, 2), (2, 3)):
        part = held._part(first, last, EVERY)
        for matrix in (part.X, part.transposed):
            assert np.shares_memory(matrix.data, values)
            assert np.shares_memory(matrix.indices, columns)
    held._part(1, 4, EVERY)
    assert set(held._parts) == {(0, 1), (0, 2), (2, 3)}, "copies are not kept"


@pytest.mark.parametrize("kernel", ["products", "gram", "sparse"])
@pytest.mark.parametrize(
    "wrong", [{"token": 78}, {"path": "/proc/self/fd/9999"}, {"dtype": "float32"}]
)
def test_other_memory_is_refused(wrong, kernel):
    given = assignment(kernel, token=77)
    made = SharedBlocks.open(given.shared, forms(given))
    other = assignment(kernel, **({"token": 77, "path": made.path} | wrong))
    with pytest.raises(OSError):
        SharedBlocks.open(other.shared, forms(other))
