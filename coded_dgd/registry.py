"""Find a class by name, one per file: no list of schemes or delays must be kept up to date.

Module ``lcc_mmc`` of a package is found as ``lcc-mmc``; it holds one public class of the package's
base. Modules that begin with an underscore, and those of `SHARED`, hold what the others share.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeGuard, TypeVar, cast

from coded_dgd.errors import CodedDGDError, UsageError
from coded_dgd.spec import nearest

T = TypeVar("T")

SHARED = ("base", "rules", "counters", "remedies", "dynamic", "progress")
"""Public modules of a package that offer nothing under their own names."""

searched: list[str] = []
"""Folders from which modules are imported before the current one, also on workers."""


def names(package: ModuleType) -> list[str]:
    """Return the names of everything the package offers, sorted."""
    modules = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(
        name.replace("_", "-")
        for name in modules
        if not name.startswith("_") and name not in SHARED
    )


def find(package: ModuleType, name: str, base: type[T], noun: str) -> type[T]:
    """Return the class of that name, or at the import path ``module:Class``.

    Raises
    ------
    UsageError
        No such class exists; the message names the nearest one.
    """
    if ":" in name:
        return _class(member(name, noun), name, base, noun)
    known = names(package)
    if name not in known:
        raise UsageError(
            f"unknown {noun} {name!r}{nearest(name, known)}; there are: {', '.join(known)}"
        )
    module = importlib.import_module(f"{package.__name__}.{name.replace('-', '_')}")
    for each in vars(module).values():
        if _is_subclass(each, base) and each.__module__ == module.__name__:
            return each
    raise TypeError(f"{module.__name__} holds no {base.__name__}")


def _is_subclass(member: object, base: type[T]) -> TypeGuard[type[T]]:
    """Return whether a member of a module is a class of that base.

    ``inspect.isclass`` does not suffice: Python 3.10 counts aliases such as ``list[int]`` as
    classes, which ``issubclass`` then refuses.
    """
    return issubclass(type(member), type) and issubclass(cast("type[object]", member), base)


def search(folder: Path | str) -> None:
    """Import modules from a folder, too, before the current one."""
    _search_here()
    if str(folder) not in searched:
        searched.append(str(folder))
        sys.path.insert(0, str(folder))


def _search_here() -> None:
    if "" not in sys.path:
        sys.path.insert(0, "")


def member(path: str, noun: str) -> object:
    """Return what an import path ``module:name`` names, also in the current folder.

    Raises
    ------
    UsageError
        The module cannot be imported, or has no such member.
    """
    module, _, name = path.partition(":")
    _search_here()
    try:
        found: object = getattr(importlib.import_module(module), name)
    except CodedDGDError as error:  # which names the remedy
        raise UsageError(f"{noun} {path!r} cannot be imported: {error}") from None
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        raise UsageError(
            f"{noun} {path!r} cannot be imported ({type(error).__name__}: {error}): "
            f"{_remedy(module, error)}"
        ) from None
    return found


def _remedy(module: str, error: BaseException) -> str:
    """Return what to do about an error at the import of a user's module."""
    lacking = error.name if isinstance(error, ModuleNotFoundError) else None
    if lacking is None or module.split(".")[0] == lacking.split(".")[0]:
        return "give MODULE:CLASS of one that can"
    return f"install {lacking}, which it imports"


def _class(found: object, path: str, base: type[T], noun: str) -> type[T]:
    """Return a member of a user's module if it is a complete class of that base."""
    if not _is_subclass(found, base):
        raise UsageError(f"{path!r} is no {noun}: it has to be a subclass of {base.__name__}")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise UsageError(f"{noun} {path!r} is not complete: it has to define {missing}")
    return found
