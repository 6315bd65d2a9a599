"""``coded-dgd report`` summarises runs."""

from __future__ import annotations

from pathlib import Path

import click

from coded_dgd.errors import UsageError
from coded_dgd.files import writing


@click.command(short_help="Tell who was slow and what was wasted.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    help="File for one page with everything, pictures included, that needs no network.",
)
@click.option(
    "--timeline",
    type=click.Path(path_type=Path),
    help="With --html: also show an iteration of this timeline, which run --timeline has written.",
)
@click.option(
    "--iterations",
    metavar="T",
    help="With --timeline: number of the iteration to show, or FIRST..LAST.",
)
@click.option("--quiet", is_flag=True, help="Do not print the text.")
def report(
    runs: tuple[Path, ...],
    html: Path | None,
    timeline: Path | None,
    iterations: str | None,
    quiet: bool,
) -> None:
    """Tell of runs, given by their folders: who was slow, what was wasted, what coding saved.

    A worker is slow throughout if its pace is an outlier, in seconds of work per finished task over
    the whole run: the rule is printed with the result. A run need not be finished.
    """
    from coded_dgd.report import explain, gantt, page
    from coded_dgd.report.figure import INSTALL, can_draw
    from coded_dgd.runs.reading import read_run

    if html is None and (timeline or iterations):
        raise UsageError("--timeline and --iterations are for the page: give --html FILE")
    read = [read_run(run) for run in runs]
    chart = None if timeline is None else gantt.read(timeline, gantt.parse_iterations(iterations))
    if not quiet:
        click.echo("\n\n".join(explain.format_text(run) for run in read))
    if html is not None:
        if not can_draw() and not quiet:
            click.echo(f"no pictures, as matplotlib is not installed: {INSTALL}", err=True)
        text = page.page(read, chart)
        with writing(html, "name another file with --html"):
            html.write_text(text, encoding="utf-8")
