"""The guarded decoder knows which messages have arrived and whether decoding is accurate."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from operator import itemgetter
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coded_dgd.codes.further import Further
from coded_dgd.schemes.base import Scheme
from coded_dgd.schemes.counters import take_all

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class GuardedDecoder:
    """The decoder collects messages of an iteration until they decode with little amplification.

    Decode weights multiply the workers' rounding errors. The amplification follows from the
    weights and the sizes of the blocks, so it is known before anything is summed. Above the
    guard the decoder takes further messages instead of decoding, and uses least squares over all
    that have arrived. The error of a gradient that it releases is at most about
    amplification * 32 u * ||X||_2 ||X diag(beta)||_F, with u = 2^-53 where workers compute with
    float64 and 2^-24 with float32 (docs/numerics.md).

    Parameters
    ----------
    scheme : Scheme
    guard : float
        Largest error amplification to decode with, at least 2. With all messages, and for
        schemes without coding, it is between 1 and 2 for blocks of any sizes.
    block_norms : (N,) array, optional
        Squared Frobenius norms of the data blocks. By default they are equal.

    Attributes
    ----------
    order : list of (worker, message)
        The messages that can be used, in the order of arrival.
    weights : (messages arrived,) or (pieces, messages arrived) array
        Decode weights in the same order, valid once `arrive` has returned True.
    amplification : float
        Error amplification of the latest weights. Above the guard it may be a lower bound.
    first_amplification : float
        Error amplification of the first decodable set, before the guard.
    extra : int
        Number of messages taken beyond the first decodable set.
    weights_time : float
        Seconds for computing the latest weights.
    learnt : Learnt
        What the scheme has learnt from all iterations so far.
    lost : set of int
        Workers that will send nothing more in this iteration.
    """

    def __init__(self, scheme: Scheme, guard: float, block_norms: Floats | None = None) -> None:
        self.scheme = scheme
        self.guard = guard
        self.learnt = scheme.learnt()
        self._block_norms = np.ones(scheme.blocks) if block_norms is None else block_norms
        self._scales = scheme.message_scales(self._block_norms).ravel()
        self._limit = guard * (1 + 1e-9)
        self._count = int(np.count_nonzero(scheme.expected))
        self._none_held: Integers = np.full(scheme.expected.shape, -1, dtype=np.int64)
        self.lost: set[int] = set()
        self.begin()

    def again(self) -> GuardedDecoder:
        """Return a new, independent decoder that starts with what this one has learnt."""
        other = GuardedDecoder(self.scheme, self.guard, self._block_norms)
        other.learnt.restore(self.learnt.state())
        return other

    def begin(
        self, lost: Iterable[int] = (), held: Mapping[tuple[int, int], int] | None = None
    ) -> None:
        """Begin an iteration: forget the last one and expect no messages of lost workers.

        Parameters
        ----------
        lost : iterable of int
            Numbers of the lost workers.
        held : mapping of (worker, message) to int, optional
            Ages of held messages of earlier iterations, the oldest message first.
        """
        self.order: list[tuple[int, int]] = list(held or ())
        self.weights: Floats = np.empty(0)
        self.amplification = self.first_amplification = np.inf
        self.extra = 0
        self.weights_time = 0.0
        self._held = dict(held or {})
        self._decodable = False
        self._further: Further | None = None
        self._expected = self.scheme.expected
        self._to_come = self._count
        self._rule = self.scheme.rule
        self.lost.clear()
        self._suffice = self.scheme.counter(self.lost) if not self.scheme.oldest else self._suffices
        for worker in lost:
            self.lose(worker)

    def lose(self, worker: int, message: int | None = None) -> bool:
        """Expect no further message of a worker, or only not message number `message`.

        Returns
        -------
        bool
            Whether the arrived messages decode within the guard now that fewer are expected.
        """
        expected, arrived = self._expected.copy(), self._ages == 0
        expected[worker, slice(None) if message is None else message] = False
        self._expected = expected
        self._to_come = int(np.count_nonzero(expected))
        if not (expected[worker] & ~arrived[worker]).any():
            self.lost.add(worker)
        decodable = self._decodable or self.scheme.suffices(self._ages, self.lost)
        return bool(self.order) and decodable and self._trusted()

    def arrive(self, key: tuple[int, int], age: int = 0) -> bool:
        """Take one message; return whether all so far decode within the guard.

        Parameters
        ----------
        key : (int, int)
            Its worker, and its number among the messages of the worker.
        age : int
            Number of iterations between the one that the message answers and the current one,
            at most ``scheme.oldest``.
        """
        if self._held and self._held.pop(key, None) is not None:  # a newer one of what is held
            self.order.remove(key)
        self.order.append(key)
        if age:
            self._held[key] = age
        if self._decodable:
            self.extra += 1
        elif not self._suffice(*key):
            return False
        return self._trusted()

    def arrive_all(self, keys: Sequence[tuple[int, int]]) -> tuple[int, bool]:
        """Take messages of the current iteration until they decode within the guard.

        Parameters
        ----------
        keys : sequence of (int, int)
            Workers and numbers of the messages, in the order of arrival.

        Returns
        -------
        taken : int
            Number of messages taken, the first ones.
        decode : bool
            Whether all messages so far decode within the guard.
        """
        taken = 0
        if not (self._decodable or self.scheme.oldest):
            taken, suffice = take_all(self._suffice, keys)
            self.order += keys[:taken]
            if suffice and self._trusted():
                return taken, True
        for key in keys[taken:]:
            taken += 1
            if self.arrive(key):
                return taken, True
        return taken, False

    def _suffices(self, *_: int) -> bool:
        """Whether the messages that have arrived suffice, by their ages."""
        return self.scheme.suffices(self._ages, self.lost)

    @property
    def _ages(self) -> Integers:
        """Age of each message in iterations, of shape (M, J); -1 for messages not held."""
        return self._ages_at(self._places)

    def _ages_at(self, places: Integers) -> Integers:
        """Return `_ages`, given `_places`."""
        ages: Integers = self._none_held.copy()
        ages.put(places, [self._held.get(key, 0) for key in self.order] if self._held else 0)
        return ages

    @property
    def _places(self) -> Integers:
        """Place of each message in a flat array of all messages, in the order of arrival."""
        messages = self.scheme.messages
        return np.array([worker * messages + message for worker, message in self.order], dtype=int)

    def _trusted(self) -> bool:
        return self._weigh() <= self._limit  # False for nan

    def expire(self) -> None:
        """Compute weights for the arrived messages, because the scheme's deadline has passed."""
        self._weigh()

    def _weigh(self) -> float:
        """Compute the weights and return their error amplification."""
        begin = perf_counter()
        if self._further is None:
            self._weigh_anew(self._places)
        else:
            self.amplification = self._further.take(self._places.tolist())
            self.weights = self._further.weights
        if not self._decodable:
            self._decodable, self.first_amplification = True, self.amplification
            self._further = self.scheme.further(self._scales, self._limit)
            if self._further is not None:
                self._further.begin(self.weights)
        self.weights_time = perf_counter() - begin
        return self.amplification

    def _weigh_anew(self, used: Integers) -> None:
        ages = self._ages_at(used)
        if not self._decodable:
            self.learnt.observe(ages == 0)
        weights = self.scheme.weights_by_age(ages, self.learnt)
        self.weights = weights.reshape(*weights.shape[:-2], -1)[..., used]
        amplifications = np.abs(self.weights) @ self._scales[used]  # of each piece
        self.amplification = float(np.maximum.reduce(amplifications, axis=None))

    @property
    def still_needed(self) -> int:
        """Number of further messages below which nothing can become decodable, 1 or more."""
        if self._decodable or self.scheme.oldest:
            return 1
        return max(1, self._rule.fewest(self.lost) - len(self.order))

    @property
    def exhausted(self) -> bool:
        """Whether everything that can be expected has arrived."""
        enough = len(self.order) >= self._to_come
        return enough and not (self._expected & (self._ages != 0)).any()

    @property
    def hopeless(self) -> bool:
        """Whether the messages will never suffice, even with all that are still expected."""
        ages = self._ages
        ages[self._expected] = 0
        return not self.scheme.suffices(ages, self.lost)


class Replayed(NamedTuple):
    """This tuple tells when an iteration completes if messages take no time."""

    completion_time: float
    """Completion time in seconds. If the gradient never decodes: the deadline, or inf."""
    order: list[tuple[int, int]]
    """Pairs (worker, message) of the messages used, in the order of arrival."""


def replay(
    decoder: GuardedDecoder, finish: Floats, lost: Mapping[int, float] | None = None
) -> Replayed:
    """Replay one iteration of a delay trace in virtual time, without arithmetic.

    Parameters
    ----------
    decoder : GuardedDecoder
        Decoder to use; it is left in the state at the end of the iteration.
    finish : (M, r) array
        Finish time of each task of each worker in seconds.
    lost : mapping of int to float, optional
        Instant in seconds at which each lost worker is lost, by worker.
    """
    return replay_messages(decoder, decoder.scheme.message_times(finish), lost)


def replay_messages(
    decoder: GuardedDecoder, times: Floats, lost: Mapping[int, float] | None = None
) -> Replayed:
    """Replay one iteration, given the times of its messages; see `replay`.

    Parameters
    ----------
    times : (M, J) array
        Arrival time of each message in seconds; inf if it never arrives.
    """
    replaying = replay_steps(decoder, times, lost)
    while True:
        try:
            next(replaying)
        except StopIteration as end:
            replayed: Replayed = end.value
            return replayed


def replay_steps(
    decoder: GuardedDecoder, times: Floats, lost: Mapping[int, float] | None = None
) -> Generator[None, None, Replayed]:
    """Replay as `replay_messages`, one event at each step; the generator returns the result."""
    lost = lost or {}
    deadline = np.inf if decoder.scheme.deadline is None else decoder.scheme.deadline
    latest = np.full((len(times), 1), deadline)
    for w, instant in lost.items():
        latest[w] = min(instant, deadline)
    worker, message = np.nonzero(np.isfinite(times) & (times <= latest))
    events = [*zip(times[worker, message].tolist(), worker.tolist(), message.tolist(), strict=True)]
    events += [(instant, w, None) for w, instant in lost.items() if instant > 0]
    decoder.begin(w for w, instant in lost.items() if instant <= 0)
    for instant, w, m in sorted(events, key=itemgetter(0)):
        if decoder.lose(w) if m is None else decoder.arrive((w, m)):
            return Replayed(instant, decoder.order)
        yield
    if deadline < np.inf:
        decoder.expire()
    return Replayed(deadline, decoder.order)
