"""``plan`` and ``run --scheme auto`` measure the cluster, or read measurements, by this module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coded_dgd.config import RunConfig
from coded_dgd.errors import UsageError

if TYPE_CHECKING:
    from coded_dgd.engine.transports.base import Transport
    from coded_dgd.planner.measurements import Measurements
    from coded_dgd.planner.planning import Plan
    from coded_dgd.problems.sources import Source

PLAN = "plan.json"
"""Name of the file in a run folder with the plan that chose its scheme."""
AUTO = "auto"
"""Value of ``--scheme`` with which the planner chooses a scheme."""
AUTO_PROBE, AUTO_SECONDS = 100, 5.0
"""Number of iterations of the probe within a run, and their approximate limit in seconds."""


def open_data(config: RunConfig) -> tuple[Source, float]:
    """Open the data and return them with the bytes that they occupy in memory."""
    from coded_dgd.planner.memory import resident
    from coded_dgd.problems.sources import open_source

    before = resident()
    source = open_source(config.data, config.seed, config.reading)
    return source, max(resident() - before, 0.0)


def admit(config: RunConfig, source: Source) -> Source:
    """Return the data as the objective of the configuration trains on them."""
    from coded_dgd import admission
    from coded_dgd.problems import objectives

    return admission.admit(config, objectives.create(config.objective), source)


def measure(
    config: RunConfig, transport: Transport, source: Source, iterations: int, seconds: float
) -> Measurements:
    """Probe the workers of a transport and return the measurements."""
    from coded_dgd.advising.probe import probe
    from coded_dgd.planner.measurements import Measurements, Network, measure_speed
    from coded_dgd.planner.observations import TaskTimes

    found = probe(config, transport, source, iterations, seconds)
    return Measurements(
        TaskTimes(found.finish, found.done, found.until),
        found.compute,
        Network(
            **found.messages._asdict(),
            distribution=found.distribution,
            overhead=found.overhead,
        ),
        measure_speed(),
        found.hosts,
        found.cores,
    )


def choose(
    config: RunConfig, transport: Transport, workers: int, source: Source, data_bytes: float
) -> Plan:
    """Probe the workers of a transport briefly and return a plan.

    Only exact schemes are chosen, because the user has not said how good a gradient has to be.
    """
    from coded_dgd import delays
    from coded_dgd.planner.judging import Limits
    from coded_dgd.planner.planning import make_plan

    source = admit(config, source)
    return make_plan(
        measure(config, transport, source, AUTO_PROBE, AUTO_SECONDS),
        config,
        source,
        workers,
        Limits(exact=True),
        data_bytes=data_bytes,
        injected=delays.create(config.delay, config.seed).injects,
    )


def recorded(path: Path) -> dict[str, Any] | None:
    """Return the plan recorded in a file, or in a run folder; None if the file does not exist.

    Raises
    ------
    UsageError
        If the file cannot be read.
    """
    file = path / PLAN if path.is_dir() else path
    if not file.is_file():
        return None
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read ({error}): name another") from None
    return values


def measured_by_run(path: Path) -> tuple[Measurements, RunConfig, int]:
    """Read task times, configuration and number of workers from a finished run.

    The median excess of completion times over the ideal is attributed to latency.

    Raises
    ------
    UsageError
        If there is no finished run, or its number of blocks is not the number of workers or the
        number given by ``--blocks``.
    """
    from coded_dgd.planner.measurements import Measurements, Network, measure_speed
    from coded_dgd.planner.observations import TaskTimes
    from coded_dgd.runs.reading import read_run

    run = read_run(path)
    stage, completion = run.stages[0], run.column("completion_time")
    if (run.config.blocks or run.summary.workers) != run.summary.blocks:
        raise UsageError(
            f"{path}: tasks of {run.config.scheme} are of another size than those of most schemes, "
            "and tell little of them: name a run of another scheme"
        )
    late = 0.0 if run.ideal is None else float(np.median(completion - run.ideal))
    missing = np.any(np.isnan(stage.arrival) & (stage.tasks_done > 0), axis=(1, 2))
    watched = np.where(missing, completion[: len(stage.arrival)], np.inf)
    until = np.tile(watched[:, None], (1, stage.arrival.shape[1]))
    measured = Measurements(
        TaskTimes(np.array(stage.arrival), stage.tasks_done, until),
        float(np.mean(run.column("compute_time"))),
        Network(latency=(max(late, 0.0),)),
        measure_speed(),
    )
    return measured, run.config, run.summary.workers
