"""Trainables whose models are written as build_model(hp)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from orchestune import BuildModel, Data, HyperParameters


def build_model(hp: HyperParameters) -> nn.Module:
    width, layers = 4, []
    for i in range(hp.Int("layers", 1, 2)):
        layers += [nn.Linear(width, units := hp.Int(f"units_{i}", 4, 16, step=4)), nn.ReLU()]
        width = units
    hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    hp.Choice("batch_size", [16, 32])
    hp.Choice("optimizer", ["sgd", "adam"])
    return nn.Sequential(*layers, nn.Linear(width, 2))


def build_late(hp: HyperParameters) -> nn.Module:
    """Where `x` is far from its default, asks for what no discovery can meet."""
    units = 4
    if hp.Float("x", 0.0, 1.0) > 0.3:
        units = hp.Int("units", 4, 16, step=4)
        with hp.name_scope("more"):
            hp.Float("lr", 0.01, 0.1)
        hp.Float("lr", 0.01, 0.1)
    return nn.Sequential(nn.Linear(4, units), nn.ReLU(), nn.Linear(units, 2))


class Small(BuildModel):
    metrics = ("train_loss", "val_loss", "val_accuracy")
    build_model = build_model

    def make_data(self) -> Data:
        inputs = torch.randn(96, 4, generator=torch.Generator().manual_seed(1))
        target = (inputs.sum(dim=1) > 0).long()
        return Data(train=(inputs[:64], target[:64]), validation=(inputs[64:], target[64:]))

    def measure(self, output: Tensor, target: Tensor) -> dict[str, float]:
        return {"accuracy": (output.argmax(dim=1) == target).double().mean().item()}


class Late(Small):
    @staticmethod
    def build_model(hp: HyperParameters) -> nn.Module:
        return build_late(hp)
