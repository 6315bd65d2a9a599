"""The folder in which a run was started, to which relative paths of its configuration refer.

It is a comment in the first line of ``config.toml``, so that older versions can read the file, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from coded_dgd import registry, spec

LINE = "# relative paths are understood from "
PATHS = {"data": "", "weights": "", "delay": "trace:"}
"""Options that may hold a path, with the prefix of the path."""
NO_PATH = "synthetic:"
CLASSES = ("scheme", "objective", "optimizer")
"""Options that may hold MODULE:CLASS."""


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
        before, path, after = _split(name, value)
        if path and not path.is_absolute() and _is_there(folder / path):
            found[name] = f"{before}{folder / path}{after}"
    if any(":" in str(options.get(name)) for name in CLASSES):
        registry.search(folder)
    return found


def relative(options: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Return options as they are written for a folder, the reverse of `located`."""
    found = dict(options)
    for name, value in options.items():
        before, path, after = _split(name, value)
        if path and folder:
            whole = path.absolute()
            inside = whole.relative_to(folder) if whole.is_relative_to(folder) else whole
            found[name] = f"{before}{inside}{after}"
    return found


def is_gone(name: str, value: Any) -> bool:
    """Return whether the value of an option names a file that does not exist."""
    path = _split(name, value)[1]
    return path is not None and not _is_there(path)


def same(name: str, value: Any, other: Any) -> bool:
    """Return whether two values of an option mean the same, such as two paths of one file."""
    _, path, after = _split(name, value)
    _, another, after_another = _split(name, other)
    if value == other or path is None or another is None or after != after_another:
        return bool(value == other)
    try:
        return path.samefile(another)
    except (OSError, ValueError):
        return False


def _is_there(path: Path) -> bool:
    """Return whether a path exists; False for an impossible path."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _split(name: str, value: Any) -> tuple[str, Path | None, str]:
    """Return the prefix of the path that an option holds, the path if any, and what follows it."""
    prefix = PATHS.get(name)
    if prefix is None or not isinstance(value, str) or not value.startswith(prefix):
        return "", None, ""
    text, after = value.removeprefix(prefix), ""
    if prefix:  # a delay, which may have a unit of work
        path, per = spec.path_and("per", text.removeprefix("file="))
        text, after = path, "" if per is None else f",per={per}"
    if not text or text.startswith(NO_PATH):
        return "", None, ""
    return prefix, Path(text), after
