"""A whole run on rank 0: from the configuration to the last worker's last word."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, time

import numpy as np

from coded_dgd.engine.distribute import distribute
from coded_dgd.engine.master import Iteration, Master
from coded_dgd.engine.process import process_age
from coded_dgd.engine.protocol import Floats, Report
from coded_dgd.engine.setup import Setup, check_delay
from coded_dgd.engine.transports.base import STOP_SECONDS, Transport
from coded_dgd.errors import Diverged
from coded_dgd.guard import GuardedDecoder, replay
from coded_dgd.problems.optimizers import OPTIMIZERS
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import Source, open_source
from coded_dgd.theory.predictor import GuardForecast, forecast

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
    cautions: list[str]
    """What speaks against the scheme for these data."""


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
    on_start: Callable[[Start], None] = lambda _: None,
    on_iteration: Callable[[Iteration], None] = lambda _: None,
    source: Source | None = None,
) -> Outcome:
    """Distribute the data, train, and stop the workers, whatever happens.

    Parameters
    ----------
    source : Source, optional
        The data; by default those that the configuration names.

    Raises
    ------
    CodedDGDError
        Bad data, a failed worker, divergence, or a gradient that cannot be decoded.
    """
    try:
        outcome, decoder = _train(setup, transport, on_start, on_iteration, source)
    finally:
        begin = monotonic()
        reports, drained = transport.stop(STOP_SECONDS)
    outcome.shutdown_time = monotonic() - begin
    outcome.wall_time = process_age()
    outcome.reports, outcome.drained = reports, drained
    if setup.delay.injects:
        scheme, decoder = setup.scheme, copy.deepcopy(decoder)  # the scheme learns as it decodes
        trace = setup.delay.trace(len(outcome.log), scheme.workers, scheme.work)
        outcome.ideal = np.array([replay(decoder, finish).completion_time for finish in trace])
    return outcome


def _train(
    setup: Setup,
    transport: Transport,
    on_start: Callable[[Start], None],
    on_iteration: Callable[[Iteration], None],
    source: Source | None,
) -> tuple[Outcome, GuardedDecoder]:
    config, scheme, delay = setup.config, setup.scheme, setup.delay
    source = source or open_source(config.data, config.seed)
    problem = Problem(source, setup.objective, config.ridge)
    problem.check_labels()
    scheme.fit(source.rows, problem.block_norms)
    if scheme.data_dependent:
        check_delay(setup)
    schedule = setup.step_size(problem)
    data = distribute(
        source,
        scheme,
        transport,
        objective=config.objective,
        delay=config.delay,
        seed=config.seed,
    )
    decoder = GuardedDecoder(scheme, config.guard, data.block_norms)
    outlook = forecast(decoder, delay, seconds=FORECAST_SECONDS) if scheme.amplifies else None
    optimizer = OPTIMIZERS[config.optimizer](source.features, schedule)
    master = Master(
        transport,
        scheme,
        decoder,
        optimizer,
        data,
        quadratic=setup.objective.degree == 2,
        ridge=config.ridge,
        exact_gradient=problem.gradient if config.check_gradient else None,
    )
    cautions = scheme.cautions(source.rows, source.features, config.iterations)
    start = Start(problem, schedule(1), outlook, process_age(), time(), cautions)
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


def _refuse_divergence(log: list[Iteration], problem: Problem) -> None:
    norm = log[-1].gradient_norm
    if norm <= EXPLOSION * log[0].gradient_norm and np.isfinite(norm):
        return
    curvature = problem.lipschitz()
    safe = f"{1 / curvature:.2g} or --step-size auto is safe" if curvature else "less may be safe"
    raise Diverged(
        f"diverged in iteration {log[-1].iteration} (gradient {norm:.1e}): "
        f"--step-size {safe} for these data"
    )
