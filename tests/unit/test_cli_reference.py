"""docs/cli.md is what the commands say, and the shell completes them."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from coded_dgd.cli import command
from coded_dgd.cli.loading import COMMANDS
from coded_dgd.cli.variables import subcommands

ROOT = Path(__file__).parents[2]


def test_the_reference_is_up_to_date():
    page = runpy.run_path(str(ROOT / "docs" / "generate_cli.py"))["document"]()
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == page, (
        "run python docs/generate_cli.py"
    )


def test_the_commands_are_those_of_the_modules_and_a_run_imports_no_other():
    folder = ROOT / "coded_dgd" / "cli"
    assert [*COMMANDS] == sorted(
        path.stem
        for path in folder.glob("*.py")
        if re.search(rf"^def {path.stem}\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    )
    code = (
        "import sys; from coded_dgd.cli import run_command_line; "
        "run_command_line(['run', '--print-config']); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = done.stdout.splitlines()[-1].split()
    assert {name for name in COMMANDS if f"coded_dgd.cli.{name}" in modules} == {"run"}


def test_names_similar_to_an_unknown_command_are_looked_for_among_all():
    with pytest.raises(click.UsageError):
        command.resolve_command(click.Context(command), ["rnu"])
    assert command.commands.keys() == {*COMMANDS}


def options():
    for name, each in subcommands(command).items():
        context = click.Context(each, info_name=name)
        for option in each.params:
            if isinstance(option, click.Option):
                record = option.get_help_record(context)
                yield pytest.param(option, *record, id=f"{name} {record[0].split()[0]}")


@pytest.mark.parametrize(("option", "names", "text"), list(options()))
def test_every_option_has_a_sentence(option, names, text):
    said = text.partition("  [")[0].rstrip()
    assert said.endswith("."), said
    assert len(said.split()) >= 3
    if re.search("seconds|interval", names):
        assert "seconds" in said


def test_what_the_reference_says_of_variables(tmp_path):
    (tmp_path / "config.toml").write_text("load = 3\nseed = 4\n")
    arguments = ["run", "--print-config", "--config", "config.toml", "--iterations", "7"]
    done = subprocess.run(
        [sys.executable, "-m", "coded_dgd", *arguments],
        cwd=tmp_path,
        env={**os.environ, "CODED_DGD_RUN_LOAD": "5", "CODED_DGD_RUN_ITERATIONS": "9"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert {"load = 5", "seed = 4", "iterations = 7"} <= set(lines)


COMPLETE = """
eval "$(_CODED_DGD_COMPLETE=bash_source coded-dgd)"
complete -p coded-dgd
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_coded_dgd_completion coded-dgd
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("coded-dgd rep", ["report", "reproduce"]),
        ("coded-dgd run --time", ["--timeline"]),
        ("coded-dgd run --transport ''", ["mpi", "simulated"]),
        ("coded-dgd run --scheme lcc", ["lcc", "lcc-mmc"]),
        ("coded-dgd theory --delay pers", ["persistent"]),
    ],
)
def test_bash_completes(tmp_path, words, expected):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    program = tmp_path / "coded-dgd"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m coded_dgd "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        [bash, "--noprofile", "--norc", "-c", COMPLETE.format(words=words)],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    registered, *found = done.stdout.split("\n")
    assert "-F _coded_dgd_completion coded-dgd" in registered
    assert sorted(filter(None, found)) == expected
