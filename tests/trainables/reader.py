"""A module by its import path as a trainable, and that module, which knows nothing of training."""

from __future__ import annotations

from torch import Tensor, nn

from orchestune.training import Data
from trainables.any_module import AnyModule
from trainables.digits import digits


class Layers(nn.Module):
    def __init__(self, pixels: int, width: int = 12, *, dropout: float = 0.2, slopes: tuple[float, ...] = (0.0,)):
        super().__init__()
        self.dropout = dropout
        rest = [layer for slope in slopes for layer in (nn.LeakyReLU(slope), nn.Dropout(dropout))]
        self.layers = nn.Sequential(nn.Linear(pixels, width), *rest, nn.Linear(width, 10))

    def forward(self, image: Tensor) -> Tensor:
        scores: Tensor = self.layers(image)
        return scores


class Reader(AnyModule):
    metrics = ("train_loss", "val_loss")
    module = "tests.trainables.reader.Layers"
    fixed = {"pixels": 64}

    def make_data(self) -> Data:
        return digits()
