"""A whole run on rank 0: from the configuration to the last worker's last word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, time

import numpy as np

from coded_dgd.engine.distribute import distribute
from coded_dgd.engine.master import Iteration, Master
from coded_dgd.engine.process import process_age
from coded_dgd.engine.protocol import Floats, Report
from coded_dgd.engine.setup import Setup
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import Diverged
from coded_dgd.guard import GuardedDecoder, replay
from coded_dgd.problems.objectives import OBJECTIVES
from coded_dgd.problems.optimizers import OPTIMIZERS
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import open_source
from coded_dgd.theory.predictor import GuardForecast, forecast

SHUTDOWN_SECONDS = 10.0
FORECAST_SECONDS = 0.2
EXPLOSION = 1e10
"""A gradient that has grown by this factor since the first one will not come back."""


@dataclass
class Start:
    """What is known when the first beta_t leaves."""

    problem: Problem
    step: float
    forecast: GuardForecast | None
    """What the guard will do; None where decode weights cannot amplify errors."""
    startup_time: float
    """Seconds since this process started."""
    left_at: float
    """Now, in seconds since the Epoch."""


@dataclass
class Outcome:
    """What a run has produced. Times in seconds."""

    setup: Setup
    start: Start
    beta: Floats
    status: str
    """``done`` after all iterations, ``converged`` by ``--stop-at``."""
    log: list[Iteration]
    arrivals: Floats
    """See `Master`."""
    ideal: Floats | None
    """Ideal completion time of each iteration; None where nothing is injected."""
    training_time: float
    shutdown_time: float = 0.0
    wall_time: float = 0.0
    """From the start of this process until the last worker has been stopped."""
    reports: list[Report] = field(default_factory=list)
    drained: int = 0
    """Messages that arrived after the last iteration."""


def run(
    setup: Setup,
    transport: Transport,
    on_start: Callable[[Start], None],
    on_iteration: Callable[[Iteration], None],
) -> Outcome:
    """Distribute the data, train, and stop the workers, whatever happens.

    Raises
    ------
    CodedDGDError
        Bad data, a failed worker, divergence, or a gradient that cannot be decoded.
    """
    try:
        outcome, decoder = _train(setup, transport, on_start, on_iteration)
    finally:
        begin = monotonic()
        reports, drained = transport.stop(SHUTDOWN_SECONDS)
    outcome.shutdown_time = monotonic() - begin
    outcome.wall_time = process_age()
    outcome.reports, outcome.drained = reports, drained
    if setup.delay.injects:
        scheme = setup.scheme
        trace = setup.delay.trace(len(outcome.log), scheme.workers, scheme.load)
        outcome.ideal = np.array([replay(decoder, finish).completion_time for finish in trace])
    return outcome


def _train(
    setup: Setup,
    transport: Transport,
    on_start: Callable[[Start], None],
    on_iteration: Callable[[Iteration], None],
) -> tuple[Outcome, GuardedDecoder]:
    config, scheme, delay = setup.config, setup.scheme, setup.delay
    source = open_source(config.data, config.seed)
    problem = Problem(source, OBJECTIVES[config.objective](), config.ridge)
    step = _step_size(config.step_size, problem)
    sums = distribute(
        source,
        scheme,
        transport,
        objective=config.objective,
        delay=config.delay,
        seed=config.seed,
    )
    decoder = GuardedDecoder(scheme, config.guard, sums.block_norms)
    outlook = forecast(decoder, delay, seconds=FORECAST_SECONDS) if scheme.coded else None
    optimizer = OPTIMIZERS[config.optimizer](source.features, step)
    check = problem.gradient if config.check_gradient else None
    master = Master(transport, scheme, decoder, optimizer, sums, config.ridge, check)
    start = Start(problem, step, outlook, process_age(), time())
    on_start(start)
    log: list[Iteration] = []
    status = "done"
    begin = monotonic()
    for record in master.run(config.iterations):
        log.append(record)
        on_iteration(record)
        _refuse_divergence(log, problem)
        if record.gradient_norm <= config.stop_at * log[0].gradient_norm:
            status = "converged"
            break
    outcome = Outcome(
        setup=setup,
        start=start,
        beta=optimizer.beta,
        status=status,
        log=log,
        arrivals=master.arrivals[: len(log)],
        ideal=None,
        training_time=monotonic() - begin,
    )
    return outcome, decoder


def _step_size(text: str, problem: Problem) -> float:
    """Return the step size; ``auto`` is the inverse of the largest curvature."""
    if text != "auto":
        return float(text)
    curvature = problem.curvature()
    return 1 / curvature if curvature > 0 else 1.0


def _refuse_divergence(log: list[Iteration], problem: Problem) -> None:
    norm = log[-1].gradient_norm
    if norm <= EXPLOSION * log[0].gradient_norm and np.isfinite(norm):
        return
    raise Diverged(
        f"diverged in iteration {log[-1].iteration} (gradient {norm:.1e}): "
        f"--step-size {1 / problem.curvature():.2g} or --step-size auto is safe for these data"
    )
