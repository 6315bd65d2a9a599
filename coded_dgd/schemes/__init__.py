"""The schemes, one file each, found by name."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coded_dgd import registry, spec
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.schemes.base import Scheme

DEFAULT_LOAD = 10
DEFAULT = "lcc-mmc"
"""The scheme of a run that names none."""
BASELINE = "uncoded"
"""The scheme without coding, which the others are held against."""
COMPARED = "uncoded,gc,lcc,lcc-mmc,lcc-mmc-2,uc-mmc,uc-mmc-pg,mds-mmc"
"""The schemes of a comparison that names none."""
PROBE = "uc-mmc"
"""The scheme that a cluster is measured with: each task is a message of its own."""
DRY_RUN = "ignore-stragglers"
"""The scheme of iterations with next to no work: one task for each worker, and all are awaited."""
BOUNDED = "sgc"
"""The scheme whose convergence Theorem 1 of Bitar et al. bounds."""


def names() -> list[str]:
    """Return the names of all schemes."""
    return registry.names(sys.modules[__name__])


def several(text: str) -> list[str]:
    """Split the names of several schemes, with commas; those between options do not separate.

    Examples
    --------
    >>> several("gc,my_scheme:Mine:spice=2,pepper=1,uc-mmc")
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


def described() -> str:
    """Return all that can be given as the name of a scheme, in words."""
    return f"{', '.join(names())}, lcc-mmc-K for K polynomials, or MODULE:CLASS of your own"


def help_of(option: str) -> str:
    """Return what the command line says about an option of schemes."""
    found = (find(name)[0].help.get(option) for name in names())
    return next(text for text in found if text is not None)


def find(name: str) -> tuple[type[Scheme], dict[str, Any]]:
    """Return the class of the scheme called `name`, and the options that the name gives.

    Raises
    ------
    UsageError
        For an unknown name or option, or one that is of another type.
    """
    scheme, _, given = _parse(name)
    return scheme, given


def _parse(text: str) -> tuple[type[Scheme], str, dict[str, Any]]:
    """Return class, name without options, and options of ``name:key=value,...``."""
    name, parameters = spec.named(text)
    implied = {}
    if match := re.fullmatch(r"(lcc-mmc)-(\d+)", name):
        name, implied = match[1], {"polynomials": int(match[2])}
    scheme = registry.find(sys.modules[__name__], name, Scheme, "scheme")
    given = {key.replace("-", "_"): value for key, value in parameters.items()}
    return scheme, name, spec.arguments("scheme", name, given, _constructor(scheme)) | implied


def _constructor(scheme: type[Scheme]) -> Callable[..., None]:
    """Return something with the signature of a constructor, as far as options go."""
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
    """Return the names under which the scheme called `name` goes at these loads, each once.

    All have the options that the name gives.
    """
    scheme, plain, _ = _parse(name)
    options = name.removeprefix(spec.named(name)[0])
    related = (each for load in loads for each in scheme.related(plain, load))
    return [each + options for each in dict.fromkeys([plain, *related])]


def share(names: Sequence[str], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give each scheme those sizes and options that it takes.

    Raises
    ------
    UsageError
        For an unknown name, or something that none of the schemes takes; None is as good as not
        given.
    """
    shares = {}
    for name in names:
        found, implied = find(name)
        taken = {*found.sizes, *found.options} - implied.keys()
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
        N; the number of workers by default, or what the scheme makes of the data.
    load : int, optional
        Computation load r; by default 10, or N where that is less, or N/M where that is more.
    seed : int
        For schemes that are random.
    **options
        What single schemes take, such as ``tolerance``; None is as good as not given.

    Raises
    ------
    UsageError
        For an unknown name or an option that the scheme does not take.
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
        blocks = workers if blocks is None else blocks
        default = min(blocks, max(DEFAULT_LOAD, -(-blocks // workers)))
        given["load"] = default if load is None else load
    build: Callable[..., Scheme] = scheme
    return build(name, workers, blocks, **given)
