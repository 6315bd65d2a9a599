"""Training from Python: inside an mpi4py script of one's own, or in one process in virtual time."""

from __future__ import annotations

import atexit
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coded_dgd.problems.objectives import Objective


@dataclass
class Training:
    """What `train` returns on rank 0."""

    coef_: NDArray[np.float64]
    """The model, of shape (l,)."""
    n_iter_: int
    """Iterations done."""
    history: list[Any]
    """An `engine.master.Iteration` for each: completion time, messages, error, loss, ..."""
    summary: dict[str, Any]
    """The object that ``coded-dgd run --json`` prints."""


def train(
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    objective: str | Objective | None = None,
    **options: Any,
) -> Training | None:
    """Train by coded distributed gradient descent; every rank calls it.

    Rank 0 is the master and returns the result; the other ranks work until it has finished, and
    return None. It may be called again.

    Parameters
    ----------
    X : (m, l) array, optional
    y : (m,) array, optional
        The data, needed on rank 0 only. Left out, `data` says where they are.
    objective : str or Objective, optional
        A name, or an object of one's own, the same on every rank; least squares by default.
    **options
        Those of ``coded-dgd run`` with underscores for dashes: ``scheme="gc"`` (or ``"auto"``),
        ``load=4``, ``iterations=200``, ``delay="none"``, ``data="file.npy"``,
        ``transport="simulated"``, ... Nothing is delayed unless `delay` says so. A run folder with
        checkpoints is written only with ``out=FOLDER``, and ``resume=FOLDER`` goes on with one.
        Nothing is printed unless ``quiet=False``.

    Returns
    -------
    Training or None

    Raises
    ------
    CodedDGDError
        On rank 0, as on the command line; the workers have been stopped then.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.eye(4)
    >>> result = train(X, X @ [1, 2, 3, 4], transport="simulated", workers=4, load=2)
    >>> result.coef_.round(6).tolist()
    [1.0, 2.0, 3.0, 4.0]

    The same in virtual time under injected delays, with what every iteration took:

    >>> result = train(
    ...     X, X @ [1, 2, 3, 4], transport="simulated", workers=4, scheme="uc-mmc", load=2,
    ...     delay="shifted-exponential:mu=10,alpha=0.01", check_gradient=True, iterations=5,
    ... )
    >>> result.n_iter_, len(result.history)
    (5, 5)
    >>> f"{result.history[0].completion_time:.4f} s"
    '0.0718 s'
    >>> result.summary["gradient_error"]["max"] < 1e-12
    True
    """
    own = objective if isinstance(objective, Objective) else None
    if objective is not None:
        options["objective"] = type(own).__name__ if own else objective
    if options.setdefault("transport", "mpi") == "simulated":
        return _train(None, X, y, own, options)
    from coded_dgd.engine.transports.mpi.library import leave, world
    from coded_dgd.engine.transports.mpi.master import MPIMaster

    if world().rank > 0:
        from coded_dgd.engine.serve import serve

        if serve(own):
            atexit.register(leave, 0)
        return None
    master = MPIMaster(hard=False)
    try:
        return _train(master, X, y, own, options)
    finally:
        master.stop_or_abort()
        if master.hard:
            atexit.register(leave, 0)


def _train(
    master: Any,
    X: ArrayLike | None,
    y: ArrayLike | None,
    objective: Objective | None,
    options: dict[str, Any],
) -> Training:
    from coded_dgd.app import arguments, running

    source = arguments.source(X, y, options)
    records = arguments.records(options)
    config = arguments.configuration(records, options)
    outcome, summary = running.run(config, master, records, source, objective)
    return Training(outcome.beta, len(outcome.log), outcome.log, summary)
