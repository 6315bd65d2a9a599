"""Weights of messages beyond the recovery threshold are updated instead of computed anew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LARGE = 200
"""Number of unknowns from which an update pays: below it a whole decode takes 3 ms or less."""


class Further(ABC):
    """This object follows the messages of one iteration that arrive while the guard waits.

    A message is named by its index in the flattened (M, J) array of messages.
    """

    weights: Floats = np.empty(0)
    """Weights of shape (S,) or (pieces, S), in the order of arrival. They are valid once `take`
    has returned at most the limit that the object was made with."""

    def begin(self, weights: Floats) -> None:
        """Begin with the first messages that decode; to be called once, before `take`.

        Parameters
        ----------
        weights : (S,) or (pieces, S) array
            Their decode weights in the order of arrival, whatever their error amplification.
        """

    @abstractmethod
    def take(self, messages: Sequence[int]) -> float:
        """Return the error amplification with these messages.

        Parameters
        ----------
        messages : sequence of int
            All messages that have arrived, in the order of arrival: those of the call before, of
            `begin` or `take`, and any number of further ones.

        Returns
        -------
        float
            If it is above the limit, it may be a lower bound of the error amplification.
        """
