"""A rehearsal: real iterations with next to no data, for what they take besides computing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coded_dgd import schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.trainer import Trainer
from coded_dgd.engine.transports.base import Transport

ITERATIONS, SECONDS = 200, 0.5
"""At most, and how long they may take."""
FIRST = 3
"""Iterations that do not count: everything is done for the first time."""


class DryRun(NamedTuple):
    """What an iteration takes. Seconds, medians."""

    completion: float
    """A point leaves -> all workers have answered, and rank 0 has looked at every answer."""
    between: float
    """From then to the next point, decoding aside."""
    code_id: int
    """On which each worker holds one row."""


def dry_run(config: RunConfig, transport: Transport, parameters: int) -> DryRun:
    """Train for a moment on one row for each worker, with no delays, and wait for all that live.

    What rank 0 does for a message takes several times as long where other ranks have had its core
    in between as it does in a loop of its own, so it is not measured there.
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
