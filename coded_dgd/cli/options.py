"""This module has the options that commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

import click

from coded_dgd import delays, schemes
from coded_dgd.config import OPTIONS, Option, RunConfig
from coded_dgd.errors import UsageError
from coded_dgd.problems import optimizers
from coded_dgd.reading import OPTIONS as OPTIONS_OF_READING
from coded_dgd.spec import listed

NAMES = schemes.described()
KINDS = {"int": int, "float": float, "str": str, "bool": bool}
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def configured(name: str, help: str | None = None, **kwargs: Any) -> Decorator:
    """Return the click option of a field of `RunConfig`, from its declaration.

    Parameters
    ----------
    name : str
        Name of the field.
    help : str, optional
        Help text that replaces the declared one.
    **kwargs
        Arguments of `click.option` that replace those from the declaration.
    """
    (field,) = (each for each in fields(RunConfig) if each.name == name)
    declared = OPTIONS.get(name, Option(""))
    kwargs.setdefault("type", KINDS[str(field.type).partition(" ")[0]])
    if declared.choices:
        kwargs["type"] = click.Choice(declared.choices, case_sensitive=name != "format")
    flag = f"--{name.replace('_', '-')}"
    if field.default is True:
        flag += f"/--no-{flag[2:]}"
    elif field.default is False:
        kwargs.setdefault("is_flag", True)
    kwargs.setdefault("metavar", declared.metavar)
    text = help or declared.help.replace("{schemes}", NAMES)
    return click.option(flag, default=field.default, help=text, **kwargs)


def among(names: Callable[[], Iterable[str]]) -> dict[str, Any]:
    """Return arguments of `click.option` for shell completion with these names."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return {"shell_complete": complete}


def fraction_of_gradient(flag: str, help: str) -> Decorator:
    """Return a click option for a target: a fraction of the norm of the first gradient."""

    def check(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
        if value is not None and not 0 < value < 1:
            raise UsageError(f"{flag} {value:g} is a fraction of the first gradient: 0 < F < 1")
        return value

    return click.option(flag, type=float, metavar="F", help=help, callback=check)


def is_given(name: str) -> bool:
    """Return whether the present command was given the option, rather than its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def optimizer_names(text: str | None) -> list[str] | None:
    """Return the names that ``--optimizers`` gives; None without it.

    Raises
    ------
    UsageError
        An optimizer is unknown or named twice, none is named, or ``--optimizer`` is given as well.
    """
    if text is None:
        return None
    if is_given("optimizer"):
        raise UsageError("--optimizer and --optimizers are both given: keep one of them")
    names = [name.strip() for name in listed(text) if name.strip()]
    if not names:
        raise UsageError("--optimizers names no optimizer: give some, as in gd,nesterov")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--optimizers names {name} twice: once is enough")
        if name != optimizers.AUTO:
            optimizers.find(name)
    return names


def combined(*options: Decorator) -> Decorator:
    """Return one decorator that adds several options, in this order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


scheme = configured("scheme", **among(lambda: [*schemes.names(), "auto"]))
transport = configured("transport")
sizes = combined(configured("workers"), configured("blocks"))
load = configured("load")
of_schemes = combined(
    configured("tolerance", schemes.help_of("tolerance"), type=float, metavar="F"),
    configured("order", schemes.help_of("order"), type=str),
    configured("copies", schemes.help_of("copies"), type=str, metavar="C"),
    configured("shares", schemes.help_of("shares"), type=str),
    configured("combine", schemes.help_of("combine"), type=str),
    configured("redundancy", schemes.help_of("redundancy"), type=float, metavar="D"),
    configured("wait", schemes.help_of("wait"), type=str),
    configured("p", schemes.help_of("p"), type=str),
    configured("assignment", schemes.help_of("assignment"), type=str),
    configured("normalisation", schemes.help_of("normalisation"), type=str),
    configured("early_stop", schemes.help_of("early_stop"), type=str),
)
reading = combined(*map(configured, OPTIONS_OF_READING))
of_model = combined(
    click.option(
        "--objective",
        metavar="MODULE:CLASS",
        help="Objective of your own with which the model was trained; models of other objectives "
        "name theirs.",
    ),
    configured("header"),
    configured(
        "label",
        "Column of the label in a .csv, .parquet or .npy file: its name or, if no column is called "
        "so, its number from 1, or from the end from -1.  [default: the one beside the columns of "
        "the model, if any]",
    ),
    *map(configured, ("columns", "format", "features")),
    click.option("--seed", type=click.IntRange(0), default=0, help="Seed of synthetic data."),
)
"""Options of commands that apply a model to data."""
data = combined(configured("data"), reading)
delivery = combined(configured("encode"), configured("share_blocks"))
training = combined(
    *map(configured, ("objective", "ridge", "intercept", "standardize")),
    *map(configured, ("optimizer", "step_size", "batch", "dtype")),
)
kernel = configured("kernel")
job = combined(sizes, load, of_schemes, data, delivery, training, kernel)
"""Options of the training, except the scheme itself and options of measurements."""
delay = configured("delay", **among(delays.names))
guard = configured("guard", show_default=False)
seed = configured("seed")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
quiet = click.option("--quiet", is_flag=True, help="Print neither progress nor the table.")
