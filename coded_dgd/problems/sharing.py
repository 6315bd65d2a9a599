"""Which workers of a host hold copies of the same blocks, and can hold them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coded_dgd.codes.placement import Placement

WORTHWHILE = 1 << 20
"""Bytes that a group has to save."""


@dataclass(frozen=True)
class HostGroup:
    """Workers of one host and the blocks that they hold together, in such an order that those of
    each worker follow each other.
    """

    blocks: Placement
    first: Mapping[int, int]
    """Where in `blocks` those of each worker begin; the first worker is the one that gets them."""
    tasks: Mapping[int, int]

    @property
    def leader(self) -> int:
        """The worker that gets the blocks, for all."""
        return next(iter(self.first))

    @property
    def followers(self) -> list[int]:
        """The others."""
        return list(self.first)[1:]

    @property
    def part(self) -> float:
        """Blocks that each worker takes, as those of the group count in equal parts with all."""
        return len(self.blocks) / len(self.first)


def host_groups(
    hosts: Mapping[int, str], held: Mapping[int, Placement], block_bytes: float
) -> list[HostGroup]:
    """Find the workers that share blocks.

    Parameters
    ----------
    hosts : mapping of int to str
        Of each worker, where it is known.
    held : mapping of int to array
        Blocks that each worker holds, in the order of work.
    block_bytes : float
    """
    found = []
    for host in sorted({host for host in hosts.values() if host}):
        group = _line_up({w: blocks for w, blocks in held.items() if hosts.get(w) == host})
        saved = sum(group.tasks.values()) - len(group.blocks)
        if saved * block_bytes >= WORTHWHILE:
            found.append(group)
    return found


def most_saved(held: Mapping[int, Placement]) -> int:
    """Blocks that sharing saves at most: where all workers are on one host."""
    every = np.concatenate([*held.values()])
    return len(every) - len(np.unique(every))


def _line_up(held: Mapping[int, Placement]) -> HostGroup:
    """Put blocks in a row in which those of each worker follow each other.

    Those that begin in the row as another worker's do are gone on with from there; others come at
    its end. For circularly shifted copies of N blocks that makes N + r - 1.
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
