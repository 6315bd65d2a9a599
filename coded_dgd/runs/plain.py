"""This module reads dataclasses of plain values from JSON and checks their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from numbers import Integral, Real
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from coded_dgd.kinds import fits

T = TypeVar("T")
KINDS = {float: Real, int: Integral}
"""Numeric type that a field of each type accepts; a float field accepts a whole number."""


def read(declared: type[T], values: Any) -> T:
    """Build a dataclass from a JSON object; keys without a field are ignored.

    Parameters
    ----------
    declared : type
        A dataclass. Its fields are of plain types, dataclasses, lists and dicts of these with text
        as keys, unions of one of them with None, or `Any`. A field with a default may be missing.

    Raises
    ------
    ValueError
        If a key is missing, or a value is of another type. The message names the field.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{declared.__name__} is no object")
    found = {}
    for name, (kind, required) in _fields(declared).items():
        if name in values:
            try:
                found[name] = _value(kind, values[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        elif required:
            raise ValueError(f"{name} is missing")
    return declared(**found)


def _fields(declared: Any) -> dict[str, tuple[Any, bool]]:
    """Return the type of each field, and whether the field is required."""
    kinds = get_type_hints(declared)
    return {
        field.name: (
            kinds[field.name],
            field.default is MISSING and field.default_factory is MISSING,
        )
        for field in fields(declared)
    }


def _value(kind: Any, value: Any) -> Any:
    """Return a JSON value as `kind`."""
    if kind is Any:
        return value
    container, inner = get_origin(kind), get_args(kind)
    if container is list:
        return [_value(inner[0], each) for each in _of(list, value)]
    if container is dict:
        return {key: _value(inner[1], each) for key, each in _of(dict, value).items()}
    if inner:  # a union with None
        (one,) = (each for each in inner if each is not NoneType)
        return None if value is None else _value(one, value)
    if hasattr(kind, "__dataclass_fields__"):
        return read(kind, value)
    return _of(KINDS.get(kind, kind), value)


def _of(kind: Callable[..., Any], value: Any) -> Any:
    if not fits(value, (kind,)):  # type: ignore[arg-type]
        raise ValueError("this is of another type")
    return value
