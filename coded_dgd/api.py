"""Training from Python: on the ranks of a script, on kept workers, or in virtual time."""

from __future__ import annotations

import warnings
from abc import ABCMeta
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from coded_dgd import pool
from coded_dgd.engine.transports.ending import EXIT_CODE, skip_finalize
from coded_dgd.errors import ConvergenceWarning, UsageError
from coded_dgd.problems.objectives import Objective, made

if TYPE_CHECKING:
    from coded_dgd.engine.iteration import Iteration
    from coded_dgd.problems.model import Model


@dataclass
class Training:
    """The result that `train` returns on rank 0."""

    coef_: NDArray[np.float64]
    """Coefficients of the columns of X, in the shape of scikit-learn: (l,) for a regression, (1, l)
    for two classes, (K, l) for K outputs. For a model that is not linear in X, all parameters."""
    intercept_: float | NDArray[np.float64]
    """Intercept: a number for a regression, else of shape (1,) or (K,); 0 without ``intercept``."""
    classes_: NDArray[Any] | None
    """Labels of the classes, numbers or texts as in y, ascending; None for a regression."""
    parameters_: NDArray[np.float64]
    """All parameters, of shape (p,), as in ``beta.npy``: for each output the coefficients and then,
    with ``intercept``, the intercept."""
    n_iter_: int
    """Number of iterations done."""
    history: list[Any]
    """One `engine.iteration.Iteration` for each: completion time, messages, error, loss, ..."""
    summary: dict[str, Any]
    """The object that ``coded-dgd run --json`` prints."""
    model: Model
    """The model, with which `problems.predictor.Predictor` predicts, and to `start` again at."""


def train(
    X: Any = None,
    y: Any = None,
    *unnamed: NoReturn,
    sample_weight: Any = None,
    objective: str | Objective | type[Objective] | None = None,
    comm: Any = None,
    callback: Callable[[Iteration], Any] | None = None,
    **options: Any,
) -> Training | None:
    """Train by coded distributed gradient descent; every rank of a communicator calls it.

    Rank 0 is the master and returns the result. The other ranks work until it has finished, and
    return None. The function may be called again. A late rank is waited for, and named on stderr
    after 5 s. If a rank has ended without the call, the job ends with exit code 1.

    Within ``with coded_dgd.workers(8):`` a single process calls the function. It trains on the
    ranks that the context keeps, and returns the result of their rank 0.

    Parameters
    ----------
    X : (m, l) array, data frame or sparse matrix, optional
    y : (m,) array or column of a data frame, optional
        The data, needed on rank 0 only. Without them, `data` says where they are. docs/data.md
        lists what is accepted; missing and masked values, text, dates and complex numbers are
        refused. Labels y of a classifier may be text.
    sample_weight : (m,) array, optional
        Weights of the rows, 0 or more; a weight of 2 counts as two copies of the row.
    objective : str, Objective or class, optional
        A name, such as ``"module:Class:key=value"``, or the user's own object or class, the same
        on every rank; least squares by default.
    comm : mpi4py.MPI.Intracomm, optional
        The ranks to train on, by default all (COMM_WORLD). The others continue meanwhile, and may
        run a training of their own. Ranks in results and messages are those of `comm`. It is
        duplicated at its first use, so messages of the caller on it are not affected.
    callback : callable, optional
        Is given the `engine.iteration.Iteration` of each iteration on rank 0: completion time,
        messages, gradient norm, loss, and with `validation` the figures of the held-out rows. If it
        returns True, the run stops, and ``summary["stop_reason"]`` is ``"callback"``. An exception
        that it raises ends the training on all ranks.
    **options
        Options of ``coded-dgd run`` with underscores for dashes: ``scheme="gc"`` (or ``"auto"``),
        ``load=4``, ``iterations=200``, ``step_size=0.01``, ``delay="none"``, ``data="file.npy"``,
        ``transport="simulated"``, ... Numbers may be those of numpy, and paths ``pathlib.Path``.
        ``validation`` may also be arrays ``(X, y)`` or ``(X, y, sample_weight)`` of held-out rows.
        ``start`` may also be the `model` of an earlier training, or an array as `parameters_`.
        No delays are injected unless `delay` says so. A run folder with checkpoints is written only
        with ``out=FOLDER``. ``resume=FOLDER`` continues the run in a folder, and with
        ``wait_for_run=True`` it first waits until no other process runs in it. Nothing is printed
        unless ``quiet=False``.

    Returns
    -------
    Training or None

    Raises
    ------
    CodedDGDError
        As on the command line, and for invalid arguments. Every rank raises the same error, after
        the workers have been stopped. If rank 0 raises any other error, the workers raise a
        `CodedDGDError` that names it.

    Warns
    -----
    ConvergenceWarning
        On rank 0, if the result is far from the optimum and more iterations like the last ones
        would hardly help. The message names the remedy; ``summary["warnings"]`` holds it, too.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.eye(4)
    >>> result = train(X, X @ [1, 2, 3, 4], transport="simulated", workers=4, load=2)
    >>> result.coef_.round(6).tolist()
    [1.0, 2.0, 3.0, 4.0]

    The same in virtual time under injected delays, with a record of every iteration:

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
    options.setdefault("transport", "mpi")
    if not isinstance(options["transport"], str) or options["transport"] != "mpi":
        if comm is not None:
            raise UsageError('train: comm means nothing to transport="simulated": leave it out')
        return _train(None, X, y, unnamed, sample_weight, objective, callback, options)
    if comm is None and (kept := pool.current()) is not None:
        call = pool.Call(X, y, unnamed, sample_weight, options)
        return cast(Training, kept.train(call, objective, callback))
    from coded_dgd.engine.transports.mpi.master import MPIMaster
    from coded_dgd.engine.transports.mpi.rendezvous import communicator, meet

    private = meet(communicator(comm))
    if private.rank > 0:
        from coded_dgd.engine.serve import serve
        from coded_dgd.engine.transports.mpi.worker import MPIWorker

        own = None
        with suppress(UsageError):  # which rank 0 raises
            own = _instance(objective)
        connection = MPIWorker(private)
        connection.await_master()
        if serve(connection, own):
            skip_finalize()
        if connection.error is not None:
            raise connection.error
        return None
    master = MPIMaster(private, hard=False)
    try:
        master.assemble()
        return _train(master, X, y, unnamed, sample_weight, objective, callback, options)
    except BaseException as error:
        master.error = error
        raise
    finally:
        master.stop_or_abort(EXIT_CODE)
        if master.hard:
            skip_finalize()


def _train(
    master: Any,
    X: Any,
    y: Any,
    unnamed: tuple[Any, ...],
    sample_weight: Any,
    objective: str | Objective | type[Objective] | None,
    callback: Callable[[Iteration], Any] | None,
    options: dict[str, Any],
) -> Training:
    from coded_dgd.app import arguments, running

    own = _instance(objective)
    if objective is not None:
        options["objective"] = type(own).__name__ if own else objective
    if callback is not None and not callable(callback):
        raise UsageError(
            f"train: callback is a {type(callback).__name__}: give a function of a record"
        )
    run = arguments.parse(X, y, unnamed, sample_weight, own, options)
    outcome, model, summary = running.run(run.config, master, run.records, run.given, callback)
    if outcome.not_converged:
        warnings.warn(outcome.not_converged, ConvergenceWarning, stacklevel=3)
    return Training(
        coef_=model.coef,
        intercept_=model.intercept if model.intercept.ndim else float(model.intercept),
        classes_=model.classes,
        parameters_=model.parameters,
        n_iter_=len(outcome.log),
        history=outcome.log,
        summary=summary.to_json(),
        model=model,
    )


def _instance(objective: str | Objective | type[Objective] | None) -> Objective | None:
    """Return the objective if it is not given by name, else None.

    Raises
    ------
    UsageError
        The class cannot be called without arguments.
    """
    if isinstance(objective, Objective):
        return objective
    if not (isinstance(objective, ABCMeta) and issubclass(objective, Objective)):
        return None
    return made(objective)
