"""Where the ranks come from on which an estimator is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from coded_dgd import pool
from coded_dgd.api import Training
from coded_dgd.estimators.training import trained, warn
from coded_dgd.host.launcher import Launch, launch

Arguments = Callable[[int], dict[str, Any]]
"""A function of the number of workers that returns the arguments of `train`, all data checked."""
Learn = Callable[[Training], None]
"""A function that keeps the result of a training."""
WORKERS = 4
"""Default number of simulated workers."""


def fit_on_ranks(estimator: Any, arguments: Arguments, learn: Learn) -> None:
    """Train an estimator; under mpiexec every rank calls this, and has the result.

    Parameters
    ----------
    estimator : CodedEstimator
        Its attributes whose names end with an underscore are what it has learnt.
    arguments, learn : callable
        They are called on rank 0 only.
    """
    launched = launch()
    if estimator.transport != "mpi":
        workers = WORKERS if estimator.workers is None else estimator.workers
        _fit_from_here(estimator, {**arguments(workers), "workers": workers}, learn)
    elif launched is not None and launched.size > 1:
        _fit_on_all(launched, estimator, arguments, learn)
    elif (kept := pool.current()) is not None:
        _fit_from_here(estimator, arguments(kept.count), learn)
    else:
        own = pool.workers(estimator.workers)
        given = arguments(own.count)  # data that are refused start no ranks
        with own:
            _fit_from_here(estimator, given, learn)


def _fit_from_here(estimator: Any, given: dict[str, Any], learn: Learn) -> None:
    """Train from the one process that calls `fit`."""
    training, warnings = trained(given, estimator._penalty)
    assert training is not None
    warn(warnings, estimator._penalty)
    learn(training)


def _fit_on_all(launched: Launch, estimator: Any, arguments: Arguments, learn: Learn) -> None:
    """Train on the ranks that a launcher has started, each of which calls this."""
    from coded_dgd.engine.transports.mpi.broadcasting import broadcast

    @contextmanager
    def refused_by_all() -> Iterator[None]:
        """Let rank 0 do something for which the others wait, and which may fail on all of them."""
        failure: Any = None
        try:
            yield
        except Exception as error:
            failure = error
        failure = broadcast(None, failure)
        if failure is not None:
            raise failure

    given = {"objective": getattr(estimator, "objective", None)}
    with refused_by_all():
        if launched.rank == 0:
            given = arguments(launched.size - 1)
    training, warnings = trained(given, estimator._penalty)
    with refused_by_all():
        warn(warnings, estimator._penalty)
        if training is not None:
            learn(training)
    state = broadcast(None, learnt(estimator))
    for name in learnt(estimator):  # of an earlier fit, on other ranks than 0
        delattr(estimator, name)
    vars(estimator).update(state)


def learnt(estimator: Any) -> dict[str, Any]:
    """Return what an estimator has learnt: its attributes whose names end with an underscore."""
    return {name: each for name, each in vars(estimator).items() if name.endswith("_")}
