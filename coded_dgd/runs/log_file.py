"""This module writes and reads ``log.txt``, the log of a run.

Each event is a line that begins with date and time; tracebacks are indented.
"""

from __future__ import annotations

import textwrap
from datetime import datetime
from pathlib import Path

LOG = "log.txt"
ENDED, RESUMED, STOPPED = "ended early:", "resumed", "stopped:"
"""Prefixes of the lines that concern the run as a whole."""
ABOUT_THE_RUN = (ENDED, RESUMED, STOPPED)
INDENT = "    "
STAMP = len("2026-01-01 00:00:00.000 ")
"""Number of characters in front of the text of a line."""


def written(text: str, details: str) -> str:
    """Return the text that is added to the log; `details` may have several lines."""
    stamp = datetime.now().isoformat(sep=" ", timespec="milliseconds")
    return f"{stamp} {text}\n{textwrap.indent(details, INDENT)}"


def said(line: str) -> str:
    """Return the text of a log line without its time; it is empty for a line of a traceback."""
    return "" if line.startswith(" ") else line[STAMP:]


def ending(line: str, before: str) -> str:
    """Return how the run has ended as of this line; the text is empty while the run continues.

    Parameters
    ----------
    before : str
        Result of this function for the line before.
    """
    text = said(line)
    return text if text.startswith(ENDED) else "" if text.startswith(RESUMED) else before


def lines(folder: Path) -> list[str]:
    """Return the lines of a run folder's log, without tracebacks, or [] if there is no log."""
    try:
        text = (folder / LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line and not line.startswith(" ")]
