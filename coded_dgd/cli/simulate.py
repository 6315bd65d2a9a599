"""``coded-dgd simulate`` runs Monte Carlo simulations, and trains in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from coded_dgd.cli import options, predicting
from coded_dgd.errors import UsageError


@click.command(short_help="Simulate one iteration many times.")
@predicting.what
@click.option("--train", type=int, metavar="T", help="Also train for T iterations in virtual time.")
@options.training
@options.guard
@click.option(
    "--gap",
    default=1e-3,
    metavar="F",
    help="With --train: tell the time at which the distance to the optimum has come down to this "
    "fraction of the first.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="With --train: folder to create for convergence.csv, which has loss and distance to the "
    "optimum against time.",
)
@options.as_json
@options.quiet
def simulate(
    train: int | None,
    gap: float,
    out: Path | None,
    realisations: int | None,
    jobs: int,
    **given: Any,
) -> None:
    """Simulate one iteration many times: completion time and communication load.

    Under any delay model, by the completion rule of the scheme itself, with standard errors. With
    --train also whole runs, by the same master and workers as over MPI but in virtual time: how
    fast they converge in seconds.
    """
    how = {"exact": False, "realisations": realisations, "jobs": jobs}
    if train is None:
        if out is not None:
            raise UsageError("--out is for the convergence of --train T: leave it out, or train")
        predicting.predict(how=how, **given)
        return
    from coded_dgd.report.convergence import ConvergenceStudy

    with ConvergenceStudy(train, gap, out) as convergence:
        predicting.predict(convergence.add, how=how, **given)
