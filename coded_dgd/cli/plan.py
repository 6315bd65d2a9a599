"""``coded-dgd plan`` chooses scheme and load for the cluster at hand."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import click

from coded_dgd.advising import measuring
from coded_dgd.cli import options, predicting
from coded_dgd.cli.connection import connect
from coded_dgd.config import RunConfig
from coded_dgd.errors import UsageError
from coded_dgd.spec import listed

PROBE = 200
"""Maximum number of iterations of the probe."""
PROBE_SECONDS = 8.0
"""Maximum duration of the probe in seconds, apart from messages and distributing data."""


@click.command()
@click.option(
    "--schemes", help="Names of the schemes to choose among, with commas.  [default: all]"
)
@options.sizes
@click.option(
    "--load", help="Loads r to try: a number, or several as 2,5,10 or 2..40.  [default: 1..20]"
)
@options.of_schemes
@options.data
@options.training
@options.configured("iterations", "Number T of iterations of the job that is planned.")
@options.delay
@options.guard
@click.option(
    "--probe",
    default=PROBE,
    help="Number of iterations of two tasks per worker that are timed, in about 8 s at most.",
)
@click.option(
    "--from",
    "path",
    type=click.Path(path_type=Path),
    help="Measure nothing: plan for what this run folder, file of plan --json, or "
    "adaptation-N.json of a run folder has recorded.",
)
@click.option(
    "--memory-per-worker",
    help="Memory that a worker may need at its peak, in bytes: such as 2GB or 500MB.",
)
@click.option("--exact", is_flag=True, help="Only schemes whose gradients are exact.")
@options.fraction_of_gradient(
    "--target",
    "Plan for reaching ||gradient|| <= F ||first gradient||.  [default: where T iterations with "
    "exact gradients get]",
)
@click.option(
    "--optimizers",
    help="Names of optimizers, with commas: plan for the one that needs the fewest iterations to "
    "the --target.  [default: that of --optimizer]",
)
@options.transport
@options.seed
@options.as_json
@options.quiet
@click.pass_context
def plan(
    context: click.Context,
    /,
    schemes: str | None,
    load: str | None,
    probe: int,
    path: Path | None,
    memory_per_worker: str | None,
    exact: bool,
    target: float | None,
    optimizers: str | None,
    as_json: bool,
    quiet: bool,
    **configuration: Any,
) -> None:
    """Choose scheme and load for the cluster at hand.

    Start it with mpiexec as run: mpiexec -n 41 coded-dgd plan --data FILE. It times real tasks and
    messages on every rank, fits delay models to them, and predicts time and memory of every scheme
    at every load. With --from it needs no cluster.
    """
    if probe < 1:
        raise UsageError(f"--probe {probe}: give 1 iteration or more")
    optimizer_names = options.optimizer_names(optimizers)
    if optimizer_names is not None and target is None:
        raise UsageError("--optimizers are chosen among by the time to a target: give --target F")
    names = None if schemes is None else [name.strip() for name in listed(schemes)]
    loads = None if load is None else [each for each in predicting.parse_loads(load) if each]
    memory = inf if memory_per_worker is None else parse_bytes(memory_per_worker)
    config = RunConfig(scheme="auto", **configuration)
    master = connect(config.transport) if path is None else None
    from coded_dgd.planner.judging import Limits
    from coded_dgd.planner.planning import make_plan
    from coded_dgd.planner.record import replay, to_json
    from coded_dgd.report.plan import format_plan

    limits = Limits(memory, exact, target)
    if path is None:
        from coded_dgd.engine.job import stopping
        from coded_dgd.engine.setup import check_workers
        from coded_dgd.engine.transports.simulated import SimulatedTransport
        from coded_dgd.host.interrupts import Interrupts

        workers = check_workers(config, None if master is None else master.workers)
        transport = master or SimulatedTransport(workers)
        with stopping(transport), Interrupts(transport):
            source, data_bytes = measuring.open_data(config)
            source = measuring.admit(config, source)
            measured = measuring.measure(config, transport, source, probe, PROBE_SECONDS)
    else:
        default = click.core.ParameterSource.DEFAULT
        given = {
            name: value
            for name, value in configuration.items()
            if context.get_parameter_source(name) is not default
        }
        if "workers" in given:
            raise UsageError(f"--workers is the number that {path} tells: leave it out with --from")
        record = measuring.recorded(path)
        if record is not None and "adaptation" in record:
            _print_adaptation(record["adaptation"], as_json, quiet)
            return
        if record is not None:
            changed: dict[str, Any] = {
                "names": names,
                "loads": loads,
                "optimizer_names": optimizer_names,
            }
            changed = {key: value for key, value in changed.items() if value is not None}
            if limits != Limits():
                changed["limits"] = limits
            if given:
                changed["config"] = replace(RunConfig(**record["inputs"]["config"]), **given)
            made = replay(record, **changed)
            _print(made, to_json(made), format_plan(made), as_json, quiet)
            return
        measured, config, workers = measuring.measured_by_run(path)
        config = replace(config, scheme="auto", load=None, **given)
        source, data_bytes = measuring.open_data(config)
    from coded_dgd import delays

    made = make_plan(
        measured,
        config,
        source,
        workers,
        limits,
        data_bytes=data_bytes,
        injected=delays.create(config.delay, config.seed).injects,
        names=names,
        loads=loads,
        optimizer_names=optimizer_names,
    )
    _print(made, to_json(made), format_plan(made), as_json, quiet)


def _print_adaptation(record: Any, as_json: bool, quiet: bool) -> None:
    """Print again the advice that was given during a run.

    Raises
    ------
    UsageError
        If there was no alternative to the current scheme.
    """
    from coded_dgd.planner.advice import Situation, advise
    from coded_dgd.report import changes as adaptation

    situation = Situation.from_json(record)
    source, _ = measuring.open_data(situation.config)
    advice = advise(situation, measuring.admit(situation.config, source))
    if advice is None:
        raise UsageError("there is no alternative to what ran: name another adaptation")
    if not quiet:
        click.echo(adaptation.format_advice(advice), err=True)
    if as_json:
        click.echo(json.dumps(adaptation.to_json(advice), allow_nan=False))


def _print(made: Any, record: dict[str, Any], table: str, as_json: bool, quiet: bool) -> None:
    if not quiet:
        click.echo(table, err=True)
    if as_json:
        click.echo(json.dumps(record, allow_nan=False))


def parse_bytes(text: str) -> float:
    """Return the number of bytes of a text such as ``2GB``, ``500MB`` or ``1e9``.

    Raises
    ------
    UsageError
        If the text is not a positive size.
    """
    found = re.fullmatch(r"\s*([0-9.eE+]+)\s*([kKMGT]?)i?B?\s*", text)
    try:
        if found and (value := float(found[1])) > 0:
            return value * 1e3 ** " KMGT".index(found[2].upper() or " ")
    except ValueError:
        pass
    raise UsageError(f"--memory-per-worker {text!r}: give bytes, such as 2GB or 500MB")
