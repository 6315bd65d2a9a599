"""A scheme is a linear code over partial gradients, and nothing else.

Symbols, as in the papers
-------------------------
M
    workers, numbered 0..M-1 here (rank = worker + 1).
N
    data blocks; X_i is block i, of shape (block rows, l).
r
    computation load: tasks per worker. A task is one partial gradient of one (coded) block.
J
    messages per worker and iteration, at most r; message j leaves after task ``ends[j] - 1``
    and carries the sum of the tasks since the message before it, each times its coefficient.

A scheme answers four questions, and no other part of the program knows which scheme runs:
what each worker holds (`placement`), what it sends and when (`ends`, `coefficients`), which
messages suffice (`rule`), and how they are summed (`weights`). For every decodable set ::

    sum over arrived messages m of  weights[m] * payload[m]  =  sum over blocks of their gradient

exactly (`exact`), or as an approximation that the scheme documents.

Most schemes are a `ReplicationScheme`, whose workers hold copies of blocks, or a `CodedScheme`,
whose workers hold combinations of them.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from coded_dgd.codes.further import Further
from coded_dgd.codes.placement import Placement, encode
from coded_dgd.delays.base import SHARE, TASK, DelayModel
from coded_dgd.errors import Infeasible
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.objectives.least_squares import is_least_squares
from coded_dgd.schemes.counters import Counter
from coded_dgd.schemes.rules import Count, Rule

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

DEFAULT_LOAD = 10
"""Computation load r by default."""
SIZES = ("blocks", "load")
"""Names of the arguments for N and r."""
NO_NORM = 1e-300
"""Squared norm below which data count as zero, because its inverse would overflow."""


class Learnt:
    """This object holds what weights have learnt from the arrivals of a run; by default nothing."""

    @property
    def straggler_probability(self) -> float | None:
        """Learnt probability that a worker straggles; None if the weights do not need it."""
        return None

    def observe(self, arrived: Bools) -> None:
        """Learn from the messages, of shape (M, J), that had arrived when an iteration decoded."""

    def state(self) -> dict[str, int]:
        """Return what has been learnt, for a checkpoint."""
        return {}

    def restore(self, state: Mapping[str, int]) -> None:
        """Continue from what `state` has returned."""


class Scheme(ABC):
    """A scheme places (coded) blocks on workers and decodes their messages.

    Parameters
    ----------
    name : str
        Name of the scheme in messages to the user.
    workers : int
        Number of workers, M >= 1.
    blocks : int
        Number of blocks, N >= 1.
    load : int
        Computation load r, 1 <= r <= N.

    Raises
    ------
    Infeasible
        If the code does not exist for these numbers; the message says what to use instead.
    """

    coded: ClassVar[bool] = False
    """Whether tasks run on combinations of blocks. Then workers hold no labels, the gradient has
    to be of degree 2 in the data, and the master adds the contribution of the labels, such as
    -X^T y."""

    of_gram_matrix: ClassVar[bool] = False
    """Whether the blocks are those of Q = X^T X instead of X, and a task is a product with beta.
    Only the gradient of least squares can be decoded from these products."""

    exact: ClassVar[bool] = True
    """Whether a decoded gradient equals the gradient, up to rounding."""

    options: ClassVar[tuple[str, ...]] = ()
    """Names of the keyword arguments that this scheme takes besides M, N and r.

    By default these are the constructor's arguments that have a default. If the constructor takes
    ``**options``, the options of the base class are added.
    """

    help: ClassVar[Mapping[str, str]] = {}
    """Help texts of the command line for options that have a flag of their own, by name."""

    sizes: ClassVar[tuple[str, ...]] = SIZES
    """Names of the sizes, of N and r, that the user chooses; the scheme derives the others."""

    one_load: ClassVar[bool] = False
    """Whether r follows from N and M, so that all larger loads give the same code."""

    load_option: ClassVar[str | None] = None
    """Name of the option that says the same as r, if plans try values of it instead of loads."""

    most_blocks: ClassVar[int] = 0
    """Largest number N of blocks up to which a plan tries numbers besides `usual_blocks`."""

    bounded: ClassVar[bool] = False
    """Whether Theorem 1 of Bitar et al. bounds the convergence of this scheme."""

    stop_option: ClassVar[str | None] = None
    """Name of the option that says when to stop waiting; the placement does not depend on it."""

    amplifies: bool = False
    """Whether decode weights may be so large that a forecast of the guard is worthwhile."""

    data_dependent: ClassVar[bool] = False
    """Whether the placement depends on the data, through `fit`."""

    dynamic: ClassVar[bool] = False
    """Whether rank 0 decides on tasks while an iteration runs; see `schemes.dynamic`."""

    shares_by_speed: bool = False
    """Whether blocks become own tasks of other holders in proportion to the speed of workers."""

    oldest: ClassVar[int] = 0
    """Age in iterations of the oldest messages that are used. With 0 only messages that answer the
    newest beta count. Schemes that use older ones define `suffices` and `weights_by_age`."""

    per: ClassVar[str] = TASK
    """Unit in which delay models that name none count the work of a block: ``task``, or ``share``.
    """

    deadline: float | None = None
    """Seconds after which the master decodes what has arrived, whether it suffices or not."""

    straggler_probability: float | None = None
    """Probability that a worker straggles, if the user gives it; see also `Learnt`."""

    combine: str = "never"
    """Whether a worker of a dynamic scheme sends one sum instead of a payload for each block:
    ``always``, ``never``, or ``auto`` for payloads that are large."""

    pieces: int = 1
    """Number of pieces in which the gradient is decoded; a payload is as long as one piece."""

    def __init__(self, name: str, workers: int, blocks: int, load: int) -> None:
        self.name = name
        self.workers = workers
        self.blocks = blocks
        self.load = load
        if workers < 1 or blocks < 1:
            raise Infeasible(f"{name} needs at least 1 worker and 1 block")
        if not 1 <= load <= blocks:
            raise Infeasible(
                f"computation load r = {load} is out of range: "
                f"choose --load from 1 to {blocks} (N = {blocks} blocks)"
            )

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__init__" in vars(cls) and "options" not in vars(cls):
            cls.options = _options(cls)

    @classmethod
    def usual_blocks(cls, workers: int) -> int:
        """Return the number N of blocks for M workers if the user gives none."""
        return workers

    @classmethod
    def usual_load(cls, workers: int, blocks: int, options: Mapping[str, Any]) -> int:
        """Return the computation load r if the user gives none, but perhaps other options."""
        del options
        return min(blocks, max(DEFAULT_LOAD, -(-blocks // workers)))

    @classmethod
    def related(cls, name: str, load: int) -> list[str]:
        """Return the names of variants of this scheme, besides `name`, to try at a load."""
        del name, load
        return []

    @classmethod
    def trials(cls, workers: int, blocks: int, fixed: Collection[str]) -> list[dict[str, Any]]:
        """Return the options that a plan tries at each load.

        Parameters
        ----------
        workers, blocks : int
            M and N.
        fixed : collection of str
            Names of options that the user has given, which are not varied.
        """
        del workers, blocks, fixed
        return [{}]

    @classmethod
    def variants(cls, workers: int, blocks: int, fixed: Collection[str]) -> list[dict[str, Any]]:
        """Return the options that a plan tries near the best load, with any number of blocks.

        They replace those of the best candidate of `trials`, and the parameters are the same.
        """
        del workers, blocks, fixed
        return [{}]

    @classmethod
    def stop_rules(cls, workers: int, blocks: int) -> list[dict[str, Any]]:
        """Return the options with values of `stop_option` that may be tried during a run."""
        del workers, blocks
        return [{}]

    def place(self, hosts: Sequence[Hashable] | None) -> None:
        """Adapt the placement to the hosts of the workers, before it is asked for.

        Parameters
        ----------
        hosts : sequence, optional
            Host of each worker; None if they are not known.
        """

    def fit(self, rows: int, block_norms: Callable[[int], Floats]) -> None:
        """Adapt the placement to the data, before it is asked for.

        Parameters
        ----------
        rows : int
            Number of rows m of the data.
        block_norms : callable
            Reads the data and returns the squared Frobenius norms of N blocks, given N.
        """

    def cautions(self, rows: int, features: int, iterations: int) -> list[str]:
        """Return what speaks against this scheme for m rows and l features, with remedies."""
        del rows, features, iterations
        return []

    def check_objective(self, objective: Objective, name: str, batches: bool = False) -> None:
        """Refuse an objective whose gradient cannot be decoded.

        Parameters
        ----------
        name : str
            Name of the objective in the message.
        batches : bool
            Whether gradients are those of mini-batches.

        Raises
        ------
        Infeasible
            If it cannot be decoded; the message names schemes that can.
        """
        if self.coded and batches:
            raise Infeasible(
                f"{self.name} combines all rows of the data once, before a batch of them is drawn: "
                "use uc-mmc, gc or another replication-based scheme, or leave --batch out"
            )
        if self.coded and objective.degree != 2:
            raise Infeasible(
                f"{self.name} decodes gradients of degree 2 in the data, which that of {name} is "
                "not: use uc-mmc, gc or another replication-based scheme"
            )
        if self.of_gram_matrix and not is_least_squares(objective):
            raise Infeasible(
                f"{self.name} decodes products with X^T X, of which only the gradient of "
                f"least-squares is made, not that of {name}: use lcc-mmc, uc-mmc or another scheme"
            )

    @abstractmethod
    def tasks(self, worker: int) -> int:
        """Return the number of tasks of `worker`, at most r."""

    def own_tasks(self, worker: int) -> Integers | None:
        """Return the tasks with which a worker begins, if rank 0 then assigns others to it.

        None, as by default, says that the worker computes all of its tasks in order.
        """
        del worker
        return None

    def combines(self, payload_bytes: int) -> bool:
        """Return whether workers send sums on request, instead of a payload for each message.

        Parameters
        ----------
        payload_bytes : int
            Size of a payload.
        """
        del payload_bytes
        return False

    @abstractmethod
    def encode(self, worker: int, blocks: Floats) -> Floats:
        """Return what `worker` holds of (N, ...) data blocks: (tasks, ...), in order of work."""

    def placement(self, worker: int) -> Placement:
        """Return indices of copies, (tasks,), or rows of the generator matrix, (tasks, N)."""
        return self.encode(worker, np.eye(self.blocks))

    @abstractmethod
    def task_scales(self, worker: int, block_norms: Floats) -> Floats:
        """Return the expected squared Frobenius norms of encoded blocks, given those of blocks.

        Parameters
        ----------
        block_norms : (N,) array

        Returns
        -------
        (tasks,) array
        """

    @abstractmethod
    def ends(self, worker: int) -> tuple[int, ...]:
        """Return the number of tasks done when each message of `worker` leaves, increasing."""

    def coefficients(self, worker: int) -> Floats:
        """Return the factors of the task results in the messages, of shape (tasks,)."""
        return np.ones(self.tasks(worker))

    @property
    def scales_tasks(self) -> bool:
        """Whether some coefficient is not one, so that workers pass weights to the objective."""
        return any((self.coefficients(worker) != 1).any() for worker in range(self.workers))

    @property
    @abstractmethod
    def rule(self) -> Rule:
        """Rule that says which messages suffice; it may be read once `fit` has been called.

        Theory is exact for `Count` and `Coverage` if the messages of a worker arrive in order.
        """

    def is_decodable(self, arrived: Bools, lost: Collection[int] = ()) -> bool:
        """Return whether the messages marked in `arrived`, (M, J), suffice; see `Rule.holds`."""
        return self.rule.holds(arrived, lost)

    def suffices(self, ages: Integers, lost: Collection[int] = ()) -> bool:
        """Return whether the messages that have arrived suffice, given their ages in iterations.

        Parameters
        ----------
        ages : (M, J) integers
            Age of each message: 0 if it answers the newest beta, at most `oldest`; -1 if no such
            message is held.
        lost : collection of int
            Workers that will send nothing more in this iteration.
        """
        return self.is_decodable(ages == 0, lost)

    def further(self, scales: Floats, limit: float) -> Further | None:
        """Return an object that updates `weights` for messages beyond those that suffice.

        None, as by default, says that they are computed anew for each of these messages.

        Parameters
        ----------
        scales : (M J,) array
            Size of each message, as `message_scales` returns them.
        limit : float
            Largest error amplification of weights that will be used.
        """
        del scales, limit
        return None

    def weights_by_age(self, ages: Integers, learnt: Learnt | None = None) -> Floats:
        """Return decode weights like `weights`, given the ages of messages as in `suffices`."""
        return self.weights(ages == 0, learnt)

    def counter(self, lost: Collection[int] = ()) -> Counter:
        """Return a counter of the messages of one iteration; see `Rule.counter`."""
        return self.rule.counter(self.expected.shape, lost)

    def completion_time(self, times: Floats) -> Floats:
        """Return the instant at which the messages suffice, or the deadline if that is earlier.

        Parameters
        ----------
        times : (realisations, M, J) array
            Arrival time of each message in seconds; inf if it never arrives.

        Returns
        -------
        (realisations,) array
            Seconds.
        """
        completion = self.rule.completion_time(times)
        return completion if self.deadline is None else np.minimum(completion, self.deadline)

    @abstractmethod
    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        """Return decode weights of shape (M, J), or (pieces, M, J); zero for missing messages.

        The method is called only when the messages suffice. The weights are not finite if the
        messages cannot be decoded in floating point.

        Parameters
        ----------
        arrived : (M, J) bools
            Marks the messages that have arrived.
        learnt : Learnt, optional
            Object returned by `learnt`, after the iterations so far. By default nothing is learnt.
        """

    def learnt(self) -> Learnt:
        """Return a new object that will learn from the arrivals of one run."""
        return Learnt()

    @cached_property
    def messages(self) -> int:
        """Largest number J of messages of a worker."""
        return max(len(self.ends(worker)) for worker in range(self.workers))

    @cached_property
    def expected(self) -> Bools:
        """Marks of the messages that exist, of shape (M, J)."""
        counts = np.array([len(self.ends(worker)) for worker in range(self.workers)])
        return np.arange(self.messages) < counts[:, None]

    @property
    def work(self) -> Floats:
        """Computation of the first s = 1..r tasks, in the unit `per`; of shape (r,)."""
        return self.work_by(None)

    def work_under(self, delay: DelayModel) -> Floats:
        """Return the computation of the first s = 1..r tasks, in tasks of a delay model.

        A block counts as one task, or as M/N of a task, by the unit that the delay model names. If
        it names none, the unit is that of the scheme, `per`.

        Returns
        -------
        (r,) array
        """
        return self.work_by(delay.per, delay.share)

    def work_by(self, per: str | None, share: float = 1.0) -> Floats:
        """Return the computation of the first s = 1..r tasks in a unit of work, of shape (r,).

        Parameters
        ----------
        per : str, optional
            Unit, ``task`` or ``share``; by default that of the scheme.
        share : float
            Work of 1/M of all data, which blocks count by ``share`` are parts of.
        """
        blocks = np.arange(1.0, self.load + 1)
        by_share = (per or self.per) == SHARE
        return blocks * (self.workers * share) / self.blocks if by_share else blocks

    @cached_property
    def _last_task(self) -> Integers:
        """Index of the task after which each message leaves, (M, J); 0 for missing messages."""
        last = np.zeros(self.expected.shape, dtype=np.int64)
        for worker in range(self.workers):
            ends = self.ends(worker)
            last[worker, : len(ends)] = np.array(ends, dtype=np.int64) - 1
        return last

    def message_work(self, delay: DelayModel) -> Floats:
        """Return the computation done when each message leaves, like `work_under`: shape (M, J)."""
        return self.work_under(delay)[self._last_task]

    def message_times(self, finish: Floats) -> Floats:
        """Return the times of messages (..., M, J), given finish times of tasks (..., M, r)."""
        times = finish[..., np.arange(self.workers)[:, None], self._last_task]
        return np.where(self.expected, times, np.inf)

    def message_scales(self, block_norms: Floats) -> Floats:
        """Return the expected size of each message relative to the gradient, for the guard.

        Parameters
        ----------
        block_norms : (N,) array
            Squared Frobenius norms of the blocks.

        Returns
        -------
        (M, J) array
            Sum over tasks of abs(coefficient) * norm / ||X||_F^2, at least the mean over all
            messages. The error amplification of a decode is ``sum(abs(weights) * scales)``.
        """
        total = block_norms.sum()
        if total < NO_NORM:
            block_norms, total = np.zeros(self.blocks), 1.0
        scales = np.zeros((self.workers, self.messages))
        for worker in range(self.workers):
            factors = np.abs(self.coefficients(worker)) / total
            cumulated = np.cumsum(factors * self.task_scales(worker, block_norms))
            boundaries = np.array([0, *self.ends(worker)])
            scales[worker, : len(boundaries) - 1] = np.diff(np.append(0.0, cumulated)[boundaries])
        expected = self.expected
        return np.where(expected, np.maximum(scales, scales[expected].mean()), 0.0)


def _options(scheme: type[Scheme]) -> tuple[str, ...]:
    """Return the names of the options that the constructor of a class declares."""
    parameters = inspect.signature(vars(scheme)["__init__"]).parameters.values()
    passed_on = any(each.kind is each.VAR_KEYWORD for each in parameters)
    inherited = scheme.options if passed_on else ()
    own = (each.name for each in parameters if each.default is not each.empty)
    return (*inherited, *(name for name in own if name not in SIZES))


class ReplicationScheme(Scheme):
    """In a replication scheme workers hold copies of blocks and labels; it takes any objective."""

    @abstractmethod
    def held(self, worker: int) -> Integers:
        """Return the indices of the blocks that `worker` holds, in the order of work."""

    def tasks(self, worker: int) -> int:
        return len(self.held(worker))

    def placement(self, worker: int) -> Placement:
        return self.held(worker)

    def encode(self, worker: int, blocks: Floats) -> Floats:
        return encode(self.held(worker), blocks)

    def task_scales(self, worker: int, block_norms: Floats) -> Floats:
        return block_norms[self.held(worker)]

    def block_factors(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        """Return the factor of each block's gradient in the decoded sum, for many arrival patterns.

        Parameters
        ----------
        arrived : (patterns, M, J) bools
            Marks the messages that have arrived in each pattern.
        learnt : Learnt, optional
            As in `weights`.

        Returns
        -------
        (patterns, N) array
        """
        factors = np.zeros((len(arrived), self.blocks))
        for row, pattern in zip(factors, arrived, strict=True):
            weights = self.weights(pattern, learnt)
            for worker in range(self.workers):
                ends = self.ends(worker)
                if ends and weights[worker].any():
                    counts = np.diff((0, *ends))
                    of_tasks = np.repeat(weights[worker, : len(ends)], counts)
                    np.add.at(row, self.held(worker), of_tasks * self.coefficients(worker))
        return factors

    def block_weights(self, finished: Bools, learnt: Learnt | None = None) -> Floats:
        """Return `block_factors` if each worker has sent all of its messages or none.

        Parameters
        ----------
        finished : (realisations, M) bools
            Marks the workers that have sent all messages.
        learnt : Learnt, optional
            As in `weights`.

        Returns
        -------
        (realisations, N) array
        """
        return self.block_factors(finished[:, :, None] & self.expected, learnt)


class CodedScheme(Scheme):
    """In a coded scheme workers hold linear combinations of data blocks."""

    coded = True
    amplifies = True

    @abstractmethod
    def generator(self, worker: int) -> Floats:
        """Return the rows (tasks, N) of the generator matrix of `worker`, in the order of work."""

    def tasks(self, worker: int) -> int:
        return self.ends(worker)[-1]

    def placement(self, worker: int) -> Placement:
        return self.generator(worker)

    def encode(self, worker: int, blocks: Floats) -> Floats:
        return encode(self.generator(worker), blocks)

    def task_scales(self, worker: int, block_norms: Floats) -> Floats:
        scales: Floats = self.generator(worker) ** 2 @ block_norms
        return scales


class Threshold(Scheme):
    """This mixin is for schemes that decode from any `threshold` messages.

    Attributes
    ----------
    threshold : int
        Recovery threshold.
    """

    threshold: int

    @cached_property
    def rule(self) -> Rule:
        return Count(self.threshold, self.expected)
