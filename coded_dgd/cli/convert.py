"""``coded-dgd convert`` converts data from one format to another."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from coded_dgd.cli import options
from coded_dgd.files import refuse_existing
from coded_dgd.reading import Reading


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@options.reading
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of synthetic data.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="Do not say what was written.")
def convert(
    source: str,
    target: Path,
    force: bool,
    seed: int,
    as_json: bool,
    quiet: bool,
    **reading: Any,
) -> None:
    """Convert data: from IN, as of run --data, to OUT, each in the format of its suffix.

    Formats are .npy, .npz, .svm or .libsvm, .csv, .parquet and .h5; .svm and .csv may be
    compressed, as .csv.gz, .bz2 or .xz. Every number stays what it is; float32 stays float32 where
    the format has it. Rows are read and written by the window: only a compressed .npz is held in
    memory. --header, --label, --columns, --format, --features and --weights are of IN. Sample
    weights are kept in .npz and .h5, and labels that are text in .npz, .parquet and .csv; other
    formats cannot hold them and are refused.
    """
    from coded_dgd.problems.sources import open_source, save

    begin = perf_counter()
    if not force:
        refuse_existing(target)
    data = open_source(source, seed, Reading(**reading), streamed=True)
    save(data, target)
    written = {
        "in": source,
        "out": str(target),
        "rows": data.rows,
        "features": data.features,
        "dtype": str(data.dtype),
        "bytes": target.stat().st_size,
        "seconds": perf_counter() - begin,
    }
    if not quiet:
        click.echo(
            f"{target}: {data.rows} rows x {data.features} features, {written['bytes']} bytes, "
            f"{written['seconds']:.2f} s",
            err=True,
        )
    if as_json:
        click.echo(json.dumps(written))
