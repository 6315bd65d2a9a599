"""Workers of one host that hold copies of the same blocks can share them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coded_dgd.codes.placement import Placement

WORTHWHILE = 1 << 20
"""Minimum number of bytes that a group of workers must save to share blocks."""


@dataclass(frozen=True)
class HostGroup:
    """A host group is the workers of one host that share blocks.

    The blocks are ordered such that each worker's blocks are contiguous.
    """

    blocks: Placement
    """Indices of the shared blocks, in order."""
    first: Mapping[int, int]
    """Index in `blocks` at which each worker's blocks begin; the first worker is the leader."""
    tasks: Mapping[int, int]
    """Number of blocks of each worker."""

    @property
    def leader(self) -> int:
        """Worker that receives the blocks on behalf of the group."""
        return next(iter(self.first))

    @property
    def followers(self) -> list[int]:
        """Workers of the group other than the leader."""
        return list(self.first)[1:]

    @property
    def part(self) -> float:
        """Number of blocks per worker if the shared blocks are divided equally among the group."""
        return len(self.blocks) / len(self.first)


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
        group = _line_up({w: blocks for w, blocks in held.items() if hosts.get(w) == host})
        saved = sum(group.tasks.values()) - len(group.blocks)
        if saved * block_bytes >= WORTHWHILE:
            found.append(group)
    return found


def most_saved(held: Mapping[int, Placement]) -> int:
    """Return the number of blocks that sharing saves if all workers are on one host."""
    every = np.concatenate([*held.values()])
    return len(every) - len(np.unique(every))


def _line_up(held: Mapping[int, Placement]) -> HostGroup:
    """Return a group whose row of blocks contains each worker's blocks contiguously.

    If the row already holds a prefix of the worker's blocks at its end, or all of them, it is
    extended from there. Otherwise the worker's blocks are appended. For circularly shifted copies
    of N blocks with load r the row has N + r - 1 blocks.
    """
    row: list[int] = []
    place: dict[int, int] = {}
    first = {}
    for worker, blocks in held.items():
        mine = blocks.tolist()
        start = place.get(mine[0], len(row)) if mine else 0
        if row[start : start + len(mine)] != mine[: len(row) - start]:
            start = len(row)
        for position in range(len(row), start + len(mine)):
            row.append(mine[position - start])
            place[row[-1]] = position
        first[worker] = start
    return HostGroup(np.array(row, np.int64), first, {w: len(blocks) for w, blocks in held.items()})
