"""Batches: of exact size, uniform, and the same for every partition of the rows."""

import numpy as np
import pytest

from coded_dgd.errors import UsageError
from coded_dgd.problems import batches
from coded_dgd.problems.batches import Batches
from coded_dgd.problems.partition import Partition


def members(drawn, iteration):
    [rows] = drawn.chosen(iteration, [(0, drawn.rows)])
    return rows


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 64, 65, 1000, 4097])
def test_a_batch_has_its_size_and_no_row_twice(rows):
    for size in {1, rows // 3 or 1, rows - 1 or 1, rows}:
        drawn = Batches(rows, size, seed=3)
        for iteration in range(3):
            found = members(drawn, iteration)
            assert len(found) == size
            assert (np.diff(found) > 0).all()
            assert 0 <= found[0] <= found[-1] < rows


@pytest.mark.parametrize("blocks", [1, 6, 40, 53, 60])
def test_the_batch_does_not_depend_on_the_blocks(blocks):
    drawn, partition = Batches(53, 17, seed=1), Partition(53, blocks)
    bounds = [partition.bounds(block) for block in range(blocks)]
    for iteration in (0, 1, 10**9):
        whole = members(drawn, iteration)
        parts = drawn.chosen(iteration, bounds)
        found = [first + part for (first, _), part in zip(bounds, parts, strict=True)]
        np.testing.assert_array_equal(np.concatenate(found), whole)
        again = drawn.chosen(iteration, [*bounds[::-1], bounds[0]])
        np.testing.assert_array_equal(again[-1], again[blocks - 1])
    assert drawn.chosen(0, []) == []


def test_batches_are_the_same_on_every_machine():
    """Of checkpoints, too: another answer would make resumed runs differ."""
    assert members(Batches(1000, 5, seed=0), 0).tolist() == [416, 515, 607, 780, 972]
    assert members(Batches(100, 4, seed=2**70), 123).tolist() == [10, 25, 58, 86]


def test_seeds_and_iterations_have_other_batches():
    found = {
        tuple(members(Batches(1000, 30, seed), iteration).tolist())
        for seed in range(5)
        for iteration in range(5)
    }
    assert len(found) == 25


@pytest.mark.parametrize(("rows", "size"), [(9, 4), (31, 7), (100, 10)])
def test_rows_and_pairs_are_drawn_uniformly(rows, size):
    """Chi-square over iterations, at 5 standard deviations."""
    iterations = 3000
    drawn = Batches(rows, size, seed=5)
    belongs = np.zeros((iterations, rows))
    for iteration in range(iterations):
        belongs[iteration, members(drawn, iteration)] = 1
    single, pair = size / rows, size * (size - 1) / rows / (rows - 1)
    together = belongs.T @ belongs
    upper = np.triu_indices(rows, 1)
    for counts, chance in ((together.diagonal(), single), (together[upper], pair)):
        scores = (counts - iterations * chance) / np.sqrt(iterations * chance * (1 - chance))
        assert (scores**2).sum() < len(scores) + 5 * np.sqrt(2 * len(scores))
        assert (scores**2).sum() > len(scores) - 5 * np.sqrt(2 * len(scores))
    # and from one iteration to the next
    both = (belongs[1:] * belongs[:-1]).sum(axis=1)
    assert abs(both.mean() - size * single) < 5 * both.std() / np.sqrt(iterations)


def test_what_is_large_takes_little():
    """Only rows that are asked for are permuted."""
    drawn = Batches(2**50, 2**49, seed=0)
    [rows] = drawn.chosen(0, [(2**49, 2**49 + 10_000)])
    assert 4700 < len(rows) < 5300


def test_small_batches_take_little_however_many_rows_are_held():
    """Then the places of the batch are permuted back, with the same result."""
    drawn = Batches(2**50, 5, seed=0)
    whole = members(drawn, 0)
    assert len(whole) == 5
    for row in whole.tolist():  # one row is fewer than the batch has
        assert drawn.chosen(0, [(row, row + 1)])[0].tolist() == [0]
    some = Batches(1000, 30, seed=1)
    alone = [row for row in range(1000) if len(some.chosen(2, [(row, row + 1)])[0])]
    assert alone == members(some, 2).tolist()


@pytest.mark.parametrize(
    ("text", "rows", "size"),
    [("0.1", 1000, 100), ("0.1", 4, 1), ("1", 9, 1), ("256", 256, 256), ("5e-1", 9, 4)],
)
def test_sizes(text, rows, size):
    assert batches.create(text, rows, 0).size == size


def test_a_fraction_of_one_is_all_rows():
    assert batches.create("1.0", 10, 0) is None
    assert batches.parse("1") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "give 1 row or more"),
        ("-3", "give 1 row or more"),
        ("0.0", "above 0 and up to 1.0"),
        ("-0.5", "above 0 and up to 1.0"),
        ("256.0", "a number of rows without a decimal point"),
        ("nan", "above 0 and up to 1.0"),
        ("some", "give a fraction of the rows"),
        ("11", "--batch 11 is more than the 10 rows of the data: use fewer"),
    ],
)
def test_bad_sizes(text, words):
    with pytest.raises(UsageError, match="--batch") as raised:
        batches.create(text, 10, 0)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
