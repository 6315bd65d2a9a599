"""This package has the click commands, which parse and print only; they run on rank 0 only."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import click

from coded_dgd import streams
from coded_dgd._version import __version__
from coded_dgd.cli.loading import LazyGroup
from coded_dgd.cli.variables import PREFIX, refuse_unknown
from coded_dgd.errors import CodedDGDError, UsageError
from coded_dgd.files import FAILURES

HELP = {"-h", "--help", "--version"}


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": PREFIX,
        "show_default": True,
        "max_content_width": 100,
    },
)
@click.version_option(__version__, prog_name="coded-dgd")
@click.pass_context
def command(context: click.Context) -> None:
    """Coded distributed gradient descent over MPI."""
    if context.invoked_subcommand is None:  # click's own behaviour depends on its release
        click.echo(context.get_help(), err=True)
        context.exit(UsageError.exit_code)


def run_command_line(argv: list[str]) -> int:
    """Run a command and return its exit code; print an expected error as one line on stderr."""
    try:
        if not HELP & {*argv}:
            refuse_unknown(command)
        return command(argv, prog_name="coded-dgd", standalone_mode=False) or 0
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        return _fail(
            f"{error.format_message()} ({where} --help lists the options)", error.exit_code
        )
    except click.Abort:
        return _fail("interrupted", 130)
    except CodedDGDError as error:
        return _fail(str(error), error.exit_code)
    except MemoryError:
        return _fail(
            "this takes more memory than there is: ask for less, such as fewer workers, blocks, "
            "rows or features",
            CodedDGDError.exit_code,
        )
    except OSError as error:
        if error.errno not in FAILURES:
            raise
        # an error of a named file is reported elsewhere: this is standard output
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for its buffer
        return _fail(
            f"standard output cannot be written ({error.strerror}): {FAILURES[error.errno]}, or "
            "redirect it elsewhere",
            CodedDGDError.exit_code,
        )


def _fail(message: str, code: int) -> int:
    print(f"coded-dgd: {' '.join(message.split())}", file=streams.messages())
    return code
