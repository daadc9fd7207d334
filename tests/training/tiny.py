"""A trainable with all a checkpoint could forget: dropout, batch statistics, a schedule, random streams."""
# ruff: noqa: NPY002  numpy's global stream is one of them

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, MultiStepLR
from torch.utils.data import TensorDataset

from orchestune.training import Data, TorchTrainable


def examples(count: int, seed: int) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 6, generator=source)
    return inputs, (inputs.sum(dim=1) > 0).long()


class Tiny(TorchTrainable):
    metrics = ("train_loss", "val_loss", "val_accuracy", "val_chance")

    @dataclass(frozen=True, kw_only=True)
    class Params(TorchTrainable.Params):
        lr: float = 0.03  # step size per update
        batch_size: int = 16  # examples per update
        width: int = 8  # hidden units
        dropout: float = 0.3  # probability of zeroing a unit

    def make_data(self) -> Data:
        return Data(train=examples(90, 1), validation=TensorDataset(*examples(30, 2)), test=examples(30, 3))

    def make_model(self) -> nn.Module:
        width = self.params.width
        dropout = nn.Dropout(self.params.dropout)
        return nn.Sequential(nn.Linear(6, width), nn.BatchNorm1d(width), nn.ReLU(), dropout, nn.Linear(width, 2))

    def make_schedule(self, optimizer: Optimizer) -> LRScheduler:
        return MultiStepLR(optimizer, milestones=[2, 3], gamma=0.5)

    def measure(self, output: Tensor, target: Tensor) -> dict[str, float]:
        right = (output.argmax(dim=1) == target).double().mean().item()
        return {"accuracy": right, "chance": random.random() + np.random.rand() + torch.rand(()).item()}

    def train_batches(self) -> Iterator[tuple[Tensor, ...]]:
        """With noise from each of the three streams, as an augmentation adds it; `visited`: the order."""
        self.visited: list[int] = []
        for inputs, target in super().train_batches():
            noise = random.gauss(0, 0.1) + np.random.normal(0, 0.1) + torch.randn(()) * 0.1
            self.visited += inputs[:, 0].view(torch.int32).tolist()
            yield inputs + noise.float(), target
