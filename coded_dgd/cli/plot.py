"""``coded-dgd plot`` draws figures of runs, and of a timeline."""

from __future__ import annotations

from pathlib import Path

import click

from coded_dgd.errors import UsageError
from coded_dgd.files import writing

FORMATS = ("png", "svg", "pdf")


@click.command(short_help="Draw runs and timelines.")
@click.argument("runs", metavar="[RUN]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write the pictures to; pictures of the same name are replaced.  "
    "[default: RUN/plots of the first run, or where the timeline is]",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    default=("png",),
    type=click.Choice(FORMATS),
    help="Format of the pictures; give it more than once for several.",
)
@click.option(
    "--timeline",
    type=click.Path(path_type=Path),
    help="Draw who did what, from this file, which run --timeline has written.",
)
@click.option(
    "--iterations",
    metavar="T",
    help="With --timeline: number of the iteration to draw, or FIRST..LAST.  "
    "[default: the one that took the median time]",
)
@click.option("--quiet", is_flag=True, help="Do not tell which files have been written.")
def plot(
    runs: tuple[Path, ...],
    out: Path | None,
    formats: tuple[str, ...],
    timeline: Path | None,
    iterations: str | None,
    quiet: bool,
) -> None:
    """Draw runs, given by their folders: one curve each where there are several.

    Loss and convergence against iterations and time, the distribution of the completion time beside
    the ideal and what theory expects, the speed of each worker, messages used and wasted, and
    error amplification. Of a run that is not finished, what is there is drawn.
    """
    from coded_dgd.report.figure import require_drawing

    if not runs and timeline is None:
        raise UsageError("plot: name run folders, or a timeline with --timeline FILE")
    if iterations is not None and timeline is None:
        raise UsageError("--iterations says what to draw of a timeline: give --timeline FILE")
    require_drawing("plot")
    from coded_dgd.report import explain, gantt, plots
    from coded_dgd.runs.reading import read_run

    read = [read_run(run) for run in runs]
    chart = None if timeline is None else gantt.read(timeline, gantt.parse_iterations(iterations))
    folder = out or (runs[0] / "plots" if timeline is None or runs else timeline.parent)
    with writing(folder, "name another folder with --out"):
        folder.mkdir(parents=True, exist_ok=True)
        written = plots.draw_all(plots.plots(read), folder, formats) if read else []
        if chart is not None and timeline is not None:
            files = [folder / f"{timeline.stem}-timeline.{each}" for each in formats]
            gantt.draw(chart, files)
            written += files
    if not quiet:
        for run in read:
            if not run.finished:
                click.echo(f"{run.path}: {explain.headline(run)}", err=True)
        for file in written:
            click.echo(str(file), err=True)
