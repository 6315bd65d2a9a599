"""Workers of one host that hold copies of the same blocks can share them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coded_dgd.codes.placement import Placement

WORTHWHILE = 1 << 20
"""Minimum number of bytes that a group of workers must save to share blocks."""
INDEX = 4
"""Size in bytes of a column or a start of sparse rows, an int32."""


@dataclass(frozen=True)
class HostGroup:
    """A host group is the workers of one host that share blocks.

    Their memory holds each block that any of them holds exactly once, whatever the placement is.
    """

    blocks: Placement
    """Indices of the shared blocks, ascending, so that many runs of blocks stay consecutive."""
    places: Mapping[int, tuple[int, ...]]
    """Index in `blocks` of each block that a worker holds; the first worker is the leader."""

    @property
    def leader(self) -> int:
        """Worker that receives the blocks on behalf of the group."""
        return next(iter(self.places))

    @property
    def followers(self) -> list[int]:
        """Workers of the group other than the leader."""
        return list(self.places)[1:]

    @property
    def saved(self) -> int:
        """Number of blocks that the workers would hold besides if each had its own."""
        return sum(map(len, self.places.values())) - len(self.blocks)

    @property
    def part(self) -> float:
        """Number of blocks per worker if the shared blocks are divided equally among the group."""
        return len(self.blocks) / len(self.places)


def host_groups(
    hosts: Mapping[int, str], held: Mapping[int, Placement], block_bytes: float
) -> list[HostGroup]:
    """Find the workers that share blocks.

    Parameters
    ----------
    hosts : mapping of int to str
        Host of each worker, if known.
    held : mapping of int to array
        Blocks that each worker holds, in the order of work.
    block_bytes : float
        Size of a block in bytes.
    """
    found = []
    for host in sorted({host for host in hosts.values() if host}):
        group = _together({w: blocks for w, blocks in held.items() if hosts.get(w) == host})
        if group.saved * block_bytes >= WORTHWHILE:
            found.append(group)
    return found


def most_saved(held: Mapping[int, Placement]) -> int:
    """Return the number of blocks that sharing saves if all workers are on one host."""
    return _together(held).saved


def block_bytes(
    kernel: str, height: float, features: int, labels: int, itemsize: int, density: float | None
) -> float:
    """Return the size of a block in bytes as a worker holds it, with its labels.

    Parameters
    ----------
    kernel : str
        How the gradient of a block is computed (`engine.kernels`).
    height : float
        Number of rows of a block.
    features : int
        Number of columns.
    labels : int
        Numbers that come with each row: its label and its sample weight, or none.
    itemsize : int
        Size of a number in bytes.
    density : float, optional
        Density of sparse rows.
    """
    if kernel == "gram":
        return float(itemsize * features * (features + labels))
    if kernel == "sparse" and density is not None:
        return height * (density * features * (itemsize + INDEX) + INDEX + itemsize * labels)
    return height * itemsize * (features + labels)


def _together(held: Mapping[int, Placement]) -> HostGroup:
    """Return the group of workers that hold these blocks."""
    every, places = np.unique(np.concatenate([*held.values()]), return_inverse=True)
    ends = np.cumsum([len(blocks) for blocks in held.values()])
    own = np.split(places.ravel(), ends[:-1])
    return HostGroup(
        every, {worker: tuple(each.tolist()) for worker, each in zip(held, own, strict=True)}
    )
