"""``coded-dgd trace`` imports traces of clusters, and tells what they look like."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from coded_dgd.cli import options
from coded_dgd.errors import UsageError
from coded_dgd.files import replacing, writing
from coded_dgd.traces import importers

PICTURES = (".png", ".svg", ".pdf")


@click.command(short_help="Import traces of clusters, and describe them.")
@click.argument("kind", metavar="KIND", **options.among(importers.names))
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="[OUT.npy]", required=False, type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="File for a picture of the trace, a .png, .svg or .pdf; it is replaced if it exists.",
)
@options.as_json
@click.option("--quiet", is_flag=True, help="Do not print the description.")
def trace(
    kind: str,
    source: Path,
    target: Path | None,
    force: bool,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Import a trace of a cluster for --delay trace:OUT, and tell what it looks like.

    KIND is lambda (a pickle of AWS Lambda rounds), pai (csv of Alibaba's mini-batch times),
    bytedance (parquet of ByteDance's operations), run (a run folder) or array (.npy or .csv, as
    --delay trace takes it). Without OUT the trace is only described: spread, correlation in time,
    lasting differences, whether delays add or multiply, fitted laws, and what the job would have
    taken without stragglers.
    """
    if target is not None:
        _refuse_target(target, force)
    if plot is not None:
        from coded_dgd.report.figure import require_drawing

        if plot.suffix not in PICTURES:
            raise UsageError(f"--plot {plot}: give a file that ends in {', '.join(PICTURES)}")
        require_drawing("--plot")
    from coded_dgd.report.trace import draw_trace, format_text, to_json
    from coded_dgd.traces.describing import describe

    imported = importers.read(kind, source)
    found = describe(imported.times, str(source), imported.cancelled)
    if target is not None:
        with replacing(target, "name another file") as file:
            np.save(file, imported.times)
    if plot is not None:
        with writing(plot, "name another file with --plot"):
            draw_trace(imported.times, imported.relative, str(source), plot)
    if not quiet:
        click.echo(format_text(found, imported.relative), err=True)
        for note in imported.notes:
            click.echo(f"note: {note}", err=True)
        if target is not None:
            click.echo(f"written to {target}: replay it with --delay trace:{target}", err=True)
    if as_json:
        record = {
            "kind_of_trace": kind,
            "in": str(source),
            "out": None if target is None else str(target),
            "notes": list(imported.notes),
            **to_json(found, imported.relative),
        }
        click.echo(json.dumps(record, allow_nan=False))


def _refuse_target(target: Path, force: bool) -> None:
    if target.suffix != ".npy":
        raise UsageError(f"{target} is no .npy file, which is what is written: name one")
    try:
        exists = target.exists()
    except (OSError, ValueError):  # not a path: writing reports it
        exists = False
    if exists and not force:
        raise UsageError(f"{target} exists and is not overwritten: name a new file, or add --force")
