"""Run folders hold the arrivals of a run, from which the finish times of its tasks follow."""

from __future__ import annotations

from pathlib import Path

from coded_dgd.delays.trace import ARRIVALS, Trace
from coded_dgd.errors import DataError
from coded_dgd.traces.importers.base import Imported, Importer

WANTED = f"a run folder with its {ARRIVALS}"


class Run(Importer):
    """An entry is the time in seconds after beta_t left at which a task of a worker had arrived.

    Tasks that never arrived are inf. They may have been cancelled, as workers stop once the
    gradient is decodable. A run with one task per worker gives durations.
    """

    wanted = WANTED

    def read(self, path: Path) -> Imported:
        if path.exists() and not path.is_dir():
            raise DataError(f"{path} is no folder: give {WANTED}, or read the file as an array")
        trace = Trace(str(path), 0)
        times = trace.times[..., 0] if trace.times.shape[-1] == 1 else trace.times
        part = trace.unit / trace.share
        if part == 1:
            return Imported(times, cancelled=True)
        return Imported(
            times,
            cancelled=True,
            notes=(
                f"a task of this run is {part:.6g} of 1/M of all data, which an array cannot tell: "
                f"where blocks count by share, replay --delay trace:{path},per=share instead",
            ),
        )
