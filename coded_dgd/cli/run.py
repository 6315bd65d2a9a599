"""``coded-dgd run`` trains and measures every iteration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from coded_dgd.cli import options
from coded_dgd.cli.connection import connect
from coded_dgd.config import LOG_LEVELS, RunConfig
from coded_dgd.config_file import read_toml, to_toml


def _read_config(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is not None:
        context.default_map = {**(context.default_map or {}), **read_toml(path)}


@click.command(short_help="Train, and measure every iteration.")
@options.scheme
@options.job
@options.configured("validation")
@options.configured("validation_every")
@options.configured("patience")
@options.configured("start")
@options.configured("iterations")
@options.configured("stop_at")
@options.delay
@options.guard
@options.configured("check_gradient")
@options.configured("on_loss")
@options.configured("spare")
@options.configured("replace")
@options.configured("silence")
@options.configured("adapt")
@options.configured("checkpoint_every")
@options.configured("checkpoint_seconds")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    help="Go on with the run in this folder, from its last checkpoint, with the same options.",
)
@click.option(
    "--wait-for-run",
    is_flag=True,
    help="With --resume: if the run still goes on, wait until it has ended, and then go on with "
    "it; for jobs that may be queued twice.",
)
@click.option(
    "--allow-different-workers",
    is_flag=True,
    help="With --resume: go on also if the number of workers is another one.",
)
@click.option(
    "--allow-different-data",
    is_flag=True,
    help="With --resume: go on also if the data have changed, or with --data are others; they need "
    "as many features.",
)
@options.transport
@options.seed
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run folder to create; it must not exist.  [default: runs/TIME-SCHEME]",
)
@click.option(
    "--timeline",
    type=click.Path(path_type=Path),
    help="File to write with what every rank did from when to when, for https://ui.perfetto.dev "
    "and coded-dgd plot --timeline.",
)
@click.option(
    "--log-dir",
    type=click.Path(path_type=Path),
    help="Folder for a log of each rank (rank-000.log, ...): its start, warnings, traceback if it "
    "fails, and end.",
)
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS),
    default="info",
    help="With --log-dir: debug also logs every plan and every iteration.",
)
@options.as_json
@options.quiet
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    help="TOML file of these options, such as config.toml of a run folder; options given on the "
    "command line or as CODED_DGD_RUN_... variables come first.",
)
@click.option("--print-config", is_flag=True, help="Print the configuration as TOML and stop.")
@click.pass_context
def run(
    context: click.Context,
    /,
    out: Path | None,
    timeline: Path | None,
    log_dir: Path | None,
    log_level: str,
    as_json: bool,
    quiet: bool,
    print_config: bool,
    resume: Path | None,
    wait_for_run: bool,
    allow_different_workers: bool,
    allow_different_data: bool,
    **configuration: Any,
) -> int | None:
    """Train by coded distributed gradient descent and measure what every iteration took.

    Start it with mpiexec: rank 0 is the master, the others are workers, as in
    mpiexec -n 41 python -m coded_dgd.run --scheme lcc-mmc.

    Exit codes: 0 done, 1 error, 2 wrong usage or unusable input, 3 diverged, 4 undecodable (too
    many workers lost), 75 stopped on request (SIGTERM, SIGINT, SIGUSR2) with a checkpoint.
    """
    given: dict[str, Any] = {}
    if resume is None:
        config = RunConfig(**configuration)
    else:
        from coded_dgd.runs import resume as resuming

        default = click.core.ParameterSource.DEFAULT
        given = {
            name: value
            for name, value in configuration.items()
            if context.get_parameter_source(name) is not default
        }
        resume = resuming.locate(resume)
        config = resuming.configuration(
            resume, given, allow_different_workers, allow_different_data
        )
    if print_config:
        click.echo(to_toml(config), nl=False)
        return None
    master = connect(config.transport)
    from coded_dgd.app import running
    from coded_dgd.report import table

    records = running.Records(
        out=out,
        resume=resume,
        given=given,
        wait_for_run=wait_for_run,
        allow_different_workers=allow_different_workers,
        allow_different_data=allow_different_data,
        timeline=timeline,
        log_dir=log_dir,
        log_level=log_level,
        quiet=quiet,
    )
    outcome, _, result = running.run(config, master, records)
    if not quiet:
        click.echo(table.format_table(result, outcome), err=True)
    if as_json:
        click.echo(json.dumps(result.to_json()))
    return None
