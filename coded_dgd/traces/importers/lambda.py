"""This module reads delay profiles of AWS Lambda, which are pickles of lists of rounds.

They were published with M. N. Krishnan, M. R. Ebrahimi and A. Khisti, "Sequential gradient coding
for straggler mitigation" (2023). A round is a dict ::

    {"round": t, "started": ..., "finished": ..., "results": [one dict per worker]}

with "started" and "finished", in seconds, in each result.
"""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from coded_dgd.errors import DataError
from coded_dgd.traces.importers._plain_pickle import read_plain
from coded_dgd.traces.importers.base import Imported, Importer

WANTED = "a pickle of a list of rounds, each with results that have 'started' and 'finished'"

TOGETHER = (
    "a time is start-up and work together, and a replay multiplies both by the number of tasks; "
    "a file of load 0 has start-up alone"
)


class Lambda(Importer):
    """An entry is the time of one call: start-up and the work of one load, in seconds.

    Each file is of one load and of rounds of its own. Times of two loads in the same round, which
    an array of finish times would hold, do not exist.
    """

    wanted = WANTED

    def read(self, path: Path) -> Imported:
        rounds = read_plain(path)
        if not isinstance(rounds, list) or not rounds:
            raise DataError(f"{path} holds no list of rounds: give {WANTED}")
        rows = [
            [
                _duration(result, f"{path}, round {number}, result {worker}")
                for worker, result in enumerate(_results(each, f"{path}, round {number}"))
            ]
            for number, each in enumerate(rounds)
        ]
        for number, row in enumerate(rows):
            if len(row) != len(rows[0]):
                raise DataError(
                    f"{path}, round {number} has {len(row)} results, and round 0 has "
                    f"{len(rows[0])}: delete the rounds that are not complete"
                )
        return Imported(np.array(rows, dtype=np.float64), notes=(TOGETHER,))


def _results(each: Any, where: str) -> list[Any]:
    results = each.get("results") if isinstance(each, dict) else None
    if not isinstance(results, list):
        raise DataError(f"{where} has no list 'results': give {WANTED}")
    return results


def _duration(result: Any, where: str) -> float:
    started, finished = (_seconds(result, key, where) for key in ("started", "finished"))
    if finished < started:
        raise DataError(f"{where} is finished before it is started: delete that round")
    return finished - started


def _seconds(result: Any, key: str, where: str) -> float:
    value = result.get(key) if isinstance(result, dict) else None
    if not isinstance(value, int | float) or not isfinite(value):
        raise DataError(f"{where} has no number '{key}': delete that round")
    return float(value)
