"""Arrays of times are what ``--delay trace:FILE`` replays; they are read to be described."""

from __future__ import annotations

from pathlib import Path

from coded_dgd.delays.trace import WANTED, Trace
from coded_dgd.traces.importers.base import Imported, Importer


class Array(Importer):
    """Entries are durations or finish times in seconds, as `delays.trace.Trace` reads them."""

    wanted = WANTED

    def read(self, path: Path) -> Imported:
        return Imported(Trace(str(path), 0).times)
