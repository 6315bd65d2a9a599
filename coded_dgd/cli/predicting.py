"""This module has the code that ``theory`` and ``simulate`` share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import nan
from typing import TYPE_CHECKING, Any

import click

from coded_dgd.cli import options
from coded_dgd.config import DEFAULT_WORKERS, LARGEST_SIZE, RunConfig
from coded_dgd.errors import UsageError
from coded_dgd.spec import listed

if TYPE_CHECKING:
    from coded_dgd.theory.cases import PredictedCase

Entry = dict[str, Any]

LATEST = 1e100
"""Latest instant of ``--cdf`` in seconds."""

what = options.combined(
    options.configured(
        "scheme",
        f"Name of the scheme, or several with commas: {options.NAMES}.",
    ),
    options.configured("workers", f"Number M of workers.  [default: {DEFAULT_WORKERS}]"),
    options.configured("blocks"),
    click.option(
        "--load",
        metavar="R",
        help="Computation load r, the number of tasks per worker: one, or several as 2,5,10 or "
        "2..40.  [default: for most schemes 10, or N if less]",
    ),
    options.of_schemes,
    options.data,
    options.delay,
    options.seed,
    click.option(
        "--cdf",
        metavar="T1,T2,...",
        help="Instants t in seconds at which to give Pr(T <= t) in the object of --json.",
    ),
    click.option(
        "--realisations",
        type=int,
        metavar="K",
        help="Number of realisations that Monte Carlo draws.  [default: 100000; fewer, in about "
        "the same time, if rank 0 decides on tasks during an iteration]",
    ),
    click.option(
        "--jobs",
        default=1,
        metavar="K",
        help="Number of processes that share the work of Monte Carlo.",
    ),
)


def predict(
    add: Callable[[RunConfig, PredictedCase, Entry], None] = lambda *_: None,
    *,
    scheme: str,
    load: str | None,
    cdf: str | None,
    as_json: bool,
    quiet: bool,
    how: dict[str, Any],
    **given: Any,
) -> None:
    """Predict every scheme at every load, and print the predictions.

    Parameters
    ----------
    add : callable
        Function that adds the results of the command itself to an entry.
    """
    from coded_dgd import delays
    from coded_dgd.report.prediction import describe, header, row
    from coded_dgd.theory.cases import cases

    names, loads, cdf_at = listed(scheme), parse_loads(load), parse_instants(cdf)
    config = RunConfig(scheme=names[0], **given)
    delay = delays.create(config.delay, config.seed)
    if not delay.injects:
        raise UsageError(
            f"--delay {config.delay}: there is nothing to predict: give a delay model, such as "
            "--delay pareto"
        )
    found = cases(
        names,
        config.workers or DEFAULT_WORKERS,
        loads,
        data=config.data,
        seed=config.seed,
        reading=config.reading,
        intercept=config.intercept,
        standardize=config.standardize,
        blocks=config.blocks,
        **config.scheme_options,
    )
    several = len(names) > 1 or len(loads) > 1
    entries: list[Entry] = []
    for case in found:
        if case.refusal is not None and not several:
            raise case.refusal
        entry = describe(case, delay, cdf_at=cdf_at, seed=config.seed, **how)
        entry["delay"] = config.delay
        if case.scheme is not None:
            add(config, case, entry)
        if not quiet:
            click.echo(row(entry) if entries else f"{header()}\n{row(entry)}", err=True)
        entries.append(entry)
    if as_json:
        click.echo(json.dumps({"results": entries} if several else entries[0], allow_nan=False))


def parse_loads(text: str | None) -> Sequence[int | None]:
    """Return the loads of a text such as ``10``, ``2,5,10`` or ``2..40``; [None] without one.

    Raises
    ------
    UsageError
        If the text is not a list or range of positive integers.
    """
    if text is None:
        return [None]
    loads: list[int] = []
    try:
        for part in text.split(","):
            first, dots, last = part.partition("..")
            several = range(int(first), int(last if dots else first) + 1)
            if several and several[-1] > LARGEST_SIZE:
                raise ValueError(part)
            loads.extend(several)
    except ValueError:
        loads = []
    if not loads or min(loads) < 1:
        raise UsageError(f"--load {text!r}: give a number, or several as 2,5,10 or 2..40")
    return loads


def parse_instants(text: str | None) -> list[float]:
    """Return the instants in seconds of a text such as ``0.1,0.2``; an empty list without one.

    Raises
    ------
    UsageError
        If an instant is not a valid number.
    """
    if text is None:
        return []
    try:
        instants = [float(part) for part in text.split(",")]
    except ValueError:
        instants = [nan]
    if not all(0 <= instant <= LATEST for instant in instants):
        raise UsageError(f"--cdf {text!r}: give instants in seconds, such as 0.1,0.2")
    return instants
