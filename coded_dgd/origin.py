"""The folder in which a run was started, to which relative paths of its configuration refer.

It is a comment in the first line of ``config.toml``, so that older versions can read the file, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from coded_dgd import registry, spec
from coded_dgd.files import matching

LINE = "# relative paths are understood from "
PATHS = {"data": "", "weights": "", "start": "", "validation": "", "delay": "trace:"}
"""Options that may hold a path, with the prefix of the path; a number is none."""
NO_PATH = "synthetic:"
PLUS = " + "
"""What is between the laws of a delay."""
CLASSES = ("scheme", "objective", "optimizer")
"""Options that may hold MODULE:CLASS."""


class Part(NamedTuple):
    """A part of the value of an option holds at most one path."""

    text: str
    """The whole text of the part."""
    prefix: str = ""
    path: Path | None = None
    after: str = ""
    """What follows the path."""


def header(folder: Path | None = None) -> str:
    """Return the line that records where a run was started, by default the current folder."""
    with suppress(OSError):  # the current folder may have been removed
        return f"{LINE}{json.dumps(str(folder or Path.cwd()))}\n".replace("\x7f", "\\u007f")
    return ""


def of(text: str) -> Path | None:
    """Return where a run was started, from its configuration; None if unknown or here."""
    first = text.lstrip("\ufeff").partition("\n")[0]
    try:
        folder = Path(json.loads(first.removeprefix(LINE))) if first.startswith(LINE) else None
        known = folder is not None and folder.is_dir() and not folder.samefile(Path.cwd())
    except (OSError, ValueError, TypeError):
        return None
    return folder if known else None


def located(options: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Return options with the paths that are relative to a folder as absolute ones.

    A path without a file there stays relative to the current folder. Modules of that folder can be
    imported from then on.
    """
    found = dict(options)
    if folder is None:
        return found
    for name, value in options.items():
        found[name] = _moved(name, value, lambda path: _inside(folder, path))
    if any(":" in str(options.get(name)) for name in CLASSES):
        registry.search(folder)
    return found


def relative(options: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Return options as they are written for a folder, the reverse of `located`."""
    found = dict(options)
    if folder is None:
        return found
    for name, value in options.items():
        found[name] = _moved(name, value, lambda path: _seen_from(folder, path))
    return found


def is_gone(name: str, value: Any) -> bool:
    """Return whether the value of an option names a file that does not exist."""
    return any(part.path is not None and not _is_there(part.path) for part in _parts(name, value))


def same(name: str, value: Any, other: Any) -> bool:
    """Return whether two values of an option mean the same, such as two paths of one file."""
    if value == other:
        return True
    parts, others = _parts(name, value), _parts(name, other)
    return len(parts) == len(others) > 0 and all(map(_same, parts, others))


def _same(part: Part, other: Part) -> bool:
    if part.path is None or other.path is None or part.after != other.after:
        return part.text == other.text
    try:
        return part.path.absolute() == other.path.absolute() or part.path.samefile(other.path)
    except (OSError, ValueError):
        return False


def _moved(name: str, value: Any, move: Callable[[Path], Path]) -> Any:
    """Return the value of an option with other paths in place of those that it holds."""
    parts = _parts(name, value)
    return PLUS.join(_with(part, move) for part in parts) if parts else value


def _with(part: Part, move: Callable[[Path], Path]) -> str:
    if part.path is None or (moved := move(part.path)) == part.path:
        return part.text
    return f"{part.prefix}{moved}{part.after}"


def _inside(folder: Path, path: Path) -> Path:
    """Return a relative path as an absolute one if it is in the folder."""
    return folder / path if not path.is_absolute() and _is_there(folder / path) else path


def _seen_from(folder: Path, path: Path) -> Path:
    whole = path.absolute()
    return whole.relative_to(folder) if whole.is_relative_to(folder) else whole


def _is_there(path: Path) -> bool:
    """Return whether a path, or a file of a pattern, exists; False for an impossible path."""
    try:
        return path.exists() or bool(matching(path))
    except (OSError, ValueError):
        return False


def _parts(name: str, value: Any) -> list[Part]:
    """Return the parts of the value of an option that may hold a path, or nothing.

    The laws of a delay are such parts.
    """
    prefix = PATHS.get(name)
    if prefix is None or not isinstance(value, str):
        return []
    return [_split(prefix, part) for part in (spec.terms(value) if prefix else [value])]


def _split(prefix: str, value: str) -> Part:
    if not value.startswith(prefix):
        return Part(value)
    text, after = value.removeprefix(prefix), ""
    if prefix:  # a delay, which may have a unit of work
        path, per = spec.path_and("per", text.removeprefix("file="))
        text, after = path, "" if per is None else f",per={per}"
    if not text or text.startswith(NO_PATH) or re.fullmatch("[0-9]*[.]?[0-9]+", text):
        return Part(value)
    return Part(value, prefix, Path(text), after)
