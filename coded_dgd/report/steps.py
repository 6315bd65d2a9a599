"""Counting steps for a person: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, TextIO

import click

LINE_SECONDS = 5.0


class Steps:
    """Counts `total` steps, each called a `noun`; says nothing if `quiet`."""

    def __init__(self, noun: str, total: int, stream: TextIO, quiet: bool = False) -> None:
        self._noun, self._total, self._stream, self._quiet = noun, total, stream, quiet
        self._done = 0
        self._bar: Any = None
        self._next_line = monotonic() + LINE_SECONDS

    def __enter__(self) -> Steps:
        if not self._quiet and self._stream.isatty():
            self._bar = click.progressbar(
                length=self._total,
                file=self._stream,
                item_show_func=lambda describe: describe and describe(),
            )
            self._bar.__enter__()
            self._bar.update(self._done)
        return self

    def skip(self, steps: int) -> None:
        """Begin after so many steps, before it is entered."""
        self._done = steps

    def count(self, describe: Callable[[], str] = str) -> None:
        """Count a step; `describe` says more of it, where that is shown."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(1, describe)
        elif not self._quiet and monotonic() >= self._next_line:
            self._next_line = monotonic() + LINE_SECONDS
            line = f"{self._noun} {self._done}/{self._total}"
            more = describe()
            print(f"{line}: {more}" if more else line, file=self._stream, flush=True)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.__exit__(*error)
