"""A multilayer perceptron that reads handwritten digits: the example to copy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from orchestune.training import Data, TorchTrainable
from trainables.digits import digits
from trainables.mnist import TRAIN, mnist


class MLP(TorchTrainable):
    """Rectified layers of the given widths, between the pixels of scikit-learn's digits and 10 classes."""

    metrics = ("train_loss", "val_loss", "val_accuracy")

    @dataclass(frozen=True, kw_only=True)
    class Params(TorchTrainable.Params):
        hidden: tuple[int, ...] = (64, 64)  # units per hidden layer
        dropout: float = 0.0  # probability of zeroing a hidden unit, while training

    def make_data(self) -> Data:
        return digits()

    def make_model(self) -> nn.Module:
        images = self.data.train[0]
        widths = (images.shape[1], *self.params.hidden)
        layers: list[nn.Module] = [Pixels()]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
            layers += [nn.Dropout(self.params.dropout)] if self.params.dropout else []
        return nn.Sequential(*layers, nn.Linear(widths[-1], 10))

    def measure(self, output: Tensor, target: Tensor) -> dict[str, float]:
        """Share of images whose highest class score, of shape (images, 10), is at the right digit."""
        return {"accuracy": (output.argmax(dim=1) == target).double().mean().item()}


class MnistMLP(MLP):
    """The same on MNIST."""

    @dataclass(frozen=True, kw_only=True)
    class Params(MLP.Params):
        images: int = TRAIN  # to learn from, of the 50,000 that are not for validation

    @classmethod
    def prepare(cls) -> None:
        mnist()

    def make_data(self) -> Data:
        return mnist(self.params.images)


class MnistBothSides(MnistMLP):
    """The same, measured on the images that it learns from as on the others: by one model, after each epoch.

    The usual train_loss is the mean over an epoch in which the model gets better: too high to be set against val_loss.
    """

    metrics = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")

    def train_epoch(self) -> dict[str, float]:
        trained = super().train_epoch()
        if not math.isfinite(trained["train_loss"]):
            return trained
        return {f"train_{name}": value for name, value in self.evaluate(self.data.train).items()}


def parameters(*widths: int) -> int:
    """Weights and biases of linear layers between so many units: the inputs first, the classes last."""
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths))


class Pixels(nn.Module):
    """Bytes to numbers in [0, 1], here rather than in the data: an epoch reads a quarter of the memory."""

    def forward(self, image: Tensor) -> Tensor:
        return image if image.is_floating_point() else image.float() / 255
