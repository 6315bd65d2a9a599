"""What a scheme is: a linear code over partial gradients, and nothing else.

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

A scheme answers four questions and nothing else in the program knows which scheme is running:
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
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from coded_dgd.codes.placement import Placement, encode
from coded_dgd.errors import Infeasible
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.objectives.least_squares import is_least_squares
from coded_dgd.schemes.rules import Count, Counter, Rule

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SIZES = ("blocks", "load")
"""Names of N and r as arguments."""
NO_NORM = 1e-300
"""Squared norm of data that are as good as zero: its inverse would overflow."""


class Learnt:
    """What has been learnt from the arrivals of a run, on which weights depend; here nothing."""

    @property
    def straggler_probability(self) -> float | None:
        """Probability with which a worker straggles; None where the weights need none."""
        return None

    def observe(self, arrived: Bools) -> None:
        """Learn from what had arrived, of shape (M, J), when an iteration was decoded."""

    def state(self) -> dict[str, int]:
        """Return what has been learnt, to be saved."""
        return {}

    def restore(self, state: Mapping[str, int]) -> None:
        """Go on from what `state` has returned."""


class Scheme(ABC):
    """A placement of (coded) blocks on workers, and the decoding of their messages.

    Parameters
    ----------
    name : str
    workers : int
        M >= 1.
    blocks : int
        N >= 1.
    load : int
        r, 1 <= r <= N.

    Raises
    ------
    Infeasible
        If the code does not exist for these numbers; the message names the mend.
    """

    coded: ClassVar[bool] = False
    """Whether tasks run on combinations of blocks. Then workers hold no labels, the gradient has
    to be of degree 2 in the data, and the master adds what labels contribute, as -X^T y."""

    of_gram_matrix: ClassVar[bool] = False
    """Whether the blocks are of Q = X^T X instead of X, and a task is a product with beta. Only
    gradients of least squares are made of these."""

    exact: ClassVar[bool] = True
    """Whether a decoded gradient is the gradient."""

    options: ClassVar[tuple[str, ...]] = ()
    """Names of the keyword arguments that this scheme takes besides M, N and r.

    A class that does not name them takes those of its constructor that have a default, and where
    that has keyword arguments of any name also the options of its base class.
    """

    help: ClassVar[Mapping[str, str]] = {}
    """What the command line says about options that have a flag of their own, by name."""

    sizes: ClassVar[tuple[str, ...]] = SIZES
    """Which of N and r the user chooses; the others follow."""

    one_load: ClassVar[bool] = False
    """Whether r follows from N and M, so that a larger load is taken for the same."""

    bounded: ClassVar[bool] = False
    """Whether Theorem 1 of Bitar et al. bounds the convergence."""

    stop_option: ClassVar[str | None] = None
    """The option, with a flag, that says when to stop; what workers hold does not depend on it."""

    amplifies: bool = False
    """Whether decode weights are large enough at times to be worth a forecast of the guard."""

    data_dependent: ClassVar[bool] = False
    """Whether `fit` decides on the placement."""

    dynamic: ClassVar[bool] = False
    """Whether rank 0 decides on tasks while an iteration runs: see `schemes.dynamic`."""

    oldest: ClassVar[int] = 0
    """Age in iterations of the oldest messages that are used: 0 where only those count that answer
    the newest beta. Schemes that use older ones define `suffices` and `weights_by_age`."""

    deadline: float | None = None
    """Seconds after which to go on with what is there, whether decodable or not."""

    straggler_probability: float | None = None
    """Probability that a worker straggles, where the user gives it; see also `Learnt`."""

    pieces: int = 1
    """In how many pieces the gradient is decoded; a payload is as long as one of them."""

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
    def related(cls, name: str, load: int) -> list[str]:
        """Names, besides `name`, of variants of this scheme that are worth trying at a load."""
        del name, load
        return []

    @classmethod
    def trials(cls, workers: int, fixed: Collection[str]) -> list[dict[str, Any]]:
        """Options with a flag of their own that are worth trying in a plan, at each load.

        Parameters
        ----------
        workers : int
            M.
        fixed : collection of str
            Names of options that are given, and not to be varied.
        """
        del workers, fixed
        return [{}]

    @classmethod
    def stop_rules(cls, workers: int, blocks: int) -> list[dict[str, Any]]:
        """Values of `stop_option` that are worth trying while a run goes on, as options."""
        del workers, blocks
        return [{}]

    def fit(self, rows: int, block_norms: Callable[[int], Floats]) -> None:
        """Adapt the placement to the data, before it is asked for.

        Parameters
        ----------
        rows : int
            m.
        block_norms : callable
            Reads the data and returns the squared Frobenius norms of N blocks, given N.
        """

    def cautions(self, rows: int, features: int, iterations: int) -> list[str]:
        """What speaks against this scheme for data of m rows and l features, and how to mend it."""
        del rows, features, iterations
        return []

    def check_objective(self, objective: Objective, name: str) -> None:
        """Refuse an objective whose gradient cannot be decoded.

        Parameters
        ----------
        name : str
            What the message calls the objective.

        Raises
        ------
        Infeasible
            The message names schemes that decode it.
        """
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
        """Number of tasks of `worker`, at most r."""

    @abstractmethod
    def encode(self, worker: int, blocks: Floats) -> Floats:
        """What `worker` holds: (N, ...) data blocks -> (tasks, ...), in the order of work."""

    def placement(self, worker: int) -> Placement:
        """What `encode` does: blocks that it copies, (tasks,), or rows of a matrix, (tasks, N)."""
        return self.encode(worker, np.eye(self.blocks))

    @abstractmethod
    def task_scales(self, worker: int, block_norms: Floats) -> Floats:
        """Squared Frobenius norms expected of what `encode` makes of blocks of these norms."""

    @abstractmethod
    def ends(self, worker: int) -> tuple[int, ...]:
        """Number of tasks done when each message of `worker` leaves, increasing."""

    def coefficients(self, worker: int) -> Floats:
        """Factors of the task results in the messages, of shape (tasks,)."""
        return np.ones(self.tasks(worker))

    @property
    def scales_tasks(self) -> bool:
        """Whether any coefficient is not one, so that workers give weights to rows."""
        return any((self.coefficients(worker) != 1).any() for worker in range(self.workers))

    @property
    @abstractmethod
    def rule(self) -> Rule:
        """The rule that says which messages suffice, once `fit` has been called.

        Theory is exact for a `Count` and a `Coverage` where messages of a worker arrive in order.
        """

    def is_decodable(self, arrived: Bools, lost: Collection[int] = ()) -> bool:
        """Whether the messages marked in `arrived`, of shape (M, J), suffice: see `Rule.holds`."""
        return self.rule.holds(arrived, lost)

    def suffices(self, ages: Integers, lost: Collection[int] = ()) -> bool:
        """Whether the messages that have arrived suffice, given how many iterations old they are.

        Parameters
        ----------
        ages : (M, J) integers
            Age of each message, 0 for those that answer the newest beta and at most `oldest`; -1
            where none is held.
        lost : collection of int
            Workers of which nothing more can be expected in this iteration.
        """
        return self.is_decodable(ages == 0, lost)

    def weights_by_age(self, ages: Integers, learnt: Learnt | None = None) -> Floats:
        """Decode weights as `weights`, given the ages of messages as in `suffices`."""
        return self.weights(ages == 0, learnt)

    def counter(self, lost: Collection[int] = ()) -> Counter:
        """Count the messages of one iteration one by one: see `Rule.counter`."""
        return self.rule.counter(self.expected.shape, lost)

    def completion_time(self, times: Floats) -> Floats:
        """Return when messages with these arrival times suffice, or the deadline if it is earlier.

        Parameters
        ----------
        times : (realisations, M, J) array
            Arrival time of each message in seconds, inf where there is none.

        Returns
        -------
        (realisations,) array
        """
        completion = self.rule.completion_time(times)
        return completion if self.deadline is None else np.minimum(completion, self.deadline)

    @abstractmethod
    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        """Decode weights of shape (M, J), or (pieces, M, J); zero where nothing has arrived.

        They are only asked for when the messages suffice, and are not finite where floating point
        cannot decode.

        Parameters
        ----------
        arrived : (M, J) bools
        learnt : Learnt, optional
            What `learnt` has returned, after the iterations so far; by default nothing.
        """

    def learnt(self) -> Learnt:
        """Return a new object that learns from the arrivals of one run."""
        return Learnt()

    @cached_property
    def messages(self) -> int:
        """J, the largest number of messages of a worker."""
        return max(len(self.ends(worker)) for worker in range(self.workers))

    @cached_property
    def expected(self) -> Bools:
        """Which messages exist, of shape (M, J)."""
        counts = np.array([len(self.ends(worker)) for worker in range(self.workers)])
        return np.arange(self.messages) < counts[:, None]

    @property
    def work(self) -> Floats:
        """Computation that s = 1..r tasks are, in tasks of the delay model; of shape (r,)."""
        return np.arange(1.0, self.load + 1)

    @cached_property
    def _last_task(self) -> Integers:
        """Index of the task after which each message leaves, of shape (M, J); 0 for no message."""
        last = np.zeros(self.expected.shape, dtype=np.int64)
        for worker in range(self.workers):
            ends = self.ends(worker)
            last[worker, : len(ends)] = np.array(ends, dtype=np.int64) - 1
        return last

    @property
    def message_work(self) -> Floats:
        """Computation done when each message leaves, as `work`; of shape (M, J)."""
        return self.work[self._last_task]

    def message_times(self, finish: Floats) -> Floats:
        """Turn finish times of tasks (..., M, r) into times of messages (..., M, J)."""
        times = finish[..., np.arange(self.workers)[:, None], self._last_task]
        return np.where(self.expected, times, np.inf)

    def message_scales(self, block_norms: Floats) -> Floats:
        """Expected size of each message relative to the gradient's, for the guard.

        Parameters
        ----------
        block_norms : (N,) array
            Squared Frobenius norms of the blocks.

        Returns
        -------
        (M, J) array
            Sum over tasks of abs(coefficient) * norm / ||X||_F^2, but not less than the mean over
            all messages. The error amplification of a decode is ``sum(abs(weights) * scales)``.
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
    """Names of the options that the constructor of a class declares."""
    parameters = inspect.signature(vars(scheme)["__init__"]).parameters.values()
    passed_on = any(each.kind is each.VAR_KEYWORD for each in parameters)
    inherited = scheme.options if passed_on else ()
    own = (each.name for each in parameters if each.default is not each.empty)
    return (*inherited, *(name for name in own if name not in SIZES))


class ReplicationScheme(Scheme):
    """Workers hold copies of data blocks, with their labels: any objective will do."""

    @abstractmethod
    def held(self, worker: int) -> Integers:
        """Indices of the blocks that `worker` holds, in the order of work."""

    def tasks(self, worker: int) -> int:
        return len(self.held(worker))

    def placement(self, worker: int) -> Placement:
        return self.held(worker)

    def encode(self, worker: int, blocks: Floats) -> Floats:
        return encode(self.held(worker), blocks)

    def task_scales(self, worker: int, block_norms: Floats) -> Floats:
        return block_norms[self.held(worker)]

    def block_factors(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        """Factor of each block's gradient in what is decoded, for many patterns of arrivals.

        Parameters
        ----------
        arrived : (patterns, M, J) bools
        learnt : Learnt, optional
            As for `weights`.

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
        """Return `block_factors` where workers have sent all of their messages, or none.

        Parameters
        ----------
        finished : (realisations, M) bools
            Marks the workers that have sent all.
        learnt : Learnt, optional
            As for `weights`.

        Returns
        -------
        (realisations, N) array
        """
        return self.block_factors(finished[:, :, None] & self.expected, learnt)


class CodedScheme(Scheme):
    """Workers hold linear combinations of data blocks."""

    coded = True
    amplifies = True

    @abstractmethod
    def generator(self, worker: int) -> Floats:
        """Rows of the generator matrix that `worker` holds: (tasks, N), in the order of work."""

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
    """Mixin of the schemes that decode from any `threshold` messages: the recovery threshold."""

    threshold: int

    @cached_property
    def rule(self) -> Rule:
        return Count(self.threshold, self.expected)
