"""A dry run measures the overhead of real iterations, with next to no data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coded_dgd import schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.trainer import Trainer
from coded_dgd.engine.transports.base import Transport

ITERATIONS, SECONDS = 200, 0.5
"""Maximum number of iterations, and of seconds for them."""
FIRST = 3
"""Number of first iterations that do not count, because they warm up."""


class DryRun(NamedTuple):
    """This tuple holds median times of an iteration in seconds."""

    completion: float
    """Time from a point's departure until rank 0 has processed the answers of all workers."""
    between: float
    """Time from then to the next point, without decoding."""
    code_id: int
    """Code id of the dry run, of which each worker holds one row."""


def dry_run(config: RunConfig, transport: Transport, parameters: int) -> DryRun:
    """Train briefly on one row for each worker, without delays, and wait for all living workers.

    The work of rank 0 for a message takes several times as long if other ranks have used its core
    in between. So it is measured in real iterations, not in a separate loop.
    """
    workers = transport.workers - config.spare
    setup = prepare(
        RunConfig(
            scheme=schemes.DRY_RUN,
            delay="none",
            data=f"synthetic:rows={workers},features={parameters}",
            dtype=config.dtype,
            spare=config.spare,
            silence=config.silence,
            seed=config.seed,
        ),
        transport.workers,
    )
    trainer = Trainer(setup, transport, setup.problem())
    trainer.start()
    end = transport.clock() + SECONDS
    while trainer.iteration <= FIRST or (
        trainer.iteration < ITERATIONS and transport.clock() < end
    ):
        trainer.step()
    spans, log = trainer.stage.spans[FIRST:], trainer.log[FIRST:]
    completion = np.array([each.completion_time for each in log])
    decoding = np.array([each.weights_time + each.decode_time for each in log])
    between = float(np.median(spans - completion - decoding))
    return DryRun(
        float(np.median(completion)), max(between, 0.0), trainer.stage.master.group.code_id
    )
