"""Data may be cut into files, shards, whose rows follow each other in the order of their names."""

from __future__ import annotations

import resource
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from glob import has_magic
from itertools import accumulate
from pathlib import Path

import numpy as np

from coded_dgd.errors import DataError
from coded_dgd.files import matching
from coded_dgd.problems.sources.base import Floats, Source

HIDDEN = (".", "_")
"""First characters of the names of files that are no shards, such as _SUCCESS of Spark."""

OPEN_EACH = 2
"""Largest number of open files for a data file: itself, and a temporary one with its rows."""
OPEN_BESIDES = 256
"""Number of open files for everything else."""


def files(text: str) -> list[Path]:
    """Return the files that ``--data`` names, sorted by name.

    These are the files in a directory, or those of a pattern with ``*``, ``?`` or ``[...]``, unless
    a file has the pattern itself as its name. Hidden files are left out. Any other text is the path
    of one file, which need not exist.
    """
    path = Path(text)
    try:
        if path.is_dir():
            return sorted(each for each in path.iterdir() if not each.name.startswith(HIDDEN))
        if path.exists() or not has_magic(text):
            return [path]
        return [each for each in matching(path) if not each.name.startswith(HIDDEN)]
    except (OSError, ValueError):  # a path that cannot exist, or must not be read
        return [path]


def allow_open(name: str, files: int) -> None:
    """Let this process hold so many data files open at once.

    The soft limit of open files is raised where it is too low and the hard limit allows it.

    Parameters
    ----------
    name : str
        Text of ``--data`` in errors.
    files : int
        Number of data files.

    Raises
    ------
    DataError
        If the hard limit is too low.
    """
    needed = OPEN_EACH * files + OPEN_BESIDES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise DataError(
            f"{name}: {files} files take up to {needed} open files, and the limit is {hard}: raise "
            "it (ulimit -Hn), or write the data to fewer files"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


class ShardedSource(Source):
    """This source has the rows of several files, one file after the other.

    Parameters
    ----------
    name : str
        Text of ``--data``.
    shards : list of Source
        The sources of the files, at least one.

    Raises
    ------
    DataError
        If a file has other columns than the first one, or labels of another kind, or only some of
        the files have sample weights. The message names the file.
    """

    def __init__(self, name: str, shards: Sequence[Source]) -> None:
        first = shards[0]
        for shard in shards:
            if fault := _difference(shard, first):
                raise DataError(
                    f"{shard.name} {fault}: give all files the same columns, or name those that "
                    "belong together"
                )
        rows = [shard.rows for shard in shards]
        storage = f"{len(shards)} files, {first.storage}"
        super().__init__(name, sum(rows), first.features, storage)
        self._shards, self._begins = shards, [0, *accumulate(rows)]
        self.columns, self.remedy = first.columns, first.remedy
        self.labelled = first.labelled
        if all(shard.dtype == np.float32 for shard in shards):
            self.dtype = np.dtype(np.float32)
        if first.weights is not None:
            self.weights = np.concatenate([shard.weights for shard in shards])
        if first.words is not None:
            self.words = tuple(sorted({word for shard in shards for word in shard.words or ()}))
        places = {word: float(place) for place, word in enumerate(self.words or ())}
        self._codes = [np.array([places[word] for word in shard.words or ()]) for shard in shards]

    def windows(self, rows_at_once: int | None = None) -> Iterator[tuple[Floats, Floats]]:
        """Yield all rows in order, in windows as of the files, none of which spans two files."""
        for shard, codes in zip(self._shards, self._codes, strict=True):
            for X, y in shard.windows(rows_at_once):
                yield X, _coded(y, codes)

    def _read(self, start: int, stop: int) -> tuple[Floats, Floats]:
        X, y = np.empty((stop - start, self.features)), np.empty(stop - start)
        row = start
        while row < stop:
            place = bisect_right(self._begins, row) - 1
            begin, end = self._begins[place], min(self._begins[place + 1], stop)
            rows = slice(row - start, end - start)
            self._shards[place].read(row - begin, end - begin, (X[rows], y[rows]))
            y[rows] = _coded(y[rows], self._codes[place])
            row = end
        return X, y

    def _refuse_unusable(self, start: int, X: Floats, y: Floats) -> None:
        """Do nothing, as the files have refused such values by name."""


def _coded(y: Floats, codes: Floats) -> Floats:
    """Return the places of text labels among those of all files; numbers stay as they are."""
    coded: Floats = codes[y.astype(int)] if len(codes) else y
    return coded


def _difference(shard: Source, first: Source) -> str:
    """Return the difference of the columns of a file from those of the first, empty if none."""
    if shard.names != first.names and (shard.names is None or first.names is None):
        return (
            f"has {'no names' if shard.names is None else 'names'} of columns, and {first.name} "
            f"has {'none' if first.names is None else 'some'}"
        )
    if shard.features != first.features:
        return f"has {shard.features} features, and {first.name} has {first.features}"
    for feature, (own, other) in enumerate(zip(shard.names or (), first.names or (), strict=True)):
        if own != other:
            return f"has {own!r} where {first.name} has {other!r}, as feature {feature + 1}"
    if shard.labelled != first.labelled:
        return f"has {'' if shard.labelled else 'no '}labels, other than {first.name}"
    if shard.label_title() != first.label_title():
        return f"has {shard.label_title()}, and {first.name} {first.label_title()}"
    if (shard.words is None) != (first.words is None):
        kinds = ("numbers", "text") if shard.words is None else ("text", "numbers")
        return f"has labels that are {kinds[0]}, and those of {first.name} are {kinds[1]}"
    if (shard.weights is None) != (first.weights is None):
        return f"has {'no ' * (shard.weights is None)}sample weights, other than {first.name}"
    return ""
