"""A convolutional network that reads handwritten digits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from orchestune.training import Data, TorchTrainable
from trainables.digits import digits
from trainables.mlp import Pixels
from trainables.mnist import TRAIN, mnist


class CNN(TorchTrainable):
    """Convolutions, each rectified and followed by 2 x 2 max pooling, then one hidden layer; on scikit-learn's digits.

    An image of odd size loses its last row and column to the pooling, one of size 1 is pooled no further.
    """

    metrics = ("train_loss", "val_loss", "val_accuracy")

    @dataclass(frozen=True, kw_only=True)
    class Params(TorchTrainable.Params):
        channels: tuple[int, ...] = (8, 16)  # of each convolution
        kernel: int = 3  # pixels along a side of each convolution's window; odd, so that images keep their size
        hidden: int = 64  # units of the layer between convolutions and classes
        dropout: float = 0.0  # probability of zeroing a hidden unit, while training

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.kernel < 1 or self.kernel % 2 == 0:
                raise ValueError(f"parameter 'kernel' is {self.kernel!r}: an odd number, 1 or more, is needed")

    def make_data(self) -> Data:
        return digits()

    def make_model(self) -> nn.Module:
        p = self.params
        side = round(self.data.train[0].shape[1] ** 0.5)
        layers: list[nn.Module] = [Pixels(), nn.Unflatten(1, (1, side, side))]
        for inputs, outputs in pairwise((1, *p.channels)):
            layers += [nn.Conv2d(inputs, outputs, p.kernel, padding="same"), nn.ReLU()]
            if side > 1:
                layers.append(nn.MaxPool2d(2))
                side //= 2
        layers += [nn.Flatten(), nn.Linear((1, *p.channels)[-1] * side**2, p.hidden), nn.ReLU()]
        layers += [nn.Dropout(p.dropout)] if p.dropout else []
        return nn.Sequential(*layers, nn.Linear(p.hidden, 10))

    def measure(self, output: Tensor, target: Tensor) -> dict[str, float]:
        """Share of images whose highest class score, of shape (images, 10), is at the right digit."""
        return {"accuracy": (output.argmax(dim=1) == target).double().mean().item()}


class MnistCNN(CNN):
    """The same on MNIST."""

    @dataclass(frozen=True, kw_only=True)
    class Params(CNN.Params):
        images: int = TRAIN  # to learn from, of the 50,000 that are not for validation

    @classmethod
    def prepare(cls) -> None:
        mnist()

    def make_data(self) -> Data:
        return mnist(self.params.images)
