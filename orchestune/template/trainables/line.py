"""Fits a noisy line: small enough to read, real enough to tune."""

from dataclasses import dataclass

import torch
from torch import nn

from orchestune import Data, TorchTrainable


class Line(TorchTrainable):
    metrics = ("train_loss", "val_loss")  # what every epoch reports

    @dataclass(frozen=True, kw_only=True)
    class Params(TorchTrainable.Params):  # lr, batch_size and weight_decay come with the base
        width: int = 8  # hidden units

    def make_data(self) -> Data:
        x = torch.linspace(-1, 1, 600).unsqueeze(1)[torch.randperm(600, generator=torch.Generator().manual_seed(0))]
        y = 3 * x + 0.1 * torch.randn(600, 1, generator=torch.Generator().manual_seed(1))
        return Data(train=(x[:400], y[:400]), validation=(x[400:500], y[400:500]), test=(x[500:], y[500:]))

    def make_model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(1, self.params.width), nn.Tanh(), nn.Linear(self.params.width, 1))

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return nn.functional.mse_loss(output, target)
