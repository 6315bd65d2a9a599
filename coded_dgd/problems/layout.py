"""A layout describes a payload: the number of its values, their type and their meaning.

A message is a header (`engine.protocol`) and a body. The body is the extras, which are always
float64, and the payload, which may have another type. Assignments, buffers, checks and the decode
ask a `Layout` for lengths and places. Only code that handles rows knows the number of columns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Reals = NDArray[np.floating[Any]]

EXTRAS = ("loss",)
"""Names of the extras that may travel beside a payload."""


class Layout(NamedTuple):
    """A layout describes the payloads of one code; it has plain values only and travels as JSON.

    Parameters
    ----------
    parameters : int
        p, the length of the gradient and of the point at which it is taken.
    pieces : int
        Number of pieces in which the gradient is decoded; a payload has the length of the longest
        piece.
    dtype : str
        Type of payloads: float64 or float32.
    extras : tuple of str
        Members of `EXTRAS` that messages carry. Like gradients, extras are sums over tasks, each
        times its coefficient, and are decoded with the same weights.
    """

    parameters: int
    pieces: int = 1
    dtype: str = "float64"
    extras: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Length of a payload: ceil(p / pieces) numbers."""
        return -(-self.parameters // self.pieces)

    @property
    def body_length(self) -> int:
        """Length of a body, in numbers of `dtype`."""
        return len(self.extras) * 8 // np.dtype(self.dtype).itemsize + self.length

    @property
    def payload_bytes(self) -> int:
        """Size of a payload in bytes."""
        return self.length * np.dtype(self.dtype).itemsize

    @property
    def whole(self) -> Layout:
        """Layout of gradients in one piece; no code for this model has longer payloads."""
        return self._replace(pieces=1)

    def parts(self, body: Reals) -> tuple[Floats, Reals]:
        """Return views of the extras and of the payload in a body of `body_length` numbers."""
        first = len(body) - self.length
        return body[:first].view(np.float64), body[first:]

    def unpack(self, decoded: Floats) -> Floats:
        """Join the pieces of a decoded gradient, of shape (pieces, length), to shape (p,).

        An array of shape (p,) is returned unchanged. The lengths of pieces differ by at most one;
        the padding of the shorter ones is left out.
        """
        if decoded.ndim == 1:
            return decoded
        ends = [piece * self.parameters // self.pieces for piece in range(self.pieces + 1)]
        return np.concatenate(
            [row[: b - a] for row, a, b in zip(decoded, ends, ends[1:], strict=False)]
        )
