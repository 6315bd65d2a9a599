"""This module makes new folders for results; it never overwrites an existing one."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from coded_dgd.errors import UsageError
from coded_dgd.files import writing

RUNS = Path("runs")
"""Folder in which new folders are made unless ``--out`` names another place."""


def new_folder(path: Path | None, name: str) -> Path:
    """Make the folder `path` or, if it is None, a new one below ``runs``, named after `name`.

    Raises
    ------
    UsageError
        If the folder exists, or cannot be made.
    StorageError
        If the disk is full or fails.
    """
    given = path is not None
    if path is None:
        path = RUNS / f"{datetime.now().strftime('%Y%m%d-%H%M%S')}-{name}"
    stem, number = path, 1
    while True:
        try:
            with writing(path, "name one that can with --out"):
                path.mkdir(parents=True)
            return path
        except UsageError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
        if given:
            raise UsageError(f"--out {path} exists and is not overwritten: name a new folder")
        number += 1
        path = stem.with_name(f"{stem.name}-{number}")


def remove_folder(path: Path) -> None:
    """Remove the folder and its files, and also ``runs`` if it is then empty.

    This is called while an error is being handled, so what cannot be removed is left in place.
    """
    with suppress(OSError):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
        if path.parent == RUNS and not any(RUNS.iterdir()):
            RUNS.rmdir()
