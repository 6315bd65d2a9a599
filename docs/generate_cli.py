"""Write docs/cli.md from the commands themselves: python docs/generate_cli.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from coded_dgd.cli import command
from coded_dgd.cli.variables import subcommands

PATH = Path(__file__).with_name("cli.md")
INTRODUCTION = """\
# Commands

Written by `python docs/generate_cli.py` from the commands themselves; `--help` says the same.

Text for people goes to stderr. With `--json` stdout is exactly one JSON object. An error is one
line on stderr that says how to mend it.

An option may also be set by a variable `CODED_DGD_COMMAND_OPTION`, such as `CODED_DGD_RUN_LOAD=4`,
and those of `run` by a file with `--config`. The command line comes before variables, variables
before the file. A `CODED_DGD_...` variable that sets no option, such as a mistyped one, is named
and refused by every command; `CODED_DGD_TRACEBACK=1` shows where an error that is not foreseen
comes from. `train` reads none of them. The file is UTF-8 text, with or without a byte order mark.

A stderr or stdout that is closed, or whose reader has gone away (`| head -1`), is no error: what
would go there is dropped, and the run goes on to its results in the run folder. Where stdout cannot
be written for another reason, such as a full disk, the exit code is 1.

| exit code | |
|---|---|
| 0 | done |
| 1 | error |
| 2 | wrong usage, or input that cannot be used |
| 3 | diverged |
| 4 | undecodable: too many workers are lost |
| 75 | stopped on request, with a checkpoint: `run --resume` goes on |

## Completion in the shell

bash (4.4 or newer) completes commands, options, and what an option can be, after

    eval "$(_CODED_DGD_COMPLETE=bash_source coded-dgd)"

which belongs into `~/.bashrc`. For zsh it is `zsh_source` and `~/.zshrc`; for fish

    _CODED_DGD_COMPLETE=fish_source coded-dgd > ~/.config/fish/completions/coded-dgd.fish
"""


def sections(group: click.Group, context: click.Context) -> Iterator[str]:
    """A section for each command, by name."""
    for name, each in subcommands(group).items():
        inner = click.Context(each, info_name=name, parent=context)
        usage = " ".join(each.collect_usage_pieces(inner))
        yield f"\n## coded-dgd {name}\n\n    coded-dgd {name} {usage}\n\n"
        yield f"{_paragraphs(each.help or '')}\n\n"
        for parameter in each.get_params(inner):
            if isinstance(parameter, click.Option):
                option, text = parameter.get_help_record(inner) or ("", "")
                yield f"- `{option}`: {' '.join(text.split())}\n"


def _paragraphs(text: str) -> str:
    """Undo the line breaks of a docstring."""
    return "\n\n".join(" ".join(each.split()) for each in re.split(r"\n\s*\n", text.strip()))


def document() -> str:
    """The whole page."""
    context = click.Context(command, info_name="coded-dgd", **command.context_settings)
    return INTRODUCTION + "".join(sections(command, context))


if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
