"""A multilayer perceptron that reads handwritten digits: the example to copy.

The data are scikit-learn's 1797 images of 8 x 8 pixels, which need no download.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn

from orchestune.training import Data, TorchTrainable


class MLP(TorchTrainable):
    """Rectified layers of the given widths, between 64 pixels and 10 classes."""

    metrics = ("train_loss", "val_loss", "val_accuracy")

    @dataclass(frozen=True, kw_only=True)
    class Params(TorchTrainable.Params):
        hidden: tuple[int, ...] = (64, 64)  # units per hidden layer
        dropout: float = 0.0  # probability of zeroing a hidden unit, while training

    def make_data(self) -> Data:
        return digits()

    def make_model(self) -> nn.Module:
        widths = (64, *self.params.hidden)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(self.params.dropout)]
        return nn.Sequential(*layers, nn.Linear(widths[-1], 10))

    def measure(self, output: Tensor, target: Tensor) -> dict[str, float]:
        """Share of images whose highest class score, of shape (images, 10), is at the right digit."""
        return {"accuracy": (output.argmax(dim=1) == target).double().mean().item()}


@cache  # once per process, however many trials it trains
def digits() -> Data:
    """Images of shape (count, 64) in [0, 1] and their digits; 60 % train, 20 % validation, 20 % test.

    The split is stratified and the same for every seed: trials are compared on the same images.
    """
    from sklearn.datasets import load_digits  # here: the command trains nothing, and starts half a second sooner
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    image, digit = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(labels, dtype=torch.int64)
    rest, test = train_test_split(range(len(labels)), test_size=0.2, stratify=labels, random_state=0)
    train, validation = train_test_split(rest, test_size=0.25, stratify=labels[rest], random_state=0)
    return Data(
        train=(image[train], digit[train]),
        validation=(image[validation], digit[validation]),
        test=(image[test], digit[test]),
    )
