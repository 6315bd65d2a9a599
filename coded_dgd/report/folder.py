"""New folders for results: nothing is ever overwritten."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from coded_dgd.errors import UsageError

RUNS = Path("runs")
"""Where folders are made unless ``--out`` says otherwise."""


def new_folder(path: Path | None, name: str) -> Path:
    """Make the folder `path`; where none is given, a new one below ``runs``, named after `name`.

    Raises
    ------
    UsageError
        If it exists, or cannot be made.
    """
    given = path is not None
    if path is None:
        path = RUNS / f"{datetime.now().strftime('%Y%m%d-%H%M%S')}-{name}"
    stem, number = path, 1
    while True:
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            if given:
                raise UsageError(
                    f"--out {path} exists and is not overwritten: name a new folder"
                ) from None
            number += 1
            path = stem.with_name(f"{stem.name}-{number}")
        except OSError as error:
            raise UsageError(
                f"the folder {path} cannot be made ({error.strerror}): name one that can with --out"
            ) from None


def remove_folder(path: Path) -> None:
    """Remove the folder and the files in it, and ``runs`` where nothing else is left there."""
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    if path.parent == RUNS and not any(RUNS.iterdir()):
        RUNS.rmdir()
