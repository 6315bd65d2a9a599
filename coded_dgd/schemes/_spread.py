"""Copies of blocks are spread over workers and hosts at random, and evenly."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from coded_dgd.schemes.base import Integers

FULL, AGAIN = 1e9, 1e6
"""Cost of a worker that holds enough blocks, and of each copy of the block on its host."""


def spread(
    workers: int, blocks: int, load: int, seed: int, hosts: Sequence[Hashable] | None = None
) -> list[list[int]]:
    """Return the workers that hold each block, its owner first.

    Worker i owns the blocks s_i, ..., s_{i+1} - 1 with s_i = i N / M, rounded up. Every
    worker holds `load` blocks. Two blocks have the same number of copies, or one more or less. The
    copies of a block go to different hosts as far as possible, and those of the blocks of one owner
    to different workers, drawn at random. Random copies are better than regular ones, because the
    workers that can help a straggler, and those that can help them, are then more.

    Parameters
    ----------
    workers, blocks, load : int
        M, N, and the number of blocks of each worker, from N/M to N.
    seed : int
    hosts : sequence, optional
        Host of each worker; by default all workers are on one.
    """
    owner = np.arange(blocks) * workers // blocks
    holders = [[each] for each in owner.tolist()]
    if load >= blocks:
        for block, own in enumerate(owner.tolist()):
            holders[block] += [worker for worker in range(workers) if worker != own]
        return holders
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(8,)))
    places = {host: number for number, host in enumerate(dict.fromkeys(hosts or ["one"]))}
    host = np.array([places[each] for each in hosts or ["one"] * workers])
    held = np.bincount(owner, minlength=workers)
    together = np.zeros((workers, workers))  # blocks of each owner that each worker holds
    on_host = np.zeros((blocks, len(places)))
    on_host[np.arange(blocks), host[owner]] = 1
    room = load * workers - blocks
    while room > 0:
        for block in rng.permutation(blocks)[:room].tolist():
            own = owner[block]
            cost = held + together[own] / workers + rng.random(workers) / workers
            cost += AGAIN * on_host[block, host] + FULL * (held >= load)
            cost[holders[block]] = np.inf
            chosen = int(cost.argmin())
            if np.isfinite(cost[chosen]):
                holders[block].append(chosen)
                held[chosen] += 1
                together[own, chosen] += 1
                on_host[block, host[chosen]] += 1
            room -= 1
    _level(holders, workers, load)
    return holders


def _level(holders: list[list[int]], workers: int, load: int) -> None:
    """Move copies between workers until each holds `load` blocks.

    The first copies leave no other workers for the last ones than some that hold enough.
    """
    holds: list[set[int]] = [set() for _ in range(workers)]
    for block, of_block in enumerate(holders):
        for worker in of_block:
            holds[worker].add(block)
    full = [worker for worker in range(workers) for _ in range(len(holds[worker]) - load)]
    for giver in full:
        for given, old, taken, new in _moves(holders, holds, giver, load):
            holders[given].remove(old)
            holds[old].remove(given)
            holders[taken].append(new)
            holds[new].add(taken)


def _moves(
    holders: list[list[int]], holds: list[set[int]], giver: int, load: int
) -> list[tuple[int, int, int, int]]:
    """Return moves from a worker that holds too many blocks to one that holds too few.

    A move takes a copy of a block from a worker and gives a copy to another. It is of the same
    block, but for the last worker it may be of one that has fewer copies.
    """
    reached: dict[int, tuple[int, int, int, int] | None] = {giver: None}
    frontier = [giver]
    for old in frontier:
        lent = sorted(block for block in holds[old] if holders[block][0] != old)
        for new in sorted({*range(len(holds))} - reached.keys()):
            room = len(holds[new]) < load
            given = taken = next((block for block in lent if block not in holds[new]), -1)
            if given < 0 and room and lent:
                given = max(lent, key=lambda block: len(holders[block]))
                lacking = sorted({*range(len(holders))} - holds[new])
                taken = min(lacking, key=lambda block: len(holders[block]))
                given = given if len(holders[given]) > len(holders[taken]) else -1
            if given < 0:
                continue
            reached[new] = move = given, old, taken, new
            if room:
                moves = [move]
                while (before := reached[moves[-1][1]]) is not None:
                    moves.append(before)
                return moves
            frontier.append(new)
    return []


def held_by(workers: int, holders: Sequence[Sequence[int]]) -> list[Integers]:
    """Return the blocks that each worker holds: its own, then the others, each ascending."""
    own: list[list[int]] = [[] for _ in range(workers)]
    others: list[list[int]] = [[] for _ in range(workers)]
    for block, (owner, *helpers) in enumerate(holders):
        own[owner].append(block)
        for helper in helpers:
            others[helper].append(block)
    return [np.array(a + b, dtype=np.int64) for a, b in zip(own, others, strict=True)]
