"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from coded_dgd import delays, schemes
from coded_dgd.config import DEFAULT_DELAY, DTYPES, ENCODE, KERNELS, TRANSPORTS, RunConfig
from coded_dgd.reading import FORMATS, HEADERS

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def configured(name: str, help: str, **kwargs: Any) -> Decorator:
    """Return an option of `RunConfig`, with the default that stands there."""
    default = getattr(RunConfig, name)
    kwargs.setdefault("type", type(default) if default is not None else int)
    return click.option(f"--{name.replace('_', '-')}", default=default, help=help, **kwargs)


def among(names: Callable[[], Iterable[str]]) -> dict[str, Any]:
    """Return what has the shell complete the values of an option with these names."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return {"shell_complete": complete}


def together(*options: Decorator) -> Decorator:
    """Return several options as one, in this order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


NAMES = schemes.described()
BLOCKS = "Number N of blocks that the rows of the data are cut into.  [default: M]"

scheme = configured(
    "scheme",
    f"Name of the scheme: {NAMES}; or auto for what a short probe finds best, with all that is "
    "left open.",
    **among(lambda: [*schemes.names(), "auto"]),
)
transport = configured(
    "transport",
    "Where workers run: mpi, on real ranks in wall-clock time; simulated, in this process in "
    "virtual time.",
    type=click.Choice(TRANSPORTS),
)
sizes = together(
    configured(
        "workers",
        "Number M of workers; under mpiexec it is the number of ranks less 1.  [default: 40 "
        "without MPI]",
        metavar="M",
    ),
    configured("blocks", BLOCKS, metavar="N"),
)
load = configured(
    "load",
    "Computation load r: number of tasks, one (coded) block each, per worker and iteration.  "
    "[default: 10, or N if less]",
    metavar="R",
)
of_schemes = together(
    configured("tolerance", schemes.help_of("tolerance"), type=float, metavar="F"),
    configured("redundancy", schemes.help_of("redundancy"), type=float, metavar="D"),
    configured("wait", schemes.help_of("wait"), type=str),
    configured("p", schemes.help_of("p"), type=str),
    configured("assignment", schemes.help_of("assignment"), type=str),
    configured("normalisation", schemes.help_of("normalisation"), type=str),
    configured("early_stop", schemes.help_of("early_stop"), type=str),
)
reading = together(
    configured(
        "header",
        "Whether the first line of a .csv file names the columns: yes, no, or auto, which refuses "
        "a line that may be either.",
        type=click.Choice(HEADERS),
    ),
    configured(
        "label",
        "Column of the label in a .csv or .npy file: its name in the header or, if no column is "
        "called so, its number from 1, or from the end from -1.  [default: the last column]",
        type=str,
        metavar="NAME|INDEX",
    ),
    configured(
        "format",
        "Format of the data file, whatever its suffix is.  [default: as the suffix says]",
        type=click.Choice(FORMATS, case_sensitive=False),
    ),
    configured(
        "features",
        "Number of features of an .svm file, 1 or more; larger indices in it are refused.  "
        "[default: the largest index]",
        metavar="N",
    ),
)
data = together(
    configured(
        "data",
        "Data to train on: synthetic:rows=...,features=..., or a file: .npy ([X | y]), .npz (X and "
        "y), .svm or .libsvm, .csv, .h5 (X and y); .svm and .csv also compressed, as .csv.gz, .bz2 "
        "or .xz.",
    ),
    reading,
)
delivery = together(
    configured(
        "encode",
        "Who makes the (coded) blocks of the data: master, rank 0, which sends them; local, each "
        "worker its own, of the file, which every host then has to see under the same path.",
        type=click.Choice(ENCODE),
    ),
    click.option(
        "--share-blocks/--no-share-blocks",
        default=RunConfig.share_blocks,
        help="Whether workers of a host hold the blocks of which they would have copies together, "
        "where that saves 1 MB or more.",
    ),
)
training = together(
    configured(
        "objective",
        "What to minimise: least-squares (1/2 ||X beta - y||^2), logistic (two classes), or "
        "MODULE:CLASS of your own.",
    ),
    configured(
        "ridge", "Factor L of the term L/2 ||beta||^2 that is added to the objective.", metavar="L"
    ),
    configured(
        "optimizer",
        "How to step: gd for gradient descent, nesterov for accelerated gradient descent.",
    ),
    configured(
        "step_size",
        "Length of a step: a number, auto (1 / largest curvature), theorem1:epsilon=1e-6, or "
        "power-law:scale=1612,power=0.7 (divided by rows and largest eigenvalue of X^T X).",
    ),
    configured(
        "dtype",
        "What workers hold, compute and send: float64, or float32 in half the memory, time and "
        "bytes, with 7 digits instead of 16; the master decodes and steps in float64.",
        type=click.Choice(DTYPES),
    ),
)
kernel = configured(
    "kernel",
    "How workers compute: products, X^T (X beta - y) from dense rows; gram, from X^T X, formed "
    "once (least squares); sparse, from sparse rows (.svm, blocks that are copies); or auto, for "
    "the fastest by a cost model, in no more memory than the rows take.",
    type=click.Choice(KERNELS),
)
job = together(sizes, load, of_schemes, data, delivery, training, kernel)
"""What is trained, and how; all but the scheme itself and what is measured."""
delay = configured(
    "delay",
    f"Injected delay of each task, with times in seconds: none, {DEFAULT_DELAY}, "
    "pareto:shape=2.2,scale=0.06 (both also tasks=independent), persistent:ranks=1,3,factor=20, "
    "markov:onset=0.05,recovery=0.2,factor=20, bernoulli:p=0.7,slow=1,fast=0.01, or trace:FILE.",
    **among(delays.names),
)
guard = configured(
    "guard",
    "Largest error amplification (a factor) to decode with; above it the master takes further "
    "messages.  [default: 1e6, and 100 with --dtype float32]",
    show_default=False,
    metavar="F",
)
seed = configured("seed", "Seed of synthetic data and injected delays, 0 or more.", metavar="S")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
quiet = click.option("--quiet", is_flag=True, help="Print neither progress nor the table.")
