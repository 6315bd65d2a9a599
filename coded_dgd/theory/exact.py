"""This module finds the exact form of a scheme's completion time under a delay model, if any."""

from __future__ import annotations

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.schemes.base import Bools, Floats, Scheme
from coded_dgd.schemes.rules import Count, Coverage
from coded_dgd.theory.arrivals import ArrivalDistribution
from coded_dgd.theory.completion import Completion, UntilDeadline
from coded_dgd.theory.count import CountCompletion, Workers
from coded_dgd.theory.coverage import CoverageCompletion

MOST_LAWS = 50
"""Largest number of different laws of finish times, if there are more than two kinds of workers.

Each law may have a kink, between which is integrated, so that more laws take longer than a draw.
"""


def exact_completion(scheme: Scheme, delay: DelayModel) -> Completion | None:
    """Return the distribution of the completion time, or None if it has no exact form."""
    # messages of dynamic tasks have no fixed order
    if scheme.dynamic or not _has_law(scheme, delay):
        return None
    completion: Completion | None = None
    if isinstance(scheme.rule, Count):
        completion = _count(delay, scheme.message_work(delay), scheme.expected, scheme.rule)
    elif isinstance(scheme.rule, Coverage):
        completion = _coverage(delay, scheme.message_work(delay), scheme.rule, scheme.blocks)
    if completion is not None and scheme.deadline is not None:
        completion = UntilDeadline(completion, scheme.deadline)
    return completion


def lower_limit(scheme: Scheme, delay: DelayModel) -> Completion | None:
    """Return the time until N tasks are done in total, at most r per worker, or None.

    No scheme whose tasks each contribute one block's worth to the whole gradient is faster. The
    result is None if there is no exact form or fewer than N tasks exist.
    """
    everything = np.ones((scheme.workers, scheme.load), dtype=np.bool_)
    if not _has_law(scheme, delay) or everything.size < scheme.blocks:
        return None
    work = np.broadcast_to(scheme.work_under(delay), everything.shape)
    return _count(delay, work, everything, Count(scheme.blocks, everything))


def _has_law(scheme: Scheme, delay: DelayModel) -> bool:
    """Return whether the finish times have a law, and few enough different ones."""
    kinds = len({delay.kind(worker) for worker in range(scheme.workers)})
    few = kinds <= 2 or kinds * scheme.load <= MOST_LAWS
    return few and delay.late(0, 0.0, np.ones(1)) is not None


def _count(delay: DelayModel, work: Floats, expected: Bools, rule: Count) -> CountCompletion:
    """Return the completion of a count rule, with equal workers in one group.

    Workers are equal if they are of one kind and send the same messages.
    """
    alike: dict[object, list[int]] = {}
    for worker, exists in enumerate(expected):
        key = work[worker, exists].tobytes(), rule.counted[worker, exists].tobytes()
        alike.setdefault((delay.kind(worker), *key), []).append(worker)
    groups = []
    for workers in alike.values():
        first, exists = workers[0], expected[workers[0]]
        arrivals = ArrivalDistribution(delay, first, work[first, exists])
        groups.append(Workers(len(workers), arrivals, rule.counted[first, exists]))
    return CountCompletion(groups, rule.threshold, rule.or_everyone)


def _coverage(
    delay: DelayModel, work: Floats, rule: Coverage, blocks: int
) -> CoverageCompletion | None:
    """Return the completion of a coverage rule, or None if the blocks are not arcs of one ring.

    Each worker's messages must carry successive blocks, and the starts must go once round the ring.
    """
    workers, load = rule.block.shape
    starts = rule.block[:, 0]
    gaps = np.diff(starts, append=starts[0] + blocks)
    if (
        (rule.block != (starts[:, None] + np.arange(load)) % blocks).any()
        or (gaps < 0).any()
        or (gaps > load).any()
    ):
        return None
    kinds: dict[object, int] = {}
    arrivals, ring = [], []
    for worker in range(workers):
        key = delay.kind(worker), work[worker].tobytes()
        if key not in kinds:
            kinds[key] = len(kinds)
            arrivals.append(ArrivalDistribution(delay, worker, work[worker]))
        ring.append((kinds[key], int(gaps[worker])))
    return CoverageCompletion(arrivals, ring, load, blocks - rule.needed)
