"""What a payload is: how many numbers of which type, and what they stand for.

A message is a header (`engine.protocol`) and a body. The body is the extras, float64 whatever the
type of the payload is, and the payload. Assignments, buffers, checks and the decode ask a `Layout`
for lengths and places; the number of columns of the data is known only where rows are handled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Reals = NDArray[np.floating[Any]]

EXTRAS = ("loss",)
"""What may travel beside a payload."""


@dataclass(frozen=True)
class Layout:
    """The payloads of one code. Only plain values: it travels as JSON.

    Parameters
    ----------
    parameters : int
        p, the length of the gradient, and of the point at which it is taken.
    pieces : int
        In how many pieces the gradient is decoded; a payload is as long as the longest.
    dtype : str
        Type of payloads: float64 or float32.
    extras : tuple of str
        Those of `EXTRAS` that messages carry. Like gradients they are sums over tasks, each times
        its coefficient, and are decoded with the same weights.
    """

    parameters: int
    pieces: int = 1
    dtype: str = "float64"
    extras: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Numbers of a payload: ceil(p / pieces)."""
        return -(-self.parameters // self.pieces)

    @property
    def body_length(self) -> int:
        """Length of a body, in numbers of `dtype`."""
        return len(self.extras) * 8 // np.dtype(self.dtype).itemsize + self.length

    @property
    def whole(self) -> Layout:
        """The same of gradients in one piece: no code for this model has longer payloads."""
        return replace(self, pieces=1)

    def parts(self, body: Reals) -> tuple[Floats, Reals]:
        """Return views of the extras and of the payload in a body of `body_length` numbers."""
        first = len(body) - self.length
        return body[:first].view(np.float64), body[first:]

    def unpack(self, decoded: Floats) -> Floats:
        """Join the pieces of a decoded gradient, (pieces, length), to shape (p,); (p,) is whole.

        Pieces differ in length by one at most; what fills up the shorter ones is left out.
        """
        if decoded.ndim == 1:
            return decoded
        ends = [piece * self.parameters // self.pieces for piece in range(self.pieces + 1)]
        return np.concatenate(
            [row[: b - a] for row, a, b in zip(decoded, ends, ends[1:], strict=False)]
        )
