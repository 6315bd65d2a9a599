"""``coded-dgd watch`` follows the progress of a run from another shell."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Follow a run from another shell.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--interval",
    type=click.FloatRange(0.05),
    default=2.0,
    metavar="SECONDS",
    help="Time in seconds between two looks at the folder.",
)
def watch(run: Path, interval: float) -> int:
    """Follow the run in this folder until it ends; it may run on another machine.

    Tells iteration, loss, median completion time of the last 100 iterations, lost workers, how long
    it will take, and what is written to the log. Exit code 1 if the run ends early.
    """
    from coded_dgd import streams
    from coded_dgd.runs.watching import watch as follow

    def say(line: str) -> None:
        click.echo(line)
        if streams.reader_gone():
            raise click.exceptions.Exit(0)

    return 0 if follow(run, interval, say) else 1
