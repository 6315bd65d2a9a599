"""``coded-dgd run``: train, and measure what every iteration took."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from coded_dgd import schemes
from coded_dgd.config import DEFAULT_DELAY, ON_LOSS, TRANSPORTS, RunConfig, read_toml
from coded_dgd.errors import UsageError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _configured(name: str, help: str, **kwargs: Any) -> Decorator:
    """Return an option of `RunConfig`, with the default that stands there."""
    default = getattr(RunConfig, name)
    kwargs.setdefault("type", type(default) if default is not None else int)
    return click.option(f"--{name.replace('_', '-')}", default=default, help=help, **kwargs)


def _read_config(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is not None:
        context.default_map = {**(context.default_map or {}), **read_toml(path)}


@click.command()
@_configured(
    "scheme", f"Scheme: {', '.join(schemes.names())}, lcc-mmc-K for K polynomials, or MODULE:CLASS."
)
@_configured("workers", "Number of workers M; under mpiexec it is the number of ranks less 1.")
@_configured("blocks", "Data blocks N.  [default: M]")
@_configured("load", "Computation load r: tasks per worker.  [default: 10, or N if less]")
@_configured(
    "tolerance", "Fraction of blocks that may be missing (uc-mmc-pg).  [default: 0.05]", type=float
)
@_configured(
    "redundancy", "Average number d of copies of a block (sgc, ...).  [default: 2]", type=float
)
@_configured(
    "wait",
    "When the stochastic schemes go on: all, fastest:K workers, or deadline:SECONDS.  "
    "[default: all]",
    type=str,
)
@_configured(
    "p",
    "Probability of straggling that their weights use, or auto: estimated from the arrivals.  "
    "[default: auto]",
    type=str,
)
@_configured("assignment", "Copies of sgc: random or balanced.  [default: random]", type=str)
@_configured(
    "normalisation",
    "Weights of sgc-send-all and erasurehead: per-block, which is unbiased, or printed as in the "
    "paper.  [default: per-block; printed for erasurehead]",
    type=str,
)
@_configured(
    "early_stop",
    "coset: lcc-mmc also stops when one message of every worker is there.  [default: none]",
    type=str,
)
@_configured(
    "data",
    "synthetic:rows=...,features=..., or a path: .npy ([X | y]), .npz (X and y), .svm or .libsvm, "
    ".csv (label last), .h5 (X and y).",
)
@_configured(
    "objective",
    "least-squares (1/2 ||X beta - y||^2), logistic (labels +-1 or 0/1), or MODULE:CLASS.",
)
@_configured("ridge", "Adds ridge/2 ||beta||^2 to the objective.")
@_configured("optimizer", "gd, or nesterov for accelerated gradient descent.")
@_configured(
    "step_size",
    "A number, auto (1 / largest curvature), theorem1:epsilon=1e-6, or "
    "power-law:scale=1612,power=0.7 (divided by rows and largest eigenvalue of X^T X).",
)
@_configured("iterations", "Number of iterations T.")
@_configured("stop_at", "Stop earlier, once ||gradient|| <= F ||first gradient||.")
@_configured(
    "delay",
    f"Injected delay of each task, times in seconds: none, {DEFAULT_DELAY}, "
    "pareto:shape=2.2,scale=0.06 (both also tasks=independent), persistent:ranks=1,3,factor=20, "
    "markov:onset=0.05,recovery=0.2,factor=20, bernoulli:p=0.7,slow=1,fast=0.01, or trace:FILE.",
)
@_configured(
    "guard",
    "Largest error amplification to decode with; above it the master takes further messages.",
)
@click.option(
    "--check-gradient",
    is_flag=True,
    help="Hold every gradient against the exact one, computed on rank 0 outside the clock.",
)
@_configured(
    "on_loss",
    "What to do when too many workers are lost: stop (exit code 4), or replan: build the code "
    "anew for those that live.",
    type=click.Choice(ON_LOSS),
)
@_configured("spare", "Ranks that idle until they take the place of a lost worker.")
@_configured("replace", "Start a new worker for each lost one.", is_flag=True)
@_configured("checkpoint_every", "Write a checkpoint every so many iterations; 0 for never.")
@_configured("checkpoint_seconds", "Write a checkpoint every so many seconds; 0 for never.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    help="Go on with the run in this folder, from its last checkpoint, with the same options.",
)
@click.option(
    "--allow-different-workers", is_flag=True, help="With --resume: on another number of workers."
)
@_configured(
    "transport",
    "mpi: real ranks and wall-clock time; simulated: one process and virtual time.",
    type=click.Choice(TRANSPORTS),
)
@_configured("seed", "Seed of synthetic data and injected delays.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run folder to create.  [default: runs/TIME-SCHEME]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="Print neither progress nor the table.")
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
    as_json: bool,
    quiet: bool,
    print_config: bool,
    resume: Path | None,
    allow_different_workers: bool,
    **options: Any,
) -> int | None:
    """Train by coded distributed gradient descent and measure what every iteration took.

    Start it with mpiexec: rank 0 is the master, the others are workers, as in
    mpiexec -n 41 python -m coded_dgd.run --scheme lcc-mmc.

    Exit codes: 0 done, 1 error, 2 wrong usage or unusable input, 3 diverged, 4 undecodable (too
    many workers lost), 75 stopped on request (SIGTERM, SIGINT, SIGUSR2) with a checkpoint.
    """
    if resume is None:
        config = RunConfig(**options)
    else:
        from coded_dgd.report import resume as resuming

        if out is not None:
            raise UsageError("--resume goes on in the folder that it names: leave --out out")
        default = click.core.ParameterSource.DEFAULT
        given = {
            name: value
            for name, value in options.items()
            if context.get_parameter_source(name) is not default
        }
        config = resuming.configuration(resume, given, allow_different_workers)
    if print_config:
        click.echo(config.to_toml(), nl=False)
        return None
    master = None
    if config.transport == "mpi":
        from coded_dgd.engine.transports.mpi.library import world

        if world().rank > 0:  # a launcher that leaves no trace in the environment
            from coded_dgd.engine.serve import serve_and_exit

            serve_and_exit()
        from coded_dgd.engine.transports.mpi.master import master as mpi_master

        master = mpi_master()
    from coded_dgd.engine import job, setup
    from coded_dgd.engine.checkpoint import Keeper
    from coded_dgd.engine.interrupts import Interrupts
    from coded_dgd.engine.master import Iteration
    from coded_dgd.engine.transports.simulated import SimulatedTransport
    from coded_dgd.report import summary, table
    from coded_dgd.report.progress import Progress
    from coded_dgd.report.run_folder import RunFolder

    prepared = setup.prepare(config, None if master is None else master.workers)
    transport = master or SimulatedTransport(prepared.scheme.workers)
    found = None
    if resume is None:
        folder = RunFolder.create(out, prepared)
    else:
        found = resuming.find(resume, prepared, allow_different_workers)
        done = found.resume[0].iteration if found.resume else 0
        folder = RunFolder.reopen(resume, prepared, done)
    keeper = Keeper(folder.path, config.checkpoint_every, config.checkpoint_seconds, folder.sync)
    with Interrupts(transport), Progress(prepared, sys.stderr, quiet) as progress, folder:
        if found:
            for complaint in found.complaints:
                progress.warn(complaint)
            progress.resumed(done)

        def on_iteration(record: Iteration) -> None:
            folder.add(record)
            progress.update(record)

        def say(line: str, details: str) -> None:
            progress.warn(line)
            folder.log(line, details)

        outcome = job.run(
            prepared,
            transport,
            progress.start,
            on_iteration,
            keeper=keeper,
            resume=found.resume if found else None,
            say=say,
        )
    result = summary.summarize(outcome, folder.path)
    folder.finish(outcome, result)
    if not quiet:
        click.echo(table.format_table(result, outcome), err=True)
    if as_json:
        click.echo(json.dumps(result))
    return None
