"""This package holds the schemes, one file each, and finds them by name."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coded_dgd import registry, spec
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.schemes import _trial
from coded_dgd.schemes.base import Scheme

DEFAULT = "lcc-mmc"
"""Name of the scheme that a run has by default."""
BASELINE = "uncoded"
"""Name of the scheme without coding, with which the others are compared."""
COMPARED = "uncoded,gc,lcc,lcc-mmc,lcc-mmc-2,uc-mmc,uc-mmc-pg,mds-mmc"
"""Names of the schemes that a comparison has by default."""
PROBE = "uc-mmc"
"""Name of the scheme that a cluster is measured with: each task is a message of its own."""
DRY_RUN = "ignore-stragglers"
"""Name of the scheme of a dry run: each worker has one task, and the master waits for all."""
BOUNDED = "sgc"
"""Name of the scheme whose convergence Theorem 1 of Bitar et al. bounds."""


def names() -> list[str]:
    """Return the names of all schemes."""
    return registry.names(sys.modules[__name__])


def described() -> str:
    """Return a text that lists what can be given as the name of a scheme."""
    return f"{', '.join(names())}, lcc-mmc-K for K polynomials, or MODULE:CLASS of your own"


def help_of(option: str) -> str:
    """Return the help text of the command line for an option of schemes."""
    found = (find(name)[0].help.get(option) for name in names())
    return next(text for text in found if text is not None)


def find(name: str) -> tuple[type[Scheme], dict[str, Any]]:
    """Return the class of the scheme called `name`, and the options that the name gives.

    Raises
    ------
    UsageError
        If the name or an option is unknown, or the value of an option has the wrong type.
    """
    scheme, _, given = _parse(name)
    return scheme, given


def _parse(text: str) -> tuple[type[Scheme], str, dict[str, Any]]:
    """Return the class, the name without options, and the options of ``name:key=value,...``."""
    name, parameters = spec.named(text)
    implied = {}
    if match := re.fullmatch(r"(lcc-mmc)-(\d+)", name):
        name, implied = match[1], {"polynomials": int(match[2])}
    scheme = registry.find(sys.modules[__name__], name, Scheme, "scheme")
    given = {key.replace("-", "_"): value for key, value in parameters.items()}
    return scheme, name, spec.arguments("scheme", name, given, _constructor(scheme)) | implied


def _constructor(scheme: type[Scheme]) -> Callable[..., None]:
    """Return a callable whose signature has the options of the constructor as keywords."""
    found: dict[str, inspect.Parameter] = {}
    for kind in scheme.__mro__:
        for each in inspect.signature(vars(kind).get("__init__", _nothing)).parameters.values():
            if each.name in scheme.options and each.name != "seed":
                found.setdefault(each.name, each.replace(kind=each.KEYWORD_ONLY))

    def build(**_: Any) -> None: ...

    build.__signature__ = inspect.Signature([*found.values()])  # type: ignore[attr-defined]
    return build


def _nothing() -> None: ...


def family(name: str, loads: Sequence[int]) -> list[str]:
    """Return the names of the scheme called `name` and of its variants at these loads, each once.

    All of them carry the options that the name gives.
    """
    scheme, plain, _ = _parse(name)
    options = name.removeprefix(spec.named(name)[0])
    related = (each for load in loads for each in scheme.related(plain, load))
    return [each + options for each in dict.fromkeys([plain, *related])]


def share(names: Sequence[str], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return, for each scheme, the given sizes and options that it takes.

    A scheme whose load is given by its `load_option` does not take ``load``, which the others do.

    Raises
    ------
    UsageError
        If a name is unknown, or no scheme takes a given size or option. None counts as not given.
    """
    shares = {}
    for name in names:
        found, implied = find(name)
        taken = {*found.sizes, *found.options} - implied.keys()
        same = found.load_option
        if same and len(names) > 1 and {**given, **implied}.get(same) is not None:
            taken.discard("load")
        shares[name] = {key: value for key, value in given.items() if key in taken}
    for option, value in given.items():
        if value is not None and not any(option in each for each in shares.values()):
            text = option.replace("_", "-")
            raise UsageError(f"--{text} means nothing to {', '.join(names)}: leave it out")
    return shares


def create(
    name: str,
    workers: int,
    blocks: int | None = None,
    load: int | None = None,
    *,
    seed: int = 0,
    **options: float | str | None,
) -> Scheme:
    """Build the scheme called `name`.

    Parameters
    ----------
    name : str
        One of `names`, ``lcc-mmc-K`` for K polynomials, or ``module:Class`` for a scheme of your
        own that can be imported; each also with options, as in ``uc-mmc-pg:tolerance=0.1``.
    workers : int
        M.
    blocks : int, optional
        N. By default what the scheme says or derives from the data; for most the number of workers.
    load : int, optional
        Computation load r. By default what the scheme says; for most 10, but at least N/M and at
        most N.
    seed : int
        Seed of random schemes.
    **options
        Options of the scheme, such as ``tolerance``. None counts as not given.

    Raises
    ------
    UsageError
        If the name is unknown, the scheme does not take an option, or a class of your own gives
        answers that cannot be used.
    Infeasible
        If the code does not exist for these numbers.

    Examples
    --------
    >>> scheme = create("lcc-mmc", workers=8, load=4)
    >>> scheme.blocks, scheme.load, scheme.threshold
    (8, 4, 15)
    >>> create("lcc-mmc", workers=8, load=1)
    Traceback (most recent call last):
    coded_dgd.errors.Infeasible: ...
    """
    if workers < 1:
        raise Infeasible(f"{name} needs at least 1 worker")
    scheme, implied = find(name)
    given = {key: value for key, value in options.items() if value is not None}
    for option in given.keys() & implied.keys():
        text = option.replace("_", "-")
        raise UsageError(f"--scheme {name} and --{text} both give {option}: keep one of them")
    given |= implied
    for option, value in (("blocks", blocks), ("load", load)):
        if value is not None and option not in scheme.sizes:
            raise UsageError(f"--{option} means nothing to {name}: leave it out")
    for option in given:
        if option not in scheme.options:
            raise UsageError(f"--{option.replace('_', '-')} means nothing to {name}: leave it out")
    if "seed" in scheme.options:
        given["seed"] = seed
    if "load" in scheme.sizes:
        blocks = scheme.usual_blocks(workers) if blocks is None else blocks
        given["load"] = scheme.usual_load(workers, blocks, given) if load is None else load
    return _trial.build(scheme, name, workers, blocks, **given)
