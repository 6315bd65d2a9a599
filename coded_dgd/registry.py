"""One thing per file, found by its name: no list of schemes or delays that could forget one.

Module ``lcc_mmc`` of a package is found as ``lcc-mmc``; it holds one public class of the package's
base. Modules that begin with an underscore, and ``base``, hold what the others share.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import TypeVar

from coded_dgd.errors import UsageError
from coded_dgd.spec import nearest

T = TypeVar("T")


def names(package: ModuleType) -> list[str]:
    """Return the names of everything the package offers, sorted."""
    modules = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(
        name.replace("_", "-") for name in modules if not name.startswith("_") and name != "base"
    )


def find(package: ModuleType, name: str, base: type[T], noun: str) -> type[T]:
    """Return the class of that name.

    Raises
    ------
    UsageError
        If there is none; names the nearest one.
    """
    known = names(package)
    if name not in known:
        raise UsageError(
            f"unknown {noun} {name!r}{nearest(name, known)}; there are: {', '.join(known)}"
        )
    module = importlib.import_module(f"{package.__name__}.{name.replace('-', '_')}")
    for member in vars(module).values():
        if (
            inspect.isclass(member)
            and issubclass(member, base)
            and member.__module__ == module.__name__
        ):
            return member
    raise TypeError(f"{module.__name__} holds no {base.__name__}")
