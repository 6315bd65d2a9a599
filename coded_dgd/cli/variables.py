"""Each ``CODED_DGD_...`` variable sets an option of a command; an unknown one is refused."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection

import click

from coded_dgd.errors import TRACEBACK, UsageError
from coded_dgd.host.process import LAUNCHER_FOLDER

PREFIX = "CODED_DGD"
OTHERS = {TRACEBACK, LAUNCHER_FOLDER, f"{PREFIX}_FUZZ_CASES", f"{PREFIX}_KILLS"}
"""Variables that set no option; the last two belong to tests and benchmarks."""
OF_TESTS = f"{PREFIX}_TEST_"


def name_after_options(command: click.Command, *path: str) -> set[str]:
    """Name the variables of a command after its options, and return all known names.

    By default click names them after the arguments of functions, such as AS_JSON for ``--json``.
    These names still count as known.

    Parameters
    ----------
    command : click.Command
        Those of the commands of a group are named, too.
    path : str
        How the command is called: the names of its groups, below the first, and its own.
    """
    known = set()
    prefix = "_".join([PREFIX, *path]).upper().replace("-", "_")
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name:
            option = max(parameter.opts, key=len).lstrip("-")
            parameter.envvar = f"{prefix}_{option.upper().replace('-', '_')}"
            known |= {parameter.envvar, f"{prefix}_{parameter.name.upper()}"}
    if isinstance(command, click.Group):
        for name, each in subcommands(command).items():
            known |= name_after_options(each, *path, name)
    return known


def subcommands(group: click.Group) -> dict[str, click.Command]:
    """Return the commands of a group by name, sorted; all of them are imported."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: each for name, each in found.items() if each is not None}


def refuse_unknown(command: click.Command) -> None:
    """Refuse ``CODED_DGD_...`` variables of this process that would do nothing.

    Where none is set, no command is imported for it.

    Parameters
    ----------
    command : click.Command
        All commands.

    Raises
    ------
    UsageError
        If any variable is unknown; the message names the nearest known one.
    """
    given = [
        name
        for name in sorted(os.environ)
        if name.startswith(f"{PREFIX}_") and not name.startswith(OF_TESTS) and name not in OTHERS
    ]
    if not given:
        return
    known = name_after_options(command)
    if unknown := [name for name in given if name not in known]:
        named = ", ".join(f"{name}{_nearest(name, known)}" for name in unknown)
        raise UsageError(
            f"the environment sets {named}, which no option has: correct the name, or unset it"
        )


def _nearest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
