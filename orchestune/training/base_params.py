"""What may be set of every training, whatever the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from orchestune.errors import UnknownName
from orchestune.training import optimizers, schedules
from orchestune.training.named import Named
from orchestune.training.precision import PRECISIONS


@dataclass(frozen=True, kw_only=True)
class BaseParams:
    """Raises UnknownName and ValueError for what no training could use, before anything is built."""

    lr: float = 1e-3  # step size per update
    batch_size: int = 128  # examples at a time; a DataLoader has its own
    weight_decay: float = 0.0  # share of a weight lost per update (times lr), or what the optimizer makes of it
    optimizer: Named = "adamw"  # its name, or {"name": "sgd", "momentum": 0.9}: one of torch's
    schedule: Named = "constant"  # of lr: its name, or {"name": "cosine", "warmup": 1}, lengths in epochs
    clip_norm: float | None = None  # largest norm of an update's whole gradient; None: as it is
    accumulate: int = 1  # batches whose gradients are averaged for one update
    precision: str = "fp32"  # fp32, bf16 or fp16: mixed precision by torch.autocast
    compile: bool = False  # by torch.compile, which each trial does anew

    def __post_init__(self) -> None:
        for name in ("batch_size", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"parameter {name!r} is {getattr(self, name)!r}: 1 or more is needed")
        for name in ("lr", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"parameter {name!r} is {getattr(self, name)!r}: 0 or more, and finite, is needed")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"parameter 'clip_norm' is {self.clip_norm!r}: above 0, or None, is needed")
        if self.precision not in PRECISIONS:
            raise UnknownName("precision", self.precision, PRECISIONS)
        optimizers.check(self.optimizer)
        schedules.check(self.schedule)
