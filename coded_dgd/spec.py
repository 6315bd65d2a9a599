"""The small syntax of ``--delay``, ``--data``, ...: ``name:key=value,key=value,value``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from coded_dgd.errors import UsageError

T = TypeVar("T")


def nearest(name: str, known: Collection[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known name closest to `name`, or nothing."""
    import difflib  # only after an error: workers import this module

    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def listed(text: str) -> list[str]:
    """Split a list of names at its commas, except at those between the options of one name.

    Examples
    --------
    >>> listed("gc,my_scheme:Mine:spice=2,pepper=1,uc-mmc")
    ['gc', 'my_scheme:Mine:spice=2,pepper=1', 'uc-mmc']
    """
    found: list[str] = []
    for part in text.split(","):
        before, equals, _ = part.partition("=")
        if equals and ":" not in before and found:
            found[-1] += f",{part}"
        else:
            found.append(part)
    return found


def terms(text: str) -> list[str]:
    """Split a sum of specifications, ``A + B + ...``, with spaces around each plus.

    A plus belongs to a path unless a name follows that ends the text or precedes a colon or a plus.

    Examples
    --------
    >>> terms("pareto:shape=3 + bernoulli:p=0.1,slow=1")
    ['pareto:shape=3', 'bernoulli:p=0.1,slow=1']
    >>> terms("trace:a + b.npy + pareto")
    ['trace:a + b.npy', 'pareto']
    """
    return re.split(r"\s+\+\s+(?=[a-z][a-z0-9-]*(?::|\s+\+\s|\s*$))", text)


def split(text: str) -> tuple[str, dict[str, str]]:
    """Split ``name:key=value,...`` into the name and its parameters.

    A value without a key continues the previous one, so ``ranks=1,3,factor=20`` gives
    ``{"ranks": "1,3", "factor": "20"}``. A first value without a key has the key "".

    Raises
    ------
    UsageError
        A parameter is given twice.

    Examples
    --------
    >>> split("persistent:ranks=1,3,factor=20")
    ('persistent', {'ranks': '1,3', 'factor': '20'})
    """
    name, _, rest = text.partition(":")
    return name, _parameters(text, rest)


def path_and(key: str, text: str) -> tuple[str, str | None]:
    """Split ``path,key=value`` into the path, which may have commas, and the value if there is one.

    Examples
    --------
    >>> path_and("per", "runs/a,b.npy,per=share")
    ('runs/a,b.npy', 'share')
    >>> path_and("per", "runs/a,b.npy")
    ('runs/a,b.npy', None)
    >>> path_and("per", "per=share")
    ('', 'share')
    """
    path, found, value = f",{text}".rpartition(f",{key}=")
    if found and not set(value) & {"/", ",", "="}:
        return path.removeprefix(","), value
    return text, None


def named(text: str) -> tuple[str, dict[str, str]]:
    """Split as `split` does, with a name that may also be an import path ``module:Class``.

    Raises
    ------
    UsageError
        A parameter is given twice, or without a key.

    Examples
    --------
    >>> named("huber:delta=2")
    ('huber', {'delta': '2'})
    >>> named("my_losses:Huber:delta=2")
    ('my_losses:Huber', {'delta': '2'})
    """
    name, colon, rest = text.partition(":")
    member, _, parameters = rest.partition(":")
    if colon and "=" not in member:
        if member and not member.isidentifier():
            raise UsageError(f"{text!r}: give parameters as key=value, as in {name}:key={member}")
        name, rest = f"{name}:{member}", parameters
    return name, _parameters(text, rest)


def _parameters(text: str, rest: str) -> dict[str, str]:
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
    return parameters


def take(parameters: dict[str, str], key: str, convert: Callable[[str], T], default: T) -> T:
    """Remove `key` from `parameters` and return it converted, or `default` if it is absent.

    Raises
    ------
    UsageError
        The value cannot be converted.
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
    """Refuse parameters that are left over.

    Raises
    ------
    UsageError
        A parameter is left; the message names the nearest of the `known` ones.
    """
    for key in parameters:
        accepted = ", ".join(known) if known else "none"
        raise UsageError(
            f"{name} has no parameter {key or parameters[key]!r}{nearest(key, known)}; "
            f"it takes: {accepted}"
        )


def arguments(
    noun: str, name: str, parameters: Mapping[str, str], build: Callable[..., object]
) -> dict[str, Any]:
    """Return keyword arguments of a constructor from text, converted as its signature says.

    Omitted parameters keep their defaults. Types are the annotations int, float, bool and str, or a
    union of one of them with None, which is written "none". Without an annotation the type is that
    of the default. Parameters of other types, and those that `functools.partial` has bound by
    position, cannot be given.

    Parameters
    ----------
    noun : str
        What `build` makes, such as "objective".
    name : str
        Name of `build` for the user.

    Raises
    ------
    UsageError
        A parameter does not exist, or its text is no value of its type.

    Examples
    --------
    >>> def huber(delta: float = 1.35, mean: bool = False) -> None: ...
    >>> arguments("objective", "huber", {"delta": "2"}, huber)
    {'delta': 2.0}
    """
    if not parameters:
        return {}
    taken = {
        each.name: types
        for each in inspect.signature(build).parameters.values()
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY) and (types := _types(each))
    }
    refuse_rest(f"{noun} {name}", {k: v for k, v in parameters.items() if k not in taken}, [*taken])
    return {
        key: _converted(f"{noun} {name}", key, text, taken[key]) for key, text in parameters.items()
    }


WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""Texts that stand for a truth value."""
KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text"}
"""Types that a parameter may have, with a description of their values."""
TYPES = {*KINDS, "None"}


def _types(parameter: inspect.Parameter) -> list[str]:
    """Return the names of those of `KINDS`, and of None, that a parameter may be."""
    annotation, default = parameter.annotation, parameter.default
    if annotation is parameter.empty:
        annotation = str if default in (parameter.empty, None) else type(default)
    # also deferred: modules imported only for annotations may be missing
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    words = set(re.findall(r"\w+", text.replace("Optional", "None"))) - {"typing", "Union"}
    return [kind for kind in [*KINDS, "None"] if kind in words] if words <= TYPES else []


def _converted(owner: str, key: str, text: str, types: list[str]) -> Any:
    if "None" in types and text.lower() == "none":
        return None
    for kind in types:
        try:
            if kind == "bool":
                return WORDS[text.lower()]
            if kind != "None":
                return {"int": int, "float": float, "str": str}[kind](text)
        except (ValueError, KeyError):
            continue
    wanted = " or ".join("none" if kind == "None" else KINDS[kind] for kind in types)
    raise UsageError(f"{owner}: {key}={text} is not {wanted}: give that, or leave {key} out")
