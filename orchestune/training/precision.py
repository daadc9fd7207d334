"""In which floating-point type a model computes: float32, or mixed with a 16-bit one where that is safe."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

PRECISIONS: dict[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """The steps of an update that depend on the type: the forward pass, the backward pass, the optimizer's step.

    fp16's gradients are scaled against underflow (Micikevicius et al. 2018, section 3.2); an update whose gradients
    overflow is left out and the scale lowered.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self._dtype, self._device = PRECISIONS[name], device
        self._scaler = torch.amp.GradScaler(device.type) if name == "fp16" else None

    def autocast(self) -> AbstractContextManager[Any]:
        """Around the forward pass and the loss."""
        if self._dtype is None:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=self._dtype)

    def backward(self, loss: Tensor) -> None:
        scaled = loss if self._scaler is None else self._scaler.scale(loss)
        scaled.backward()  # type: ignore[no-untyped-call]

    def step(self, optimizer: Optimizer, weights: Iterable[Tensor], clip_norm: float | None) -> None:
        """One update; before it, the gradients of `weights` together are cut to the norm `clip_norm`, if given."""
        if self._scaler is None:
            if clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(weights, clip_norm)
            optimizer.step()
            return
        if clip_norm is not None:
            self._scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(weights, clip_norm)
        self._scaler.step(optimizer)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return self._scaler.state_dict() if self._scaler else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._scaler and state:  # empty where the checkpoint's precision needed no scale
            self._scaler.load_state_dict(state)
