"""Change the scheme during a run when an adviser asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from coded_dgd.engine.changes import Adaptation, Change, party
from coded_dgd.engine.trainer import Trainer
from coded_dgd.errors import UsageError
from coded_dgd.files import replacing

RECORDS = "adaptation-{}.json"
"""Name of the file in the run folder that records why the scheme was changed for a stage."""
Adviser = Callable[[Trainer], Change | None]
"""A function called before each iteration. It returns a change of scheme, or None."""


class Adapter:
    """Changes the scheme of a trainer when an adviser asks for it.

    Parameters
    ----------
    trainer : Trainer
    adviser : Adviser, optional
        By default nothing changes.

    Attributes
    ----------
    seconds : float
        Time that the adviser has taken.
    """

    def __init__(self, trainer: Trainer, adviser: Adviser | None = None) -> None:
        self._trainer, self._adviser = trainer, adviser
        self.seconds = 0.0

    def ask(self) -> None:
        """Change the scheme between two iterations, if the adviser asks for it."""
        if self._adviser is None:
            return
        trainer = self._trainer
        trainer.refill()
        begin = trainer.transport.clock()
        change = self._adviser(trainer)
        self.seconds += trainer.transport.clock() - begin
        if change is None:
            return
        old, group = trainer.config, trainer.stage.master.group
        before = party(old, group.members)
        try:
            trainer.change(replace(old, **change.options), change.workers, change.same_shards)
        except UsageError:  # the predicted scheme does not exist for these data
            return
        stage = trainer.stage
        adaptation = Adaptation(
            iteration=trainer.iteration,
            stage=stage.number,
            why=change.why,
            before=before,
            after=party(trainer.config, stage.master.group.members),
            predicted_gain=change.gain,
            predicted_cost=change.cost,
            replaced=change.before,
            predicted=change.predicted,
        )
        trainer.adaptations.append(adaptation)
        if trainer.folder is not None:
            path = trainer.folder / RECORDS.format(stage.number)
            with replacing(path) as file:
                file.write(f"{change.record}\n".encode())
        trainer.observer.warning(adaptation.line)
