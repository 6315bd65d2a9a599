"""``coded-dgd compare`` compares several schemes on the same delays, in one job."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from coded_dgd._version import __version__
from coded_dgd.cli import options
from coded_dgd.cli.connection import connect
from coded_dgd.config import DEFAULT_WORKERS, OPTIONS, RunConfig
from coded_dgd.files import writing
from coded_dgd.schemes import COMPARED
from coded_dgd.spec import listed


@click.command(short_help="Compare schemes on the same delays.")
@click.option(
    "--schemes",
    default=COMPARED,
    help="Names of schemes as of run --scheme, with commas; speed-up is over the first.",
)
@click.option(
    "--optimizers",
    help="Names of optimizers as of run --optimizer, with commas: each scheme runs with each of "
    "them.  [default: that of --optimizer]",
)
@options.fraction_of_gradient(
    "--until",
    "Run each scheme until ||gradient|| <= F ||first gradient||, or for T iterations at most, and "
    "compare the times that this takes.  [default: T iterations]",
)
@options.job
@options.configured("iterations", "Number T of iterations of each scheme.")
@options.delay
@options.guard
@click.option(
    "--check-gradient/--no-check-gradient", default=True, help=OPTIONS["check_gradient"].help
)
@options.transport
@options.seed
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to create for the files; it must not exist.  [default: runs/TIME-compare]",
)
@options.as_json
@options.quiet
def compare(
    schemes: str,
    optimizers: str | None,
    until: float | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    **configuration: Any,
) -> None:
    """Compare schemes on the same delays: predicted, in virtual time, and measured.

    Start it with mpiexec as run: mpiexec -n 41 coded-dgd compare. All schemes train in one job, one
    iteration each in turn, in an order that is drawn anew for each iteration; workers hold the
    blocks of all of them. Sizes and options go to those schemes that take them; a scheme that does
    not exist for these sizes is left out.

    With --until they are compared by the time to a target: a scheme that is there takes no further
    turn, and one that is not there after T iterations has no time.

    Writes comparison.json, schemes.csv, iterations.csv and, where matplotlib is installed,
    comparison.png and comparison.svg.
    """
    names = [name.strip() for name in listed(schemes) if name.strip()]
    optimizer_names = options.optimizer_names(optimizers)
    config = RunConfig(**configuration, stop_at=until or 0.0)
    master = connect(config.transport)
    from coded_dgd.app import convergence
    from coded_dgd.engine import comparison
    from coded_dgd.engine.iteration import Iteration
    from coded_dgd.engine.transports.simulated import SimulatedTransport
    from coded_dgd.host.interrupts import Interrupts
    from coded_dgd.report import comparison_files, comparison_plot, target_table
    from coded_dgd.report.comparison import describe
    from coded_dgd.report.comparison_table import format_table
    from coded_dgd.report.figure import INSTALL, can_draw
    from coded_dgd.report.steps import Steps
    from coded_dgd.runs.folder import new_folder, remove_folder

    def say(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    def on_start(contenders: Sequence[comparison.Contender]) -> None:
        start, delay = contenders[0].start, contenders[0].trainer.config.delay
        say(
            f"coded-dgd {__version__}: {', '.join(each.name for each in contenders)} on "
            f"{transport.workers} workers ({config.transport}), delay {delay}"
        )
        told = dict.fromkeys(
            f"{each.trainer.config.optimizer}{each.start.stepping}" for each in contenders
        )
        say(f"{start.problem.source.describe()}; {config.objective}, {', '.join(told)}")
        cautions = itertools.chain.from_iterable(each.start.cautions for each in contenders)
        for caution in dict.fromkeys(cautions):
            say(f"warning: {caution}")

    def on_turn(records: Sequence[Iteration]) -> None:
        times = [record.completion_time for record in records]
        steps.count(lambda: f"{min(times):.4f} to {max(times):.4f} s")

    configs = comparison.configurations(names, config, optimizer_names)
    transport = master or SimulatedTransport(config.workers or DEFAULT_WORKERS)
    folder = new_folder(out, "compare")
    try:
        progress = Steps("iteration", config.iterations, sys.stderr, quiet)
        with Interrupts(transport), progress as steps:
            compared = comparison.compare(
                configs, transport, on_start, on_turn, lambda line: say(f"warning: {line}")
            )
    except BaseException:
        remove_folder(folder)
        raise
    undecided = {name: each for name, each in compared.outcomes.items() if not each.stop.converged}
    for line, which in convergence.verdicts(undecided).items():
        say(f"warning: {', '.join(which)}: {line}")
    parameters = {"schemes": names, **configuration}
    if optimizer_names is not None:
        parameters["optimizers"] = optimizer_names
    if until is not None:
        parameters["until"] = until
    result = describe(compared, parameters, folder)
    # the table is printed before files are written, which may fail
    say(format_table(result) if until is None else target_table.format_table(result, until))
    described = result.to_json()
    comparison_files.write(folder, described, compared)
    length = (
        f"{config.iterations} iterations"
        if until is None
        else f"until ||gradient|| <= {until:g} ||first gradient||"
    )
    if can_draw():
        with writing(folder):
            comparison_plot.draw(
                comparison_plot.panels(result),
                [each.name for each in result.results],
                f"{transport.workers} workers, {length} on the same delays: {configs[0].delay}",
                [folder / "comparison.png", folder / "comparison.svg"],
            )
    else:
        say(f"no plot, as matplotlib is not installed: {INSTALL}")
    if as_json:
        click.echo(json.dumps(described))
