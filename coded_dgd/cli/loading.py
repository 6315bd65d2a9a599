"""A group whose commands are imported when they are first needed: a run needs one of them."""

from __future__ import annotations

from importlib import import_module

import click

from coded_dgd.cli.variables import name_after_options

COMMANDS = (
    "collect",
    "compare",
    "convert",
    "evaluate",
    "info",
    "launch",
    "plan",
    "plot",
    "predict",
    "report",
    "reproduce",
    "run",
    "simulate",
    "theory",
    "trace",
    "watch",
)
"""Names of the commands, which are also the names of their modules in this package."""


class LazyGroup(click.Group):
    """A group of `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, sorted, without importing them."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, and import it if it is needed for the first time.

        An unknown name imports all commands, among which click looks for similar names.
        """
        for name in {*COMMANDS} & {cmd_name} or COMMANDS:
            if name not in self.commands:
                found = getattr(import_module(f"{__package__}.{name}"), name)
                name_after_options(found, name)
                self.add_command(found)
        return super().get_command(ctx, cmd_name)
