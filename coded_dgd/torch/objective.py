"""This module holds the objective of a PyTorch module and a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from coded_dgd.errors import UsageError, answer
from coded_dgd.problems.objectives.base import Objective, Reals
from coded_dgd.torch.network import TorchNetwork
from coded_dgd.torch.row_losses import FOR_CLASSES, LINKS, PROBABILITY, name_of, row_losses

FIXED_SEED = 0
"""Seed with which every process makes the module, so that what is not trained is the same."""


class TorchObjective(Objective):
    """The objective is the sum over rows of the loss of a PyTorch module, with its derivatives.

    The p parameters are those of the module that require gradients, flattened and joined in the
    order of ``module.parameters()``. The module and the loss are converted to the type of the data
    on workers, float64 or float32. The gradient is computed by automatic differentiation on the
    CPU, with deterministic algorithms: on equal processors copies of a block give equal gradients
    bit for bit, and on unlike processors they may differ in the last bits.

    Modules whose forward pass draws random numbers (Dropout), changes buffers or mixes rows
    (BatchNorm) are refused, unless they are in evaluation mode.

    Parameters
    ----------
    make_module : callable
        Makes the module without arguments. The module is given rows of shape (k, l) and returns
        outputs of shape (k,), (k, 1) or (k, K). It is made several times, on every process. What
        is not trained must not depend on random numbers other than those of PyTorch.
    loss : callable
        Function or ``torch.nn`` module of outputs and labels that returns one loss for each row,
        of shape (k,). Functions with a parameter `reduction` are called with ``"none"``. Outputs of
        shape (k, 1) are handed over with shape (k,).
    classifier : bool, optional
        Whether labels name classes. In training they are replaced by 0, ..., K - 1, as integers if
        there are several outputs. By default it is whether `loss` is one of PyTorch's losses for
        classes, such as ``F.cross_entropy``.

    Raises
    ------
    UsageError
        If an argument cannot be used, in one line.

    Examples
    --------
    In a file ``network.py``, for ``--objective network:objective``::

        from torch import nn
        from torch.nn import functional as F
        from coded_dgd.torch import TorchObjective

        def network():
            return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))

        objective = TorchObjective(network, F.cross_entropy)
    """

    runs_own_code: ClassVar[bool] = True
    overhead_bytes: ClassVar[float] = 215e6  # of PyTorch 2.13 for the CPU
    overhead_seconds: ClassVar[float] = 1.0

    def __init__(
        self,
        make_module: Callable[[], nn.Module],
        loss: Callable[..., torch.Tensor],
        classifier: bool | None = None,
    ) -> None:
        if isinstance(make_module, nn.Module) or not callable(make_module):
            raise UsageError(
                "TorchObjective: make_module has to be a function that makes a module anew at each "
                f"call, and is a {type(make_module).__name__}: give lambda: nn.Linear(64, 10)"
            )
        self._make_module, self._loss = make_module, row_losses(loss)
        self._loss_name = name = name_of(loss)
        self._classifies = name in FOR_CLASSES if classifier is None else classifier
        self._threshold = 0.5 if name in PROBABILITY else 0.0
        self._classes: int | None = None
        self._networks: dict[np.dtype[Any], TorchNetwork] = {}

    def size(self, features: int) -> int:
        return len(self._network(np.dtype(np.float64)).parameters)

    def start(self, features: int, seed: int) -> Reals:
        """Return the module's own initial parameters, drawn with PyTorch's generator."""
        return self._made(seed, np.dtype(np.float64)).parameters

    def gradient(self, X: Reals, y: Reals | None, beta: Reals, weights: Reals | None) -> Reals:
        assert y is not None  # degree is not 2
        return self._network(X.dtype).gradient(X, y, beta, weights)

    def loss(self, X: Reals, y: Reals, beta: Reals, weights: Reals | None = None) -> float:
        return self._network(X.dtype).loss(X, y, beta, weights)

    def module(self, beta: Reals) -> nn.Module:
        """Return a new float64 module with these parameters, such as ``coef_`` of a training."""
        made = self._made(FIXED_SEED, np.dtype(np.float64))
        made.parameters = beta
        return made.module

    def check_labels(self, y: Reals) -> str | None:
        return "of at least two classes" if self._classifies and len(y) < 2 else None

    def encode_labels(self, classes: Reals) -> Reals | None:
        return np.arange(len(classes), dtype=np.float64) if self._classifies else None

    def learn_classes(self, classes: Reals) -> None:
        if self._classes != len(classes):
            self._classes = len(classes)
            self._networks.clear()

    def scores(
        self, X: Reals, y: Reals, beta: Reals, weights: Reals | None = None
    ) -> dict[str, float]:
        if not self._classifies:
            return {}
        right = self._network(X.dtype).right(X, y, beta, weights, self._threshold)
        return {"accuracy": right}

    def predict(self, X: Reals, beta: Reals) -> Reals | None:
        """Return the only output of the module, or for a classifier the number of the class.

        It is None for several outputs that stand for no classes.
        """
        outputs = self._network(X.dtype).outputs(X, beta)
        if self._classifies:
            classes = outputs > self._threshold if outputs.ndim == 1 else outputs.argmax(1)
            return np.asarray(classes.numpy(), np.float64)
        found: Reals | None = outputs.numpy() if outputs.ndim == 1 else None
        return found

    def probabilities(self, X: Reals, beta: Reals) -> Reals | None:
        """Return the probabilities that the loss makes of outputs; None for other losses."""
        if not (self._classifies and self._loss_name in LINKS):
            return None
        link = LINKS[self._loss_name]
        found = link(self._network(X.dtype).outputs(X, beta))
        both = found if found.ndim == 2 else torch.stack([1 - found, found], dim=1)
        probabilities: Reals = both.numpy()
        return probabilities

    def _network(self, dtype: np.dtype[Any]) -> TorchNetwork:
        """Return the network of that type, which is made at the first call."""
        if dtype not in self._networks:
            self._networks[dtype] = self._made(FIXED_SEED, dtype)
        return self._networks[dtype]

    def _made(self, seed: int, dtype: np.dtype[Any]) -> TorchNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = answer("TorchObjective: make_module", self._make_module)
        if not isinstance(module, nn.Module):
            raise UsageError(
                f"TorchObjective: make_module returned a {type(module).__name__}, and has to "
                "return a torch.nn.Module"
            )
        return TorchNetwork(module, self._loss, getattr(torch, dtype.name), self._classes)
