"""The small syntax of ``--delay`` and ``--data``: ``name:key=value,key=value,value``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from coded_dgd.errors import UsageError

T = TypeVar("T")


def nearest(name: str, known: Collection[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known name closest to `name`, or nothing."""
    import difflib  # not where nothing is wrong: workers import this module

    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def split(text: str) -> tuple[str, dict[str, str]]:
    """Split ``name:key=value,...`` into the name and its parameters.

    A value without a key of its own continues the one before it, so ``ranks=1,3,factor=20``
    gives ``{"ranks": "1,3", "factor": "20"}``; a first value without a key has the key "".

    Raises
    ------
    UsageError
        If a parameter is given twice.

    Examples
    --------
    >>> split("persistent:ranks=1,3,factor=20")
    ('persistent', {'ranks': '1,3', 'factor': '20'})
    """
    name, _, rest = text.partition(":")
    parameters: dict[str, str] = {}
    last = ""
    for item in filter(None, rest.split(",")):
        key, equals, value = item.partition("=")
        if equals:
            if key in parameters:
                raise UsageError(f"{text!r} gives {key!r} twice: keep one of them")
            parameters[key] = value
            last = key
        else:
            parameters[last] = f"{parameters[last]},{item}" if last in parameters else item
    return name, parameters


def take(parameters: dict[str, str], key: str, convert: Callable[[str], T], default: T) -> T:
    """Remove `key` from `parameters` and return it converted, or `default` where it is absent.

    Raises
    ------
    UsageError
        If the value cannot be converted.
    """
    text = parameters.pop(key, None)
    if text is None:
        return default
    try:
        return convert(text)
    except ValueError:
        what = {"float": "a number", "int": "a whole number"}.get(
            convert.__name__, convert.__name__
        )
        raise UsageError(f"{key}={text} is not {what}: give one, or leave {key} out") from None


def refuse_rest(name: str, parameters: dict[str, str], known: Collection[str]) -> None:
    """Refuse parameters that nothing has taken.

    Raises
    ------
    UsageError
        If any is left; names the nearest of the `known` ones.
    """
    for key in parameters:
        accepted = ", ".join(known) if known else "none"
        raise UsageError(
            f"{name} has no parameter {key or parameters[key]!r}{nearest(key, known)}; "
            f"it takes: {accepted}"
        )
