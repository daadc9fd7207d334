"""A trainable by itself: what it needs of the process it is in, without Ray, which trained it."""

from __future__ import annotations

import tempfile
from functools import cached_property
from typing import Any

import torch

from orchestune.training import machine


class Worker:
    """Stands in for the class of this name that derives from Ray's Trainable; it is only built, and evaluated."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.setup(config)

    def setup(self, config: dict[str, Any]) -> None:
        """A subclass builds itself here."""

    def occupy(self, *, deterministic: bool = True) -> torch.device:
        """A GPU if there is one."""
        return machine.take(deterministic=deterministic)

    def cleanup(self) -> None:
        """Nothing is held."""

    @cached_property
    def logdir(self) -> str:
        """A temporary folder, for a trainable that writes files of its own."""
        return tempfile.mkdtemp(prefix="orchestune-")
