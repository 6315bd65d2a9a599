"""An earlier model of a training, from which the pace of convergence is measured."""

from __future__ import annotations

from coded_dgd.engine.protocol import Floats


class Trail:
    """Keeps the model after more than 1/4 and at most 1/2 of the iterations done.

    Only references are kept: an optimizer replaces its arrays and never writes to them.

    Parameters
    ----------
    beta : (l,) array
        The model before the first iteration.
    """

    def __init__(self, beta: Floats) -> None:
        self.iterations = 0
        """Number of iterations of this process, not counting those before a checkpoint."""
        self.earlier = beta
        """The earlier model."""
        self.earlier_iterations = 0
        """Number of iterations after which this was the model."""
        self._next, self._next_iterations = beta, 0

    def note(self, beta: Floats) -> None:
        """Note the model after one more iteration."""
        self.iterations += 1
        if self.iterations >= 2 * self._next_iterations:
            self.earlier, self.earlier_iterations = self._next, self._next_iterations
            self._next, self._next_iterations = beta, self.iterations
