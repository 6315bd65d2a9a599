"""``coded-dgd reproduce`` computes the figures of both papers and checks the papers' claims."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import perf_counter

import click

from coded_dgd import reproduce as figures
from coded_dgd.files import writing

ALL = "all"


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@click.command(short_help="Compute the figures of both papers, or what pays on traces.")
@click.argument("figure", type=click.Choice([*figures.names(), ALL]))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to create for the files; it must not exist.  [default: runs/TIME-FIGURE]",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=_cores,
    show_default="one per core",
    help="Number of processes that share the work; the numbers do not depend on it.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    metavar="S",
    help="Seed of all that is drawn at random.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Do a smaller computation, to see that it works; claims are about the paper's size.",
)
@click.option(
    "--trace",
    "traces",
    multiple=True,
    metavar="FILE",
    help="traces: replay this trace, too, as --delay trace:FILE,per=share reads it; may be given "
    "several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="Print neither progress nor the claims.")
def reproduce(
    figure: str,
    out: Path | None,
    jobs: int,
    seed: int,
    quick: bool,
    traces: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Compute a figure of the papers, or all: every number, the plot, and the papers' claims.

    Writes FIGURE.csv and FIGURE.json with all plotted numbers, FIGURE.png and FIGURE.svg where
    matplotlib is installed, and claims.md: what the paper says of the figure, the criterion, what
    came out, and whether it holds. The figure `traces` is not in the papers: it replays every
    scheme on recorded stragglers and says what pays on them. Its table is in traces-table.csv.
    """
    from coded_dgd.report.figure import INSTALL, can_draw
    from coded_dgd.report.steps import Steps
    from coded_dgd.reproduce import _files
    from coded_dgd.runs.folder import new_folder, remove_folder

    def say(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    names = figures.names() if figure == ALL else [figure]
    takers = figures.replaying() if traces and figure == ALL else names
    made = {
        name: figures.create(name, seed, quick, traces if name in takers else ()) for name in names
    }
    folder = new_folder(out, figure)
    if not can_draw():
        say(f"no plots, as matplotlib is not installed: {INSTALL}")
    done = {}
    written = []
    try:
        for name, one in made.items():
            say(f"{name}: {one.title}")
            begin = perf_counter()
            with Steps(f"{name}: part", one.parts, sys.stderr, quiet) as steps:
                result = figures.compute(one, jobs, steps.count)
            seconds = perf_counter() - begin
            done[name] = one, result
            with writing(folder):
                files = _files.write(folder, name, one, result)
                claims = _files.write_claims(folder, done)
            say(f"{name}: {seconds:.1f} s; {', '.join(file.name for file in files)}")
            if result.table:
                for line in _files.table_lines(result.table):
                    say(f"  {line}")
            if quick:
                say("  --quick is not the size that these claims are about:")
            for claim in result.claims:
                say(f"  {claim.verdict:<14} {claim.text} ({claim.where})")
                say(f"  {'':<14} {claim.found}")
            written.append(
                {
                    "figure": name,
                    "files": [str(file) for file in files],
                    "seconds": seconds,
                    "parameters": one.parameters,
                    "claims": [_files.describe_claim(claim) for claim in result.claims],
                }
            )
    except BaseException:
        if not done:
            remove_folder(folder)
        raise
    say(f"written to {folder}, with {claims.name}")
    if as_json:
        click.echo(
            json.dumps(
                {
                    "out": str(folder),
                    "seed": seed,
                    "quick": quick,
                    "claims": str(claims),
                    "figures": written,
                }
            )
        )
