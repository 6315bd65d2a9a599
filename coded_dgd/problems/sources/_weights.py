"""Sample weights: one number, 0 or more, for each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from coded_dgd.errors import DataError, one_line, shown
from coded_dgd.problems.sources.base import LARGEST, Floats, refuse_unreal
from coded_dgd.problems.sources.npy import read_array


def sample_weights(name: str, given: Any, rows: int) -> Floats:
    """Return checked sample weights, of shape (m,).

    Parameters
    ----------
    name : str
        Name of the weights in errors.
    given : (m,) or (m, 1) array
    rows : int
        Number m of rows of the data.

    Raises
    ------
    DataError
        If there is not one weight for each row, or a weight is negative, NaN, infinite or larger
        than `LARGEST`, or all are 0.
    """
    refuse_unreal(name, given.dtype)
    if given.shape not in ((rows,), (rows, 1)):
        raise DataError(
            f"{name} has shape {given.shape}, and the data have {rows} rows: give one weight for "
            "each row"
        )
    with np.errstate(over="ignore"):  # wider floats may become infinite; refused below
        weights = np.array(given, np.float64).reshape(-1)
    usable = (weights >= 0) & (weights <= LARGEST)  # NaN is not usable
    if not usable.all():
        row = int(usable.argmin())
        raise DataError(
            f"{name}, row {row + 1}: the weight {weights[row]:g} is not a number from 0 to "
            f"{LARGEST:g}: give 0 to leave the row out"
        )
    if not weights.any():
        raise DataError(f"{name}: all weights are 0: give at least one row a weight above 0")
    return weights


def read_weights(path: Path, rows: int) -> Floats:
    """Return the weights in a .npy file of shape (m,), or in text with one number in each line.

    Raises
    ------
    DataError
        If the file cannot be read, or has other content; see `sample_weights`.
    """
    name = f"--weights {path}"
    try:
        if path.suffix == ".npy":
            with path.open("rb") as file:
                given = read_array(file, name, path.stat().st_size, mapped=False)
        else:
            given = _numbers(name, path.read_text(encoding="utf-8-sig").rstrip().splitlines())
    except UnicodeDecodeError:
        raise DataError(
            f"{name} is no text: write one number in each line, or .npy with numpy.save"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise DataError(
            f"{name} cannot be read ({one_line(error)}): check the path and its permissions"
        ) from None
    return sample_weights(name, given, rows)


def _numbers(name: str, lines: list[str]) -> Floats:
    try:
        return np.array(lines, np.float64)
    except ValueError:
        for place, line in enumerate(lines):
            try:
                float(line)
            except ValueError:
                raise DataError(
                    f"{name}, line {place + 1}: {shown(line)} is no number: write one number in "
                    "each line"
                ) from None
        raise
