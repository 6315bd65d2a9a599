"""This module counts steps: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from shutil import get_terminal_size
from time import monotonic
from typing import Any, TextIO

import click

from coded_dgd.runs.status import duration

LINE_SECONDS = 5.0
BAR_SECONDS = 0.1
BAR_WIDTH = 8


class Steps:
    """A counter shows how many of `total` steps, each called a `noun`, are done, unless `quiet`."""

    def __init__(self, noun: str, total: int, stream: TextIO, quiet: bool = False) -> None:
        self._noun, self._total, self._stream, self._quiet = noun, total, stream, quiet
        self._done = self._shown = self._first = 0
        self._bar: Any = None
        self._describe: Callable[[], str] = str
        self._begin = self._last = monotonic()

    def __enter__(self) -> Steps:
        self._begin = self._last = monotonic()
        if not self._quiet and self._stream.isatty():
            self._bar = click.progressbar(
                length=self._total,
                file=self._stream,
                width=BAR_WIDTH,
                show_pos=True,
                show_percent=False,
                item_show_func=lambda describe: describe and self._fit(describe()),
            )
            self._bar.__enter__()
            self._bar.update(self._done)
            self._shown = self._done
        return self

    def skip(self, steps: int) -> None:
        """Begin after this number of steps; call it before the counter is entered."""
        self._done = self._first = steps

    def count(self, describe: Callable[[], str] = str) -> None:
        """Count a step; `describe` returns text to show beside the count."""
        self._done += 1
        self._describe = describe
        if self._quiet:
            return
        now = monotonic()
        if now - self._last >= (LINE_SECONDS if self._bar is None else BAR_SECONDS):
            self._last = now
            self._show(now)

    def _fit(self, text: str) -> str:
        """Cut a text to what fits beside the bar in one line; longer lines would not be erased."""
        beside = len(f"  [{'':{BAR_WIDTH}}]  {self._total}/{self._total}  00:00:00  ")
        return text[: max(0, get_terminal_size().columns - beside - 1)]

    def _show(self, now: float) -> None:
        if self._bar is not None:
            self._bar.update(self._done - self._shown, self._describe)
            self._shown = self._done
            return
        line = f"{self._noun} {self._done}/{self._total}"
        if more := self._describe():
            line += f": {more}"
        if self._done < self._total:
            pace = (now - self._begin) / (self._done - self._first)
            line += f", {duration(pace * (self._total - self._done))} left"
        print(line, file=self._stream, flush=True)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._show(monotonic())
            self._bar.__exit__(*error)
            self._bar = None
