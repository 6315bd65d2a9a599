"""Replay iterations of any scheme in virtual time, given how long tasks take."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from coded_dgd.guard import GuardedDecoder, Replayed, replay, replay_steps
from coded_dgd.scheduling.virtual import VirtualWorkers
from coded_dgd.schemes.base import Floats
from coded_dgd.schemes.dynamic import DynamicScheme


class Replayer:
    """Replays one iteration after the other.

    Parameters
    ----------
    decoder : GuardedDecoder
        Decoder to use; it learns from the iterations.
    keep : bool
        Whether workers of a dynamic scheme keep their results; see `VirtualWorkers`.
    """

    def __init__(self, decoder: GuardedDecoder, keep: bool = False) -> None:
        self._decoder, scheme = decoder, decoder.scheme
        self._workers = (
            VirtualWorkers(scheme, keep=keep) if isinstance(scheme, DynamicScheme) else None
        )

    def run(self, finish: Floats) -> Replayed:
        """Replay one iteration without losses; see `steps`."""
        if self._workers is not None:
            return self._workers.run(finish)
        return replay(self._decoder, finish)

    def steps(self, finish: Floats, lost: Mapping[int, float]) -> Generator[None, None, Replayed]:
        """Replay one iteration, one event at each step; the generator returns the result.

        Parameters
        ----------
        finish : (M, r) array
            Finish time of each task of each worker in seconds, one task after the other.
        lost : mapping of int to float
            Instant in seconds at which each lost worker is lost, by worker.
        """
        if self._workers is not None:
            return self._workers.steps(finish, lost)
        return replay_steps(self._decoder, self._decoder.scheme.message_times(finish), lost)
