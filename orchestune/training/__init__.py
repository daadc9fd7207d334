"""What is trained: `TorchTrainable` and its data; checkpoints; legs; what one trial occupies."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestune.training.data import Data as Data
    from orchestune.training.params import describe_params as describe_params
    from orchestune.training.params import parse_params as parse_params
    from orchestune.training.torch_trainable import TorchTrainable as TorchTrainable

# Lazy (PEP 562), so that a command that only reads checkpoints or resources imports neither Ray nor torch.
_HOMES = {
    "Data": "orchestune.training.data",
    "TorchTrainable": "orchestune.training.torch_trainable",
    "describe_params": "orchestune.training.params",
    "parse_params": "orchestune.training.params",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
