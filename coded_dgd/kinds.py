"""Check that plain values, such as those of JSON and TOML, have the types that a class declares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import Any

_KINDS = {
    "int": Integral,
    "float": Real,
    "str": str,
    "bool": bool,
    "Path": Path,
    "dict[str, float]": dict,
    "None": NoneType,
}
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "Path": "a path",
}


def misfit(values: Mapping[str, Any], declared: type) -> str | None:
    """Return the name of the first value that is not of its declared type; None if all are.

    Parameters
    ----------
    declared : type
        A class that annotates its fields with ``int``, ``float``, ``str``, ``bool``, ``Path``,
        ``dict[str, float]``, ``None`` and unions of these. Numpy numbers are accepted as such, too.
        A bool is no number. A whole number is a float if a float can be that large. A field of any
        other type accepts no plain value.
    """
    kinds = _declared(declared)
    for name, value in values.items():
        if name not in kinds or not fits(value, kinds[name]):
            return name
        if isinstance(value, dict) and not all(fits(each, (Real,)) for each in value.values()):
            return name
    return None


def wanted(name: str, declared: type) -> str:
    """Return a description of the values that a field accepts."""
    kinds = _declared(declared)[name]
    return " or ".join(word for kind, word in _WORDS.items() if _KINDS[kind] in kinds)


@lru_cache
def _declared(declared: type) -> dict[str, tuple[type, ...]]:
    written = {
        name: str(getattr(annotation, "__forward_arg__", annotation))  # as named tuples keep it
        for name, annotation in declared.__annotations__.items()
    }
    found = {name: [kind.strip() for kind in each.split("|")] for name, each in written.items()}
    return {
        name: tuple(_KINDS[kind] for kind in kinds)
        for name, kinds in found.items()
        if _KINDS.keys() >= set(kinds)
    }


def fits(value: Any, kinds: tuple[type, ...]) -> bool:
    """Return whether a value is of one of these kinds, as in `misfit`, with `Real` for float."""
    if isinstance(value, bool):
        return bool in kinds
    if not isinstance(value, kinds):
        return False
    if Real in kinds and isinstance(value, Real):
        try:
            float(value)
        except OverflowError:
            return False
    return True
