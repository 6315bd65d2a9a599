"""This module describes the completion time T of one iteration as a random variable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf

import numpy as np

from coded_dgd.schemes.base import Floats


class Completion(ABC):
    """A completion is the distribution of T together with the number of messages by T."""

    messages: float | None = None
    """E[messages by T], if it is known without integration."""

    @abstractmethod
    def survival(self, t: float) -> float:
        """Return Pr(T > t) with a small relative error, however small it is."""

    @abstractmethod
    def message_rate(self, t: float) -> float | None:
        """Return the derivative of E[messages by min(t, T)], in 1/s; None without exact form."""

    @abstractmethod
    def messages_by(self, t: float) -> float:
        """Return E[messages by t], whether the iteration is complete or not."""

    @property
    @abstractmethod
    def breakpoints(self) -> Floats:
        """Instants at which the distribution has a kink or a step."""

    @property
    @abstractmethod
    def tail(self) -> float:
        """Exponent a of Pr(T > t) ~ t^-a for large t; very large for light tails."""


class UntilDeadline(Completion):
    """This is the distribution of min(T, deadline)."""

    tail = inf

    def __init__(self, completion: Completion, deadline: float) -> None:
        self._completion, self._deadline = completion, deadline

    def survival(self, t: float) -> float:
        return self._completion.survival(t) if t < self._deadline else 0.0

    def message_rate(self, t: float) -> float | None:
        return self._completion.message_rate(t) if t < self._deadline else 0.0

    def messages_by(self, t: float) -> float:
        return self._completion.messages_by(t)

    @property
    def breakpoints(self) -> Floats:
        return np.append(self._completion.breakpoints, self._deadline)
