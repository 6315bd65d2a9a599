"""Thin click commands: parse and print, nothing else. Only rank 0 comes here."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from contextlib import suppress

import click

from coded_dgd import __version__
from coded_dgd.cli.collect import collect
from coded_dgd.cli.compare import compare
from coded_dgd.cli.convert import convert
from coded_dgd.cli.info import info
from coded_dgd.cli.launch import launch
from coded_dgd.cli.plan import plan
from coded_dgd.cli.plot import plot
from coded_dgd.cli.report import report
from coded_dgd.cli.reproduce import reproduce
from coded_dgd.cli.run import run
from coded_dgd.cli.simulate import simulate
from coded_dgd.cli.theory import theory
from coded_dgd.cli.variables import PREFIX, TRACEBACK, name_after_options, refuse_unknown
from coded_dgd.cli.watch import watch
from coded_dgd.errors import CodedDGDError
from coded_dgd.files import FAILURES

HELP = {"-h", "--help", "--version"}


@click.group(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": PREFIX,
        "show_default": True,
        "max_content_width": 100,
    }
)
@click.version_option(__version__, prog_name="coded-dgd")
def command() -> None:
    """Coded distributed gradient descent over MPI."""


for subcommand in (
    run,
    compare,
    plan,
    theory,
    simulate,
    reproduce,
    plot,
    report,
    collect,
    watch,
    convert,
    info,
    launch,
):
    command.add_command(subcommand)

VARIABLES = name_after_options(command)


def run_command_line(argv: list[str]) -> int:
    """Run a command; return its exit code. Every error is one line on stderr."""
    try:
        if not HELP & {*argv}:
            refuse_unknown(VARIABLES)
        return command(argv, prog_name="coded-dgd", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
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
            return _fail_unexpectedly(error)
        # whatever writes to a file names it: this is standard output
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left of it
        return _fail(
            f"standard output cannot be written ({error.strerror}): {FAILURES[error.errno]}, or "
            "redirect it elsewhere",
            CodedDGDError.exit_code,
        )
    except Exception as error:
        return _fail_unexpectedly(error)


def _fail_unexpectedly(error: Exception) -> int:
    if os.environ.get(TRACEBACK):
        traceback.print_exc()
    return _fail(
        f"rank 0 on {socket.gethostname()} failed: {type(error).__name__}: {error} "
        "(please report this; CODED_DGD_TRACEBACK=1 shows where)",
        CodedDGDError.exit_code,
    )


def _fail(message: str, code: int) -> int:
    print(f"coded-dgd: {' '.join(message.split())}", file=sys.stderr)
    return code
