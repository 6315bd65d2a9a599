"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from coded_dgd import schemes
from coded_dgd.config import DEFAULT_DELAY, RunConfig

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def configured(name: str, help: str, **kwargs: Any) -> Decorator:
    """Return an option of `RunConfig`, with the default that stands there."""
    default = getattr(RunConfig, name)
    kwargs.setdefault("type", type(default) if default is not None else int)
    return click.option(f"--{name.replace('_', '-')}", default=default, help=help, **kwargs)


def together(*options: Decorator) -> Decorator:
    """Return several options as one, in this order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


scheme = configured(
    "scheme",
    f"Scheme: {', '.join(schemes.names())}, lcc-mmc-K for K polynomials, MODULE:CLASS, or auto: "
    "what a short probe finds best, with all that is left open.",
)
sizes = together(
    configured("workers", "Number of workers M; under mpiexec it is the number of ranks less 1."),
    configured("blocks", "Data blocks N.  [default: M]"),
)
load = configured("load", "Computation load r: tasks per worker.  [default: 10, or N if less]")
of_schemes = together(
    configured(
        "tolerance",
        "Fraction of blocks that may be missing (uc-mmc-pg).  [default: 0.05]",
        type=float,
    ),
    configured(
        "redundancy", "Average number d of copies of a block (sgc, ...).  [default: 2]", type=float
    ),
    configured(
        "wait",
        "When the stochastic schemes go on: all, fastest:K workers, or deadline:SECONDS.  "
        "[default: all]",
        type=str,
    ),
    configured(
        "p",
        "Probability of straggling that their weights use, or auto: estimated from the arrivals.  "
        "[default: auto]",
        type=str,
    ),
    configured("assignment", "Copies of sgc: random or balanced.  [default: random]", type=str),
    configured(
        "normalisation",
        "Weights of sgc-send-all and erasurehead: per-block, which is unbiased, or printed as in "
        "the paper.  [default: per-block; printed for erasurehead]",
        type=str,
    ),
    configured(
        "early_stop",
        "coset: lcc-mmc also stops when one message of every worker is there.  [default: none]",
        type=str,
    ),
)
data = configured(
    "data",
    "synthetic:rows=...,features=..., or a path: .npy ([X | y]), .npz (X and y), .svm or .libsvm, "
    ".csv (label last), .h5 (X and y).",
)
training = together(
    configured(
        "objective",
        "least-squares (1/2 ||X beta - y||^2), logistic (labels +-1 or 0/1), or MODULE:CLASS.",
    ),
    configured("ridge", "Adds ridge/2 ||beta||^2 to the objective."),
    configured("optimizer", "gd, or nesterov for accelerated gradient descent."),
    configured(
        "step_size",
        "A number, auto (1 / largest curvature), theorem1:epsilon=1e-6, or "
        "power-law:scale=1612,power=0.7 (divided by rows and largest eigenvalue of X^T X).",
    ),
)
delay = configured(
    "delay",
    f"Injected delay of each task, times in seconds: none, {DEFAULT_DELAY}, "
    "pareto:shape=2.2,scale=0.06 (both also tasks=independent), persistent:ranks=1,3,factor=20, "
    "markov:onset=0.05,recovery=0.2,factor=20, bernoulli:p=0.7,slow=1,fast=0.01, or trace:FILE.",
)
guard = configured(
    "guard",
    "Largest error amplification to decode with; above it the master takes further messages.",
)
seed = configured("seed", "Seed of synthetic data and injected delays.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
quiet = click.option("--quiet", is_flag=True, help="Print neither progress nor the table.")
