"""``coded-dgd theory`` predicts one iteration, exactly if a closed form is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from coded_dgd.cli import options, predicting
from coded_dgd.config import RunConfig
from coded_dgd.schemes import BOUNDED

if TYPE_CHECKING:
    from coded_dgd.theory.cases import PredictedCase


@click.command(short_help="Predict completion times, exactly where possible.")
@predicting.what
@click.option(
    "--epsilon",
    default=1e-6,
    metavar="F",
    help=f"{BOUNDED}: fraction epsilon of ||beta_0 - beta*|| that Theorem 1 aims at.",
)
@click.option(
    "--iterations",
    type=int,
    metavar="T",
    help=f"{BOUNDED}: number of iterations in Theorem 1.  [default: 2 log(1/epsilon^2)]",
)
@options.as_json
@options.quiet
def theory(
    epsilon: float, iterations: int | None, realisations: int | None, jobs: int, **given: Any
) -> None:
    """Predict completion time and communication load of one iteration.

    Exactly where there is a closed form, which is for all schemes where all tasks of a worker take
    equally long (shifted exponential, Pareto, persistent stragglers); else by Monte Carlo, with its
    standard error. For sgc also the bound of Theorem 1 on its convergence.
    """

    def add(config: RunConfig, case: PredictedCase, entry: predicting.Entry) -> None:
        from coded_dgd.report.theorem1 import add_bound

        add_bound(entry, case, epsilon, iterations)

    how = {"exact": True, "realisations": realisations, "jobs": jobs}
    predicting.predict(add, how=how, **given)
