"""This module reads mini-batch times of jobs on Alibaba's Platform of AI, which are csv files.

They were published with Alibaba's GPU cluster trace of 2020; the jobs are described by W. Xiao et
al., "AntMan: dynamic scaling on GPU clusters for deep learning" (OSDI 2020). The header is
``,worker,gpu,time,batch_time_norm``. A line is one worker in one step, and its time is from 0 to
1000.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from coded_dgd.errors import DataError
from coded_dgd.traces.importers._cells import complete, table
from coded_dgd.traces.importers.base import Imported, Importer

WANTED = "a csv file with the columns worker, time and batch_time_norm"
WORKER, STEP, DURATION = "worker", "time", "batch_time"
"""Names of the columns that are read; that of the durations may have further words."""
NORM = 1000.0
"""Largest time of the published files."""


class Pai(Importer):
    """An entry is the relative time that a worker took for its share of a step, from 0 to 1.

    Values are held between samples, so that the correlation in time is an upper limit.
    """

    wanted = WANTED

    def read(self, path: Path) -> Imported:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            places = _places(next(lines, []), path)
            read = [
                [_number(line, place, f"{path}, line {lines.line_num}") for place in places]
                for line in lines
                if line
            ]
        if not read:
            raise DataError(f"{path} has no line below its header: give {WANTED}")
        worker, step, times = np.array(read).T
        keys, counts = np.unique(np.column_stack([step, worker]), axis=0, return_counts=True)
        if counts.max() > 1:
            at, who = keys[counts.argmax()]
            raise DataError(
                f"{path} has worker {who:g} at time {at:g} twice: keep one job in the file"
            )
        rows, notes = complete(table([step, worker], times / NORM))
        if not len(rows):
            raise DataError(f"{path}: no time has all workers: keep one job in the file")
        return Imported(rows, relative=True, notes=notes)


def _places(header: list[str], path: Path) -> list[int]:
    """Return the positions of the columns, whose names may have other cases and separators."""
    names = ["_".join(name.lower().replace("-", " ").split()) for name in header]
    found = []
    for wanted in (WORKER, STEP, DURATION):
        fits = [
            place
            for place, name in enumerate(names)
            if name == wanted or (wanted == DURATION and wanted in name)
        ]
        if len(fits) != 1:
            many = "no column" if not fits else f"{len(fits)} columns"
            raise DataError(f"{path} has {many} {wanted!r} in its first line: give {WANTED}")
        found += fits
    return found


def _number(line: list[str], place: int, where: str) -> float:
    text = line[place].strip() if place < len(line) else ""
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise DataError(f"{where}: {text[:40]!r} is no number: correct the line, or delete it")
    return number
