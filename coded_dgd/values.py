"""Values of options are converted to the types that they are declared with, and checked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from numbers import Integral, Real
from os import PathLike, fsdecode
from typing import Any

import numpy as np

from coded_dgd.errors import UsageError, shown
from coded_dgd.kinds import misfit, wanted

TEXT_OR_NUMBER = ("step_size", "batch", "p", "label", "copies", "validation")
"""Options whose text may be a number."""
PATHS = ("data", "weights", "start", "validation")
"""Options that may be given as a path."""


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in the types that a configuration holds.

    Numbers become Python's, or text if the option takes text. Paths, a numpy type
    and the truth value of ``header`` become text. Other values stay as they are.
    """
    return {name: _plain(name, value) for name, value in values.items()}


def _plain(name: str, value: Any) -> Any:
    try:
        if isinstance(value, (bool, np.bool_)):
            return bool(value) if name != "header" else "yes" if value else "no"
        if isinstance(value, Real):
            nearest_float = float(value)  # raises if there is none
            number = int(value) if isinstance(value, Integral) else nearest_float
            return str(number) if name in TEXT_OR_NUMBER else number
        if name == "dtype" and isinstance(value, (type, np.dtype)):
            return np.dtype(value).name
        path = name in PATHS and isinstance(value, PathLike)
        return fsdecode(value) if path else value
    except (OverflowError, TypeError, ValueError):
        return value


def refuse_misfit(values: Mapping[str, Any], where: str, declared: type) -> None:
    """Refuse an option whose value is not of the type that a class declares for it.

    Parameters
    ----------
    where : str
        Beginning of the message, before the name.
    declared : type
        A class that annotates a field for each option; see `kinds.misfit`.

    Raises
    ------
    UsageError
        A value has the wrong type; the message names the first one.
    """
    name = misfit(values, declared)
    if name is not None:
        option = name.replace("_", "-") if where == "--" else name
        what = "text or a number" if name in TEXT_OR_NUMBER else wanted(name, declared)
        raise UsageError(f"{where}{option} has to be {what}, not {shown(values[name])}")


def refuse_unwritable(values: Mapping[str, Any]) -> None:
    """Refuse text that cannot be written into a text file, as some names of files cannot.

    Raises
    ------
    UsageError
        The message names the first such option, and the remedy.
    """
    for name, value in values.items():
        if isinstance(value, str) and not _is_text(value):
            raise UsageError(f"--{name.replace('_', '-')} {_not_text(value)}")


def _is_text(value: str) -> bool:
    """Return whether a text can be written into a text file; some file names cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_text(value: str) -> str:
    """Return what is wrong with a text that cannot be written into a file, with the remedy."""
    try:
        name = os.fsencode(value).decode()
    except UnicodeError:
        return f"{value!r} is not valid UTF-8: rename the file"
    return (
        f"{name!a} is read as {sys.getfilesystemencoding()} under this locale: export "
        "PYTHONUTF8=1, or LC_ALL=C.UTF-8"
    )
