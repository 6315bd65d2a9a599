"""Straggler models, one file each, found by name."""

from __future__ import annotations

import sys
from collections.abc import Callable

from coded_dgd import registry, spec
from coded_dgd.delays.base import DelayModel


def names() -> list[str]:
    """Return the names of all delay models."""
    return registry.names(sys.modules[__name__])


def create(text: str, seed: int) -> DelayModel:
    """Build the delay model of ``name:key=value,...``; a lone value is its first parameter.

    Raises
    ------
    UsageError
        For an unknown name or parameter, or a value out of range.
    """
    name, given = spec.split(text)
    model = registry.find(sys.modules[__name__], name, DelayModel, "delay")
    if "" in given and model.parameters:
        given.setdefault(next(iter(model.parameters)), given.pop(""))
    values = {
        key: spec.take(given, key, convert, default)
        for key, (convert, default) in model.parameters.items()
    }
    spec.refuse_rest(name, given, model.parameters)
    build: Callable[..., DelayModel] = model
    return build(seed=seed, **values)
