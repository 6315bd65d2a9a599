"""This module follows a run folder while another process fills it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import IO

from coded_dgd.engine.iteration import Iteration
from coded_dgd.errors import UsageError
from coded_dgd.runs.log_file import LOG, STOPPED, ending, said
from coded_dgd.runs.reading import read_config, read_summary
from coded_dgd.runs.run_folder import ITERATIONS, SUMMARY, read_record
from coded_dgd.runs.status import Status, duration

SILENCE = 30.0
"""Time in seconds without news after which a line says so."""


class Tail:
    """A tail returns the complete lines that are added to a file, which may not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._rest = b""

    def lines(self) -> list[str]:
        """Return the new lines."""
        if self._file is None:
            if not self._path.exists():
                return []
            self._file = self._path.open("rb")
        if self._path.stat().st_size < self._file.tell():  # --resume has truncated it
            self._file.seek(0, 2)
            self._rest = b""
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def watch(path: Path, interval: float, say: Callable[[str], None]) -> bool:
    """Report the state of a run until it ends.

    Parameters
    ----------
    path : Path
        The run folder.
    interval : float
        Seconds between two readings of the folder.
    say : callable
        Called with each line.

    Returns
    -------
    bool
        Whether the run has finished; False if it has ended early.

    Raises
    ------
    UsageError
        If it is no run folder.
    """
    config = read_config(path)
    status = Status()
    records, log = Tail(path / ITERATIONS), Tail(path / LOG)
    begin, at_first, last_news = monotonic(), -1, monotonic()
    ended = ""
    try:
        while True:
            finished = (path / SUMMARY).is_file()  # tested before reading: all records exist
            new = records.lines()
            for line in new:
                status.add(_record(path, line))
            for line in log.lines():
                ended = ending(line, ended)
                if (text := said(line)) and not text.startswith(STOPPED):
                    say(line)
            if status.record is not None and new:
                done, last_news = status.record.iteration + 1, monotonic()
                if at_first < 0:
                    at_first = done
                text = f"iteration {done}/{config.iterations}: {status}"
                if done > at_first and done < config.iterations and not finished:
                    pace = (monotonic() - begin) / (done - at_first)
                    text += f", {duration(pace * (config.iterations - done))} left"
                say(text)
            elif monotonic() - last_news >= SILENCE:
                last_news = monotonic()
                say(f"nothing new for {SILENCE:.0f} s")
            if finished:
                say(_result(path))
                return True
            if ended:
                return False
            sleep(interval)
    finally:
        records.close()
        log.close()


def _record(path: Path, line: str) -> Iteration:
    try:
        return read_record(line)
    except ValueError as error:
        raise UsageError(f"{path / ITERATIONS} is damaged ({error}): watch another run") from None


def _result(path: Path) -> str:
    """Return the main figures of the summary in one line."""
    try:
        summary = read_summary(path)
    except ValueError:  # damaged
        return "done"
    return (
        f"{summary.status} after {summary.iterations} iterations: loss {summary.loss:.8g}, "
        f"completion time {summary.completion_time.mean:.4f} s on average, "
        f"{summary.wall_time:.1f} s in all"
    )
