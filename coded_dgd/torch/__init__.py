"""Models of PyTorch with automatic derivatives: the extra ``torch``."""

from coded_dgd.errors import UsageError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise UsageError(
        f"coded_dgd.torch needs PyTorch, which cannot be imported ({error}): "
        "pip install 'coded-dgd[torch]'"
    ) from error

from coded_dgd.torch.objective import TorchObjective

__all__ = ["TorchObjective"]
