"""The log of a run, ``log.txt``: a line for each event after date and time, tracebacks indented."""

from __future__ import annotations

import textwrap
from datetime import datetime
from pathlib import Path

LOG = "log.txt"
ENDED, RESUMED, STOPPED = "ended early:", "resumed", "stopped:"
"""How lines begin that tell of the run as a whole."""
ABOUT_THE_RUN = (ENDED, RESUMED, STOPPED)
INDENT = "    "
STAMP = len("2026-01-01 00:00:00.000 ")
"""Characters of a line before what it says."""


def written(text: str, details: str) -> str:
    """Return what is added to the log; `details` may have several lines."""
    stamp = datetime.now().isoformat(sep=" ", timespec="milliseconds")
    return f"{stamp} {text}\n{textwrap.indent(details, INDENT)}"


def said(line: str) -> str:
    """Return what a line of the log says; nothing for a line of a traceback."""
    return "" if line.startswith(" ") else line[STAMP:]


def ending(line: str, before: str) -> str:
    """Return how the run has ended, as far as this line; nothing where it goes on.

    Parameters
    ----------
    before : str
        The same, as far as the line before.
    """
    text = said(line)
    return text if text.startswith(ENDED) else "" if text.startswith(RESUMED) else before


def lines(folder: Path) -> list[str]:
    """Return the lines of the log of a run folder, without tracebacks; none where there is none."""
    try:
        text = (folder / LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line and not line.startswith(" ")]
