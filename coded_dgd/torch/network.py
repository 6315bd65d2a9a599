"""A network computes with the trainable parameters of a module as one vector."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coded_dgd.errors import UsageError, answer
from coded_dgd.host.threads import for_other_libraries
from coded_dgd.torch.row_losses import RowLosses

Reals = NDArray[np.floating[Any]]

ROWS = 1024
"""Number of rows computed at once, which bounds the memory of intermediate results."""
THREADS = for_other_libraries()
"""Number of threads of PyTorch while a network computes."""
COPIES = ", so copies of a block would give different gradients"


class TorchNetwork:
    """A network is a module with a loss, both converted to one floating-point type.

    Parameters
    ----------
    module : torch.nn.Module
    loss : RowLosses
    dtype : torch.dtype
    classes : int, optional
        Number of classes if labels are numbers of classes 0, ..., K - 1.

    Raises
    ------
    UsageError
        If the module has no trainable parameters.
    """

    def __init__(
        self, module: nn.Module, loss: RowLosses, dtype: torch.dtype, classes: int | None
    ) -> None:
        self.module, self._dtype, self._classes = module.to("cpu", dtype), dtype, classes
        self._loss = copy.deepcopy(loss).to("cpu", dtype) if isinstance(loss, nn.Module) else loss
        self._trained = [each for each in self.module.parameters() if each.requires_grad]
        if not self._trained:
            raise _refusal("it has no parameters that require gradients", "add layers that have")
        self._checked = False

    @property
    def parameters(self) -> Reals:
        """A copy of the trainable parameters, of shape (p,)."""
        vector: Reals = nn.utils.parameters_to_vector(self._trained).detach().numpy().copy()
        return vector

    @parameters.setter
    def parameters(self, beta: Reals) -> None:
        vector = torch.tensor(beta, dtype=self._dtype)
        nn.utils.vector_to_parameters(vector, self._trained)

    def gradient(self, X: Reals, y: Reals, beta: Reals, weights: Reals | None) -> Reals:
        """Return the gradient of the sum over rows of weight * loss, of shape (p,)."""
        total = torch.zeros(len(beta), dtype=self._dtype)
        with self._at(beta, X, y) as pieces, torch.enable_grad():
            for rows in pieces:
                loss = _summed(self._losses(X[rows], y[rows]), weights, rows)
                parts = torch.autograd.grad(
                    loss, self._trained, allow_unused=True, materialize_grads=True
                )
                total += nn.utils.parameters_to_vector(parts)
        gradient: Reals = total.numpy()
        return gradient

    def loss(self, X: Reals, y: Reals, beta: Reals, weights: Reals | None) -> float:
        """Return the sum over rows of weight * loss, added in float64."""
        with self._at(beta, X, y) as pieces, torch.no_grad():
            return sum(
                float(_summed(self._losses(X[rows], y[rows]).double(), weights, rows))
                for rows in pieces
            )

    def right(
        self, X: Reals, y: Reals, beta: Reals, weights: Reals | None, threshold: float
    ) -> float:
        """Return the sum of the weights of the rows whose class is predicted.

        Parameters
        ----------
        threshold : float
            A single output above it stands for class 1; of several outputs the largest counts.
        """
        found = 0.0
        with self._at(beta, X, y) as pieces, torch.no_grad():
            for rows in pieces:
                outputs = self._outputs(X[rows])
                classes = outputs > threshold if outputs.ndim == 1 else outputs.argmax(1)
                right = (classes == _tensor(y[rows])).to(torch.float64)
                found += float(_summed(right, weights, rows))
        return found

    def outputs(self, X: Reals, beta: Reals) -> Tensor:
        """Return the outputs of the module for rows, of shape (k, K), or (k,) for one output."""
        self.parameters = beta
        with _reproducible(), torch.no_grad():
            starts = range(0, len(X), ROWS)
            return torch.cat([self._outputs(X[start : start + ROWS]) for start in starts])

    def _outputs(self, X: Reals) -> Tensor:
        """Return what the module returns for rows, of shape (k, ...); (k,) if it is one number."""
        found = answer(
            f"TorchObjective: the module, which is given rows of shape (k, {X.shape[1]}),",
            lambda: self.module(_tensor(X)),
        )
        if not isinstance(found, Tensor) or found.ndim < 1 or len(found) != len(X):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise _refusal(
                f"it returns {shape} for {len(X)} rows", "have it return outputs for each row"
            )
        return found.squeeze(1) if found.shape[1:] == (1,) else found

    def _losses(self, X: Reals, y: Reals) -> Tensor:
        """Return the loss of each row, of shape (k,)."""
        outputs = self._outputs(X)
        labels = self._labels(outputs, y)
        others = "" if labels.dtype == torch.int64 else " (classifier=True makes them int64)"
        losses = answer(
            f"TorchObjective: the loss, which is given outputs of shape {tuple(outputs.shape)} and "
            f"labels of type {labels.dtype}{others},",
            lambda: self._loss(outputs, labels),
        )
        if not isinstance(losses, Tensor) or losses.shape != (len(X),):
            found = f"shape {tuple(losses.shape)}" if isinstance(losses, Tensor) else f"{losses!r}"
            raise UsageError(
                f"TorchObjective: the loss of {len(X)} rows has {found:.40}, and has to have one "
                'number for each row: give a loss with reduction="none"'
            )
        return losses

    def _labels(self, outputs: Tensor, y: Reals) -> Tensor:
        """Return labels as the loss takes them: whole numbers for a classifier of many outputs."""
        if self._classes is None:
            return _tensor(y)
        possible = 2 if outputs.ndim == 1 else outputs.shape[1]
        if self._classes > possible:
            raise UsageError(
                f"TorchObjective: the labels name {self._classes} classes, and the outputs of the "
                f"module have shape {tuple(outputs.shape)}: give its last layer {self._classes} "
                "outputs"
            )
        return _tensor(y) if outputs.ndim == 1 else torch.from_numpy(y.astype(np.int64))

    @contextmanager
    def _at(self, beta: Reals, X: Reals, y: Reals) -> Iterator[list[slice]]:
        """Set the parameters, and yield the rows to compute with at once."""
        self.parameters = beta
        with _reproducible():
            if not self._checked and len(X):
                self._check(X[:ROWS], y[:ROWS])
                self._checked = True
            yield [slice(start, start + ROWS) for start in range(0, len(X), ROWS)]

    def _check(self, X: Reals, y: Reals) -> None:
        """Refuse a module whose results depend on more than parameters and the row itself.

        Raises
        ------
        UsageError
            If a forward pass draws random numbers, changes buffers or mixes rows.
        """
        drawn = torch.get_rng_state()
        before = {name: each.clone() for name, each in self.module.named_buffers()}
        half = (len(X) + 1) // 2
        with torch.no_grad():
            losses = self._losses(X, y)
            if not torch.equal(drawn, torch.get_rng_state()):
                raise _refusal(f"a forward pass draws random numbers, as Dropout does{COPIES}")
            for name, buffer in self.module.named_buffers():
                if not torch.equal(before[name], buffer):
                    raise _refusal(
                        f"a forward pass changes its buffer {name}, as BatchNorm does{COPIES}",
                        "use LayerNorm or GroupNorm, or return module.eval() from make_module",
                    )
            again, first = self._losses(X, y), self._losses(X[:half], y[:half])
        near = torch.finfo(losses.dtype).eps ** 0.5
        if _apart(again, losses) > near:
            raise _refusal(
                "the same rows have other losses after other calls, so it keeps something between "
                f"calls, or draws random numbers{COPIES}"
            )
        if _apart(first, losses[:half]) > near:
            raise _refusal(
                "the loss of a row depends on the other rows, as with BatchNorm, and so on the "
                "blocks that a worker holds",
                "use LayerNorm or GroupNorm, or return module.eval() from make_module",
            )


def _refusal(
    fault: str, remedy: str = "leave that out, or return module.eval() from make_module"
) -> UsageError:
    return UsageError(f"TorchObjective: the module cannot be trained, as {fault}: {remedy}")


def _apart(losses: Tensor, others: Tensor) -> float:
    """Return the largest difference, relative to the largest loss; NaN if any is not finite."""
    return float((losses - others).abs().max() / losses.abs().max())


def _summed(losses: Tensor, weights: Reals | None, rows: slice) -> Tensor:
    return losses.sum() if weights is None else losses @ _tensor(weights[rows]).to(losses.dtype)


def _tensor(array: Reals) -> Tensor:
    """Return a tensor that shares the memory of an array if the array may be written to."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


@contextmanager
def _reproducible() -> Iterator[None]:
    """Have PyTorch use a fixed number of threads, and only algorithms that repeat their results.

    PyTorch refuses other algorithms. Its settings are those of before afterwards.
    """
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(THREADS)
    torch.set_deterministic_debug_mode("error")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(mode)
