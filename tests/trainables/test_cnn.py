"""The convolutional network: its shape, what it refuses, and that it reads better than chance."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.conftest import NEEDS_MNIST
from trainables.cnn import CNN, MnistCNN


@pytest.mark.parametrize("channels", [[3], [3, 5], [2, 2, 2, 2, 2], []], ids=str)
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_its_shape_is_what_the_parameters_say(channels: list[int], kernel: int) -> None:
    model = CNN({"channels": channels, "kernel": kernel, "hidden": 7}).model
    found = [layer for layer in model if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in found] == channels
    assert all(layer.kernel_size == (kernel, kernel) for layer in found)
    assert model(torch.zeros(4, 64)).shape == (4, 10)


def test_an_even_window_is_refused() -> None:
    with pytest.raises(ValueError, match="parameter 'kernel' is 4: an odd number, 1 or more, is needed"):
        CNN({"kernel": 4})


def test_dropout_is_for_training_alone() -> None:
    cnn = CNN({"dropout": 0.5})
    image = cnn.data.train[0][:8]  # type: ignore[index]
    assert not torch.equal(cnn.model(image), cnn.model(image))
    cnn.model.eval()
    assert torch.equal(cnn.model(image), cnn.model(image))


def test_it_reads_digits() -> None:
    cnn = CNN({"lr": 0.01, "batch_size": 32})
    for _ in range(4):
        report = cnn.step()
    assert report["val_accuracy"] > 0.9


@NEEDS_MNIST
def test_it_reads_mnist() -> None:
    cnn = MnistCNN({"images": 1000, "lr": 0.01, "batch_size": 32, "channels": [4, 8], "hidden": 16})
    assert cnn.model(cnn.data.train[0][:2]).shape == (2, 10)  # type: ignore[index]
    for _ in range(2):
        report = cnn.step()
    assert report["val_accuracy"] > 0.8
