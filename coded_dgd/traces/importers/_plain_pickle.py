"""Pickles of plain values are read without running anything that they name.

A pickle is a program that may call any function that can be imported. This reader knows two names,
those with which numpy writes a number, and puts functions of its own in their place. Every other
name is refused.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from coded_dgd.errors import DataError

MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
"""Modules from which numpy 1 and numpy 2 pickle a number."""
NUMBERS = ("b", "i", "u", "f")
"""Kinds of numpy types that are read."""


class _Type:
    """A numpy type of numbers, such as ``f8``."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if not isinstance(code, str) or code[:1] not in NUMBERS or not code[1:].isdecimal():
            raise ValueError("a value of numpy is no number")
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError("a value of numpy has no byte order")
        self.order = state[1]


def _number(kind: _Type, content: bytes) -> Any:
    """Return a number from its bytes."""
    (number,) = np.frombuffer(content, kind.order + kind.code).tolist()
    return number


class _PlainUnpickler(pickle.Unpickler):
    """This unpickler refuses every name that a pickle of plain values does not need."""

    path = Path()
    """File that is read, for errors."""

    def find_class(self, module: str, name: str) -> Any:
        if module in MODULES and name == "dtype":
            return _Type
        if module in MODULES and name == "scalar":
            return _number
        raise DataError(
            f"{self.path} names {module}.{name}, which is not loaded, as it might run a program: "
            "write a pickle of lists, dicts, texts and numbers alone"
        )


def read_plain(path: Path) -> Any:
    """Return the content of a pickle of lists, dicts, texts and numbers.

    Raises
    ------
    DataError
        If the pickle names anything else.
    Exception
        If the pickle is damaged. The type depends on the damage.
    """
    with path.open("rb") as file:
        reader = _PlainUnpickler(file)
        reader.path = path
        return reader.load()
