"""A trainable's state in a folder, whichever of its two forms Ray's `save_checkpoint` has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_DICT = "trainable.pt"  # the state of a class whose save_checkpoint returns it


def save(trainable: Any, folder: Path) -> None:
    """Has `trainable` write its state into `folder`, which exists."""
    saved = trainable.save_checkpoint(str(folder))
    if isinstance(saved, dict):  # Ray's older form: the state itself, which Ray would pickle
        import torch  # here, because a trainable that needs no torch starts two seconds sooner

        torch.save(saved, folder / _DICT)


def load(trainable: Any, folder: Path) -> None:
    """Has `trainable` take up what `save` wrote there."""
    state: Any = str(folder)
    if (folder / _DICT).exists():
        import torch

        state = torch.load(folder / _DICT, weights_only=True)
    trainable.load_checkpoint(state)
