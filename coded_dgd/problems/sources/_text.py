"""What the readers of text formats share: numbered lines, and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from coded_dgd.errors import DataError


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers from 1.

    Raises
    ------
    DataError
        If the file is not UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if "\0" in line:
                    raise DataError(f"{path}, line {number}, is not text: save it as UTF-8 text")
                if not line.isspace():
                    yield number, line
    except UnicodeDecodeError:
        raise DataError(f"{path} is not text in UTF-8: save it as UTF-8 text") from None


def to_number(token: str) -> float:
    """Return the number that the token is; Python's own ``1_000`` is none.

    Raises
    ------
    ValueError
        If it is none.
    """
    if "_" in token:
        raise ValueError(token)
    return float(token)


def is_number(token: str) -> bool:
    """Return whether the token is a number."""
    try:
        to_number(token)
    except ValueError:
        return False
    return True
