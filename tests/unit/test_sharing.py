"""Who shares blocks with whom, and the memory in which they are."""

from pathlib import Path

import numpy as np
import pytest

from coded_dgd import schemes
from coded_dgd.engine.protocol import Assignment, SharedSlice
from coded_dgd.engine.shared_blocks import SharedBlocks
from coded_dgd.problems.layout import Layout
from coded_dgd.problems.sharing import host_groups

HUGE = 1e9


@pytest.mark.parametrize("name", ["uc-mmc", "uc-mmc-pg", "gc", "sgc"])
@pytest.mark.parametrize("hosts", [1, 2, 3])
def test_every_worker_finds_its_blocks_in_a_row(name, hosts):
    load = {} if name == "sgc" else {"load": 4}
    scheme = schemes.create(name, 12, 12, **load)
    scheme.fit(1200, lambda blocks: np.ones(blocks))
    held = {worker: scheme.held(worker) for worker in range(12) if scheme.tasks(worker)}
    where = {worker: f"host {worker % hosts}" for worker in held}
    for group in host_groups(where, held, HUGE):
        assert len({where[worker] for worker in group.first}) == 1
        assert group.leader == min(group.first)
        for worker, first in group.first.items():
            mine = group.blocks[first : first + scheme.tasks(worker)]
            np.testing.assert_array_equal(mine, held[worker])
        assert len(group.blocks) < sum(group.tasks.values())


def test_circularly_shifted_copies_take_n_and_r_less_one():
    scheme = schemes.create("uc-mmc", 40, 40, 10)
    held = {worker: scheme.held(worker) for worker in range(40)}
    (group,) = host_groups(dict.fromkeys(held, "here"), held, HUGE)
    assert len(group.blocks) == 40 + 10 - 1
    assert group.part == 49 / 40


def test_nobody_shares_what_is_small_or_elsewhere_or_held_once():
    held = {worker: np.array([0, 1]) for worker in range(3)}
    here = dict.fromkeys(held, "here")
    assert len(host_groups(here, held, 1 << 18)) == 1
    assert host_groups(here, held, 1 << 17) == []
    assert host_groups({0: "a", 1: "b", 2: ""}, held, HUGE) == []
    assert host_groups(here, {worker: np.array([worker]) for worker in range(3)}, HUGE) == []


def assignment(dtype="float64", labels=True, weights=False, **shared_slice):
    return Assignment(
        code_id=0, replaces=None, worker=0, tasks=2, height=4, columns=2,
        layout=Layout(2, dtype=dtype), dynamic=False, labels=labels, ends=(2,),
        coefficients=None, unit=1.0, product=False, objective="least-squares", delay="none",
        seed=0, weights=weights, shared_slice=SharedSlice(**shared_slice),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_memory_is_what_its_maker_has_written(dtype):
    made = SharedBlocks.open(assignment(dtype, blocks=3, first=0, token=77))
    X, y = np.arange(24.0).reshape(3, 4, 2), np.arange(12.0).reshape(3, 4)
    made.load(0, X[:, :3], y[:, :3])
    made.load(3, X[:, 3:], y[:, 3:])
    mapped = SharedBlocks.open(assignment(dtype, blocks=3, first=1, token=77, path=made.path))
    path = Path(made.path)
    assert path.exists()
    del made
    own, labels = mapped.slice_of(1, 2)
    np.testing.assert_array_equal(own, X[1:])
    np.testing.assert_array_equal(labels, y[1:])
    assert own.dtype == labels.dtype == dtype
    assert not own.flags.writeable
    assert not path.exists()


def test_sample_weights_are_shared_below_the_labels():
    made = SharedBlocks.open(assignment(weights=True, blocks=3, first=0, token=77))
    X, y = np.arange(24.0).reshape(3, 4, 2), np.arange(24.0).reshape(3, 2, 4)
    made.load(0, X[:, :3], y[..., :3])
    made.load(3, X[:, 3:], y[..., 3:])
    right = {"blocks": 3, "first": 1, "token": 77, "path": made.path}
    own, labels = SharedBlocks.open(assignment(weights=True, **right)).slice_of(1, 2)
    np.testing.assert_array_equal(own, X[1:])
    np.testing.assert_array_equal(labels, y[1:])
    with pytest.raises(OSError):
        SharedBlocks.open(assignment(**right))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("wrong", [{"token": 78}, {"blocks": 4}, {"path": "/proc/self/fd/9999"}])
def test_other_memory_is_refused(wrong, dtype):
    made = SharedBlocks.open(assignment(dtype, labels=False, blocks=3, first=0, token=77))
    right = {"blocks": 3, "first": 1, "token": 77, "path": made.path}
    SharedBlocks.open(assignment(dtype, labels=False, **right))
    with pytest.raises(OSError):
        SharedBlocks.open(assignment(dtype, labels=False, **(right | wrong)))
