"""This module replays the variants of a scheme on a trace, and chooses the best one.

Variants differ in the number N of blocks, the computation load and options. They are replayed on
the same iterations, by `coded_dgd.theory.replay`, with messages that take no time.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from coded_dgd import schemes
from coded_dgd.config import DEFAULT_GUARDS
from coded_dgd.delays.base import Floats
from coded_dgd.errors import Infeasible
from coded_dgd.guard import GuardedDecoder
from coded_dgd.reproduce._straggler_traces import StragglerTrace
from coded_dgd.scheduling.replaying import Replayer
from coded_dgd.schemes.base import ReplicationScheme, Scheme
from coded_dgd.schemes.rules import Coverage
from coded_dgd.theory.replay import Replays, replay

UNCODED, COPIES, TOLD, CODING = "uncoded", "copies", "copies, told", "coding"
APPROXIMATE, REFERENCE = "approximate", "reference"
KINDS = (UNCODED, COPIES, TOLD, CODING, APPROXIMATE, REFERENCE)
"""Kinds of rows. Workers of the kind `TOLD` are told in the iteration what others have done."""

STORAGE = (1, 2, 3, 4, 5, 10)
"""Data that a worker holds, in shares of 1/M of all data."""
QUICK_STORAGE = (1, 2, 4)
FINE = 8
"""Largest number of blocks per worker, N / M; the other one is 1."""
TOLERANCES = (0.05, 0.1)
WAITED_FOR = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Fractions of the workers that approximate schemes wait for."""
LARGEST_ERROR = 1 / 3
"""Error from which on a variant of an approximate scheme is not chosen: that of the average of nine
tenths of the blocks."""
USUALLY = 0.9
"""Smallest part of the iterations in which the first messages that suffice have to decode. In the
others the guard waits for a few more, which makes a difference of 0.2 % at most."""
CHECKED = 50
"""Number of iterations in which errors and error amplifications are found."""


class Row(NamedTuple):
    """A row holds the best variant of a scheme on a trace, or a reference."""

    name: str
    kind: str
    times: Floats
    """Completion time of each iteration in seconds."""
    options: str = ""
    """Options of the variant other than its sizes, in words."""
    blocks: int | None = None
    """Number N of blocks."""
    load: int | None = None
    """Largest number of blocks of a worker."""
    messages: float | None = None
    """Mean number of messages that arrive in an iteration by its completion."""
    error: float | None = None
    """Root mean square of (factor of a block in the decoded gradient - 1); 0 if exact."""

    @property
    def label(self) -> str:
        """Name, sizes and options."""
        if self.blocks is None:
            return self.name
        return (
            f"{self.name} (N {self.blocks}, load {self.load}{self.options and ', '}{self.options})"
        )


def rows_of(workers: int) -> dict[str, list[str]]:
    """Return the names of the schemes that each row chooses among, by the name of the row."""
    rows = {}
    for name in schemes.names():
        rows[name] = [name]
        if related := schemes.family(name, [each for each in STORAGE if each <= workers])[1:]:
            rows[f"{name}-K"] = related
    return rows


def best(name: str, trace: StragglerTrace, seed: int, quick: bool) -> Row | None:
    """Return the fastest variant of a row, or None if there is none that can be decoded.

    An approximate variant is chosen only if its error is at most `LARGEST_ERROR`, unless all errors
    are larger; then it is the most accurate one. A coded variant is chosen only if the guard of
    float64 lets it decode without further messages in most iterations, as `USUALLY` says.

    Parameters
    ----------
    name : str
        Name of the row, a key of `rows_of`.
    trace : StragglerTrace
        Iterations on which the variants are replayed.
    seed : int
        Seed of schemes that draw their placement.
    quick : bool
        Whether fewer variants are replayed.
    """
    found = []
    for each in rows_of(trace.workers)[name]:
        for options, scheme in _variants(each, trace, seed, quick):
            replayed = replay(scheme, trace.delay, trace.iterations)
            mean = float(replayed.times.mean())
            if np.isfinite(mean):
                found.append((mean, each, options, scheme, replayed))
    found.sort(key=lambda one: one[0])
    most_accurate = None
    for _, each, options, scheme, replayed in found:
        if scheme.amplifies and not _decodable(scheme, trace):
            continue
        error = 0.0 if scheme.exact else _error(scheme, trace, replayed)
        row = Row(
            each,
            _kind(scheme),
            replayed.times,
            options,
            scheme.blocks,
            scheme.load,
            float(replayed.messages.mean()),
            error,
        )
        if error <= LARGEST_ERROR + 1e-9:
            return row
        if most_accurate is None or error < (most_accurate.error or 0.0):
            most_accurate = row
    return most_accurate


def _variants(
    name: str, trace: StragglerTrace, seed: int, quick: bool
) -> Iterator[tuple[str, Scheme]]:
    """Yield each variant of the scheme called `name`, with its options in words."""
    kind, implied = schemes.find(name)
    options = {*kind.options} - implied.keys()
    for sizes in _sizes(kind, options, trace, quick):
        for chosen in _choices(options, trace.workers):
            shown = {key: sizes[key] for key in sizes.keys() & {"redundancy"}} | chosen
            if "wait" in chosen:  # weights are unbiased for the workers that are missing
                chosen["p"] = f"{1 - int(chosen['wait'].split(':')[1]) / trace.workers:.6g}"
            try:
                scheme = schemes.create(name, trace.workers, seed=seed, **sizes, **chosen)
            except Infeasible:
                continue
            scheme.fit(scheme.blocks, np.ones)
            if scheme.load * trace.workers / scheme.blocks <= trace.most_shares:
                yield ", ".join(f"{key} {value}" for key, value in shown.items()), scheme


def _sizes(
    kind: type[Scheme], options: Collection[str], trace: StragglerTrace, quick: bool
) -> Iterator[dict[str, int]]:
    """Yield the numbers of blocks, and loads or redundancies, that a scheme takes."""
    largest = min(trace.workers, trace.most_shares)
    storage = [each for each in (QUICK_STORAGE if quick else STORAGE) if each <= largest]
    for fine in (1, FINE) if "blocks" in kind.sizes else (1,):
        sizes = {"blocks": fine * trace.workers} if "blocks" in kind.sizes else {}
        if "load" in kind.sizes:
            yield from (sizes | {"load": c * fine} for c in ([1] if kind.one_load else storage))
        elif "redundancy" in options:
            yield from (sizes | {"redundancy": c} for c in storage)
        else:
            yield sizes


def _choices(options: Collection[str], workers: int) -> Iterator[dict[str, Any]]:
    """Yield the values of the other options that are varied."""
    values: dict[str, Sequence[Any]] = {
        "tolerance": TOLERANCES,
        "order": ("circular", "last-first"),
        "wait": [f"fastest:{k}" for k in sorted({ceil(f * workers - 1e-9) for f in WAITED_FOR})],
    }
    varied = {key: each for key, each in values.items() if key in options}
    for choice in itertools.product(*varied.values()):
        yield dict(zip(varied, choice, strict=True))


def _kind(scheme: Scheme) -> str:
    if not scheme.exact:
        return APPROXIMATE
    if isinstance(scheme.rule, Coverage):
        return TOLD if scheme.dynamic else COPIES
    return UNCODED if type(scheme) is schemes.find(schemes.BASELINE)[0] else CODING


def _decodable(scheme: Scheme, trace: StragglerTrace) -> bool:
    """Return whether the first messages that suffice usually decode within the guard of float64."""
    decoder = GuardedDecoder(scheme, np.inf)
    replayer, found = Replayer(decoder), []
    finish = trace.delay.trace(
        min(CHECKED, trace.iterations), trace.workers, scheme.work_under(trace.delay)
    )
    for each in finish:
        replayer.run(each)
        found.append(decoder.amplification <= DEFAULT_GUARDS["float64"])
    return float(np.mean(found)) >= USUALLY


def _error(scheme: Scheme, trace: StragglerTrace, replayed: Replays) -> float:
    """Return the root mean square of the errors of the factors of blocks."""
    assert isinstance(scheme, ReplicationScheme)
    times = replayed.times[:CHECKED]
    finish = trace.delay.trace(len(times), trace.workers, scheme.work_under(trace.delay))
    arrived = scheme.message_times(finish) <= times[:, None, None]
    return float(np.sqrt(np.mean((scheme.block_factors(arrived) - 1) ** 2)))
