"""A loss of PyTorch becomes a function that returns one loss for each row."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from coded_dgd.errors import UsageError

RowLosses = Callable[[Tensor, Tensor], Tensor]
"""A function of outputs and labels, both with one entry for each row, to losses of shape (k,)."""

PROBABILITY = ("binary_cross_entropy", "BCELoss")
"""Names of the losses whose outputs are probabilities of the second of two classes."""
FOR_CLASSES = (
    *PROBABILITY,
    *("binary_cross_entropy_with_logits", "BCEWithLogitsLoss"),
    *("cross_entropy", "CrossEntropyLoss"),
    *("nll_loss", "NLLLoss"),
    *("multi_margin_loss", "MultiMarginLoss"),
)
"""Names of PyTorch's losses whose labels are numbers of classes."""


LINKS: dict[str, Callable[[Tensor], Tensor]] = {
    **dict.fromkeys(PROBABILITY, torch.clone),
    **dict.fromkeys(("binary_cross_entropy_with_logits", "BCEWithLogitsLoss"), torch.sigmoid),
    **dict.fromkeys(("cross_entropy", "CrossEntropyLoss"), partial(torch.softmax, dim=1)),
    **dict.fromkeys(("nll_loss", "NLLLoss"), torch.exp),
}
"""Functions that make probabilities of outputs, for losses that are negative log-likelihoods."""


def name_of(loss: Any) -> str:
    """Return the name of a function, or of the class of another object."""
    function = loss.func if isinstance(loss, partial) else loss
    return str(getattr(function, "__name__", type(function).__name__))


def row_losses(loss: Any) -> RowLosses:
    """Return the loss such that it returns one value for each row.

    A function with a parameter `reduction`, as those of ``torch.nn.functional`` have, is called
    with ``reduction="none"``.

    Parameters
    ----------
    loss : callable
        A function or ``torch.nn`` module of outputs and labels.

    Raises
    ------
    UsageError
        If the loss is not callable, or averages or sums over rows.
    """
    name = name_of(loss)
    if isinstance(loss, type) or not callable(loss):
        made = f'{name}(reduction="none")' if isinstance(loss, type) else "F.cross_entropy"
        raise UsageError(f"TorchObjective: the loss {name} is no function: give {made}")
    if isinstance(loss, nn.Module):
        reduction = getattr(loss, "reduction", "none")
    elif isinstance(loss, partial):
        reduction = loss.keywords.get("reduction", "none")
    else:
        reduction = "none"
    if reduction != "none":
        raise UsageError(
            f"TorchObjective: the loss {name} has reduction={reduction!r} over rows, which may be "
            f'on several workers: give {name} with reduction="none"'
        )
    if isinstance(loss, nn.Module) or "reduction" not in _parameters(loss):
        per_row: RowLosses = loss
        return per_row
    return partial(loss, reduction="none")


def _parameters(loss: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(loss).parameters)
    except (TypeError, ValueError):  # some functions that are not written in Python have none
        return ()
