"""A training whose learning rate climbs, a few updates an epoch: at which rates it learns, and from which on it breaks.

Leslie N. Smith, *Cyclical Learning Rates for Training Neural Networks*, 2017, section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from torch import Tensor
from torch.optim import Optimizer

from orchestune.training import schedules
from orchestune.training.data import batch_count
from orchestune.training.named import Named
from orchestune.training.schedules import Schedule
from trainables.mlp import MnistMLP


class MnistLrRange(MnistMLP):
    """The MLP on MNIST, `steps` updates an epoch; `lr` is where the rate starts, `schedule` how it climbs.

    Reports the rate of each epoch's last update: what the losses of that epoch are to be drawn over.
    """

    metrics = (*MnistMLP.metrics, "lr")
    x_axis = "lr"

    @dataclass(frozen=True, kw_only=True)
    class Params(MnistMLP.Params):
        lr: float = 1e-5  # step size of the first update
        steps: int = 20  # updates in an epoch, as far as the images reach
        schedule: Named = field(  # from one epoch to the next a fifth more, a little at each update
            default_factory=lambda: {"name": "exponential", "gamma": 1.2, "per": "step"}
        )  # how lr climbs, its lengths in these short epochs

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.steps < 1:
                raise ValueError(f"parameter 'steps' is {self.steps!r}: 1 or more is needed")

    def train_batches(self) -> Iterator[tuple[Tensor, ...]]:
        """As many as make `steps` updates, from an order that is drawn anew for each epoch."""
        return islice(super().train_batches(), self.params.steps * self.params.accumulate)

    def make_schedule(self, optimizer: Optimizer) -> Schedule:
        p = self.params
        there = math.ceil(batch_count(self.data.train, p.batch_size) / p.accumulate)
        return schedules.make_schedule(
            p.schedule, optimizer, updates=lambda: min(p.steps, there), max_epochs=self.max_epochs
        )

    def update(self) -> None:
        self._rate = self.optimizer.param_groups[0]["lr"]
        super().update()

    def train_epoch(self) -> dict[str, float]:
        return {**super().train_epoch(), "lr": self._rate}
