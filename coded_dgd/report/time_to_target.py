"""This module sums up how a contender of a comparison got to the target."""

from __future__ import annotations

from dataclasses import dataclass

from coded_dgd.engine.job import Outcome


@dataclass(frozen=True)
class TimeToTarget:
    """The figures cover all iterations up to the target; they are None if it was not reached."""

    reached: bool
    seconds: float | None
    """Sum of the iterations' times, without checks of gradients; virtual if workers are."""
    ideal_seconds: float | None
    """Sum of the iterations' completion times in virtual time, if delays are injected."""
    iterations: int | None
    messages: int | None
    """Number of messages that were used."""


def time_to_target(outcome: Outcome) -> TimeToTarget | None:
    """Sum up a run that had to reach a target; return None if it had none."""
    reached = outcome.stop.converged
    if reached is None:
        return None
    if not reached:
        return TimeToTarget(False, None, None, None, None)
    log = outcome.log
    seconds = sum(sum(stage.spans) for stage in outcome.stages)
    if outcome.setup.config.transport == "mpi":  # in virtual time, checks take none
        seconds -= sum(record.check_time for record in log)
    return TimeToTarget(
        True,
        seconds,
        None if outcome.ideal is None else float(outcome.ideal.sum()),
        len(log),
        sum(record.messages_used for record in log),
    )
