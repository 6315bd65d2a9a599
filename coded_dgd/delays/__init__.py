"""This package holds the delay models, one file each; they are found by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import isfinite

import numpy as np

from coded_dgd import registry, spec
from coded_dgd.delays.base import DelayModel, unit_of_work
from coded_dgd.errors import UsageError, naming

SMALLEST, LARGEST = 1e-100, 1e100
"""Range of parameters other than 0 and inf, which keeps sums and squares of times finite."""


def names() -> list[str]:
    """Return the names of all delay models."""
    return registry.names(sys.modules[__name__])


def create(text: str, seed: int) -> DelayModel:
    """Build the delay model of ``name:key=value,...``; a lone value is its first parameter.

    Every model takes ``per=task`` or ``per=share``, which becomes its `DelayModel.per`. In
    ``BASE + OVERHEAD`` each further law adds a start-up overhead, see `_composed.Composed`.

    Raises
    ------
    UsageError
        If a name or parameter is unknown, or a value is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> delay = create("persistent:ranks=1,3,factor=20", seed=0)
    >>> work = np.array([1.0, 2.0])  # tasks done by then
    >>> delay.finish_times(iteration=0, worker=0, work=work).round(6).tolist()
    [0.2, 0.4]
    >>> delay.finish_times(iteration=0, worker=1, work=work).round(6).tolist()
    [0.01, 0.02]
    """
    base, *overheads = spec.terms(text)
    with naming(f"--delay {text}"):
        model = _create(base, seed)
        for number, overhead in enumerate(overheads, 1):
            model = _plus(model, overhead, _seed_of(number, seed))
        return model


def per_of(text: str) -> str | None:
    """Return the unit of work that a delay names, without reading the file of a trace.

    Raises
    ------
    UsageError
        If the name of the model or the unit is unknown.
    """
    with naming(f"--delay {text}"):
        return _parse(spec.terms(text)[0])[2]


def in_unit(text: str, per: str) -> str:
    """Return the delay with a unit of work, unless it names one already or delays no task."""
    base, *overheads = spec.terms(text)
    model, _, named = _parse(base)
    if named is not None or not model.injects:
        return text
    return " + ".join([f"{base}{',' if ':' in base else ':'}per={per}", *overheads])


def _parse(text: str) -> tuple[type[DelayModel], dict[str, str], str | None]:
    """Return the class, its parameters as text, and the unit of work if there is one."""
    name, _, rest = text.partition(":")
    if "+" in name:
        raise UsageError(f"{name!r} is no delay: put a space before and after the plus of a sum")
    model = registry.find(sys.modules[__name__], name, DelayModel, "delay")
    first = next(iter(model.parameters), "")
    if model.takes_path:
        path, per = spec.path_and("per", rest)
        given = {first: path.removeprefix(f"{first}=")}
    else:
        _, given = spec.split(text)
        per = given.pop("per", None)
    return model, given, None if per is None else unit_of_work(per)


def _plus(base: DelayModel, text: str, seed: int) -> DelayModel:
    """Add a start-up overhead of the law of this text to a delay model.

    Raises
    ------
    UsageError
        If the law delays nothing, or names a unit of work.
    """
    from coded_dgd.delays._composed import Composed  # few workers need it

    overhead = _create(text, seed)
    if not overhead.injects:
        raise UsageError(f"{text} adds nothing to another delay: leave it out")
    if overhead.per is not None:
        raise UsageError(
            f"{text}: an overhead is no work: give per={overhead.per} to the first delay"
        )
    return Composed(base, overhead)


def _seed_of(number: int, seed: int) -> int:
    """Return the seed of a further law, whose draws are independent of those of the others."""
    sequence = np.random.SeedSequence(seed, spawn_key=(23, number))
    return int(sequence.generate_state(1, np.uint64)[0])


def _create(text: str, seed: int) -> DelayModel:
    model, given, per = _parse(text)
    first = next(iter(model.parameters), "")
    if first and "" in given:
        if first in given:
            raise UsageError(f"{text!r} gives {first!r} twice: keep one of them")
        given[first] = given.pop("")
    values = {
        key: spec.take(given, key, convert, default)
        for key, (convert, default) in model.parameters.items()
    }
    spec.refuse_rest(text.partition(":")[0], given, [*model.parameters, "per"])
    for key, value in values.items():
        usual = not isinstance(value, float) or not isfinite(value) or value == 0
        if not usual and not SMALLEST <= abs(value) <= LARGEST:
            raise UsageError(
                f"{text}: {key} = {value:g} is out of range: give one from {SMALLEST:g} to "
                f"{LARGEST:g}, with times in seconds"
            )
    build: Callable[..., DelayModel] = model
    built = build(seed=seed, **values)
    built.per = per
    return built
