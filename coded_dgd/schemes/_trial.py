"""A trial asks a user's scheme the four questions once, before anything is built on the answers.

It refuses answers of another shape or type, and weights that do not sum the blocks, in one line. A
trial can only refute: it draws one order of arrivals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as np

from coded_dgd.errors import CodedDGDError, Infeasible, UsageError, answer, located
from coded_dgd.problems.evaluation import described
from coded_dgd.schemes.base import Bools, CodedScheme, ReplicationScheme, Scheme
from coded_dgd.schemes.rules import Rule

T = TypeVar("T")

CLOSE = 1e-6
"""Tolerance of the factor of a block, for weights whose magnitudes sum to one."""
MODERATE = 1e6
"""Largest sum of the magnitudes of weights with which factors of blocks are checked."""


def build(kind: type[Scheme], name: str, *sizes: int | None, **options: Any) -> Scheme:
    """Make a scheme, and try it unless it belongs to this package.

    Raises
    ------
    UsageError
        If the class of a user raises or its answers cannot be used; the message says how to
        correct them.
    Infeasible
        If not even all messages suffice with these sizes.
    """
    make: Callable[..., Scheme] = kind
    if kind.__module__.startswith("coded_dgd."):
        return make(name, *sizes, **options)
    try:
        scheme = make(name, *sizes, **options)
    except (CodedDGDError, MemoryError):
        raise
    except Exception as error:
        raise UsageError(
            f"scheme {name} cannot be made ({located(error)}): its constructor takes name, "
            "workers, blocks, load and options, and raises Infeasible for sizes without a code"
        ) from error
    trial = _SchemeTrial(scheme, name)
    trial.made()
    if not scheme.data_dependent:
        trial.run()
    return scheme


class _SchemeTrial:
    """A trial of one scheme of a user."""

    def __init__(self, scheme: Scheme, name: str) -> None:
        self._scheme, self._name = scheme, name

    def made(self) -> None:
        """Check that the constructor has called that of the base class."""
        for each in ("name", "workers", "blocks", "load"):
            if not hasattr(self._scheme, each):
                self._refuse(
                    f"its constructor sets no {each}: have it begin with "
                    "super().__init__(name, workers, blocks, load)"
                )

    def run(self) -> None:
        """Ask the four questions."""
        for worker in range(self._scheme.workers):
            self._ask_worker(worker)
        expected = self._ask("expected", lambda: self._scheme.expected)
        if not self._scheme.oldest:
            self._ask_decoding(expected)

    def _ask_worker(self, worker: int) -> None:
        scheme = self._scheme
        if isinstance(scheme, ReplicationScheme):
            held = self._ask("held", lambda: scheme.held(worker))
            if not isinstance(held, np.ndarray) or held.ndim != 1 or held.dtype.kind not in "iu":
                self._refuse(
                    f"held({worker}) returned {described(held)}, and has to return a numpy array "
                    "of integers, the indices of blocks"
                )
            if len(held) and not 0 <= held.min() <= held.max() < scheme.blocks:
                self._refuse(
                    f"held({worker}) returned {held.tolist()}, and has to return indices of "
                    f"blocks, from 0 to {scheme.blocks - 1}"
                )
        ends = self._ask("ends", lambda: scheme.ends(worker))
        if not isinstance(ends, tuple) or not all(isinstance(n, (int, np.integer)) for n in ends):
            self._refuse(
                f"ends({worker}) returned {described(ends)}, and has to return a tuple, such as "
                "(1, 2): the number of tasks done when each message leaves"
            )
        tasks = self._ask("tasks", lambda: scheme.tasks(worker))
        if tasks > scheme.load:
            self._refuse(
                f"worker {worker} has {tasks} tasks, more than load = {scheme.load}: have the "
                "constructor set self.load to the largest number of tasks of a worker"
            )
        if list(ends) != sorted({*ends}) or (ends and not 1 <= ends[0] <= ends[-1] <= tasks):
            self._refuse(
                f"ends({worker}) returned {ends}, and has to return numbers of tasks that "
                f"increase, from 1 to {tasks}, the tasks of the worker"
            )
        if isinstance(scheme, CodedScheme):
            rows = self._ask("generator", lambda: scheme.generator(worker))
            self._check_array("generator", worker, rows, (tasks, scheme.blocks))
        factors = self._ask("coefficients", lambda: scheme.coefficients(worker))
        self._check_array("coefficients", worker, factors, (tasks,))

    def _ask_decoding(self, expected: Bools) -> None:
        """Let the messages arrive in a drawn order, and decode as soon as the rule holds."""
        scheme = self._scheme
        rule = self._ask("rule", lambda: scheme.rule)
        if not isinstance(rule, Rule):
            self._refuse(
                f"rule is {described(rule)}: make it a property that returns a Rule, such as "
                "Count or Coverage"
            )
        if not self._ask("rule.holds", lambda: rule.holds(expected.copy(), ())):
            raise Infeasible(
                f"scheme {self._name}: its rule does not hold where every message has arrived, so "
                "that nothing can be decoded: correct it, or choose another --load than "
                f"{scheme.load}"
            )
        arrived = np.zeros_like(expected)
        take = self._ask("rule.counter", lambda: rule.counter(expected.shape, set[int]()))
        order = np.random.default_rng(0).permutation(np.argwhere(expected)).tolist()
        for worker, message in order:
            arrived[worker, message] = True
            if self._ask("rule.counter", lambda w=worker, m=message: take(w, m)):  # type: ignore[misc]
                break
        for pattern in (arrived, expected):
            self._decode(pattern)

    def _decode(self, arrived: Bools) -> None:
        scheme, count = self._scheme, int(np.count_nonzero(arrived))
        learnt = self._ask("learnt", scheme.learnt)
        weights = self._ask("weights", lambda: scheme.weights(arrived.copy(), learnt))
        shape = arrived.shape if scheme.pieces == 1 else (scheme.pieces, *arrived.shape)
        shapes = (shape, (scheme.pieces, *arrived.shape))
        numbers = isinstance(weights, np.ndarray) and weights.dtype.kind in "fiub"
        if not numbers or weights.shape not in shapes:
            self._refuse(
                f"weights returned {described(weights)}, and has to return an array of shape "
                f"{shape}, one weight for each message"
            )
        if not np.isfinite(weights).all():  # these messages cannot be decoded in floating point
            return
        if np.any(weights[..., ~arrived] != 0):
            self._refuse("weights gives messages that have not arrived a weight other than 0")
        size = float(np.abs(weights).sum())
        if not isinstance(scheme, ReplicationScheme) or not scheme.exact or size > MODERATE:
            return
        factors = self._ask("weights", lambda: scheme.block_factors(arrived[None].copy(), learnt))[
            0
        ]
        worst = int(np.abs(factors - 1).argmax())
        if abs(factors[worst] - 1) > CLOSE * max(1.0, size):
            self._refuse(
                f"decoded from {count} messages, block {worst} counts {factors[worst]:.3g} times: "
                "choose weights and coefficients with which each block counts once, or set "
                "exact = False"
            )

    def _check_array(self, method: str, worker: int, found: Any, shape: tuple[int, ...]) -> None:
        numbers = isinstance(found, np.ndarray) and found.dtype.kind in "fiu"
        if not numbers or found.shape != shape or not np.isfinite(found).all():
            self._refuse(
                f"{method}({worker}) returned {described(found)}, and has to return an array of "
                f"finite numbers of shape {shape}"
            )

    def _ask(self, method: str, question: Callable[[], T]) -> T:
        return answer(f"scheme {self._name}: {method}", question)

    def _refuse(self, fault: str) -> NoReturn:
        raise UsageError(f"scheme {self._name}: {fault}")
