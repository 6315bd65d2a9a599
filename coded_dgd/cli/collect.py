"""``coded-dgd collect`` makes one table of many runs."""

from __future__ import annotations

from pathlib import Path

import click

from coded_dgd.files import writing


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--csv", type=click.Path(path_type=Path), help="Write all columns to this file.")
@click.option("--quiet", is_flag=True, help="Do not print the text.")
def collect(runs: tuple[Path, ...], csv: Path | None, quiet: bool) -> None:
    """Make one table of runs, given by their folders or by a folder that holds them.

    It is for what coded-dgd launch --sweep leaves behind; runs that are not finished are in it.
    """
    from coded_dgd.report import collection
    from coded_dgd.runs.collection import collect as read

    rows = read(runs)
    if not quiet:
        click.echo(collection.format_table(rows))
    if csv is not None:
        named = writing(csv, "name another file with --csv")
        with named, csv.open("w", newline="", encoding="utf-8") as file:
            collection.write_csv(rows, file)
