"""A convolutional network on few of MNIST's images to be judged by: all of them take longer than all else it does."""

from __future__ import annotations

from orchestune.training import Data
from trainables import cnn

FEW = 300


class MnistCNN(cnn.MnistCNN):
    def make_data(self) -> Data:
        data = super().make_data()
        few = {split: tuple(part[:FEW] for part in getattr(data, split)) for split in ("validation", "test")}
        return Data(train=data.train, **few)
