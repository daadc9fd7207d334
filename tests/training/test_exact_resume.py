"""Bit for bit: with every optimizer, schedule and precision, a resumed training is one that never stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from orchestune.training import Data
from orchestune.training.optimizers import OPTIMIZERS
from orchestune.training.schedules import SCHEDULES
from tests.contracts.test_trainables import curve, disturb, equal, state
from tests.training.tiny import Tiny, examples

OWN: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.9, "nesterov": True},
    "rmsprop": {"momentum": 0.9, "centered": True},
    "adam": {"amsgrad": True},
    "step": {"step_size": 2},
    "multi_step": {"milestones": [1, 3]},
    "exponential": {"gamma": 0.7},
    "cosine_restarts": {"T_0": 2},
    "plateau": {"patience": 0, "threshold": 1.0},
}
SPANS = ("linear", "polynomial", "cosine", "one_cycle")


class Open(Tiny):
    """Tiny with the schedule that its parameters name."""

    max_epochs = 5

    def make_schedule(self, optimizer: Any) -> Any:
        return super(Tiny, self).make_schedule(optimizer)


def goes_on(trainable: type[Tiny], config: dict[str, Any], folder: Path, at: int = 2, epochs: int = 5) -> None:
    straight = trainable(dict(config))
    curve(straight, at)
    straight.save_checkpoint(str(folder))
    expected, end = curve(straight, epochs - at), state(straight)

    resumed = trainable({})
    curve(resumed, 1)
    disturb()
    assert resumed.reset_config(dict(config))
    resumed.load_checkpoint(str(folder))
    assert curve(resumed, epochs - at) == expected
    assert equal(state(resumed), end)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer(name: str, tmp_path: Path) -> None:
    decay = {} if name == "rprop" else {"weight_decay": 0.01}
    goes_on(Open, {"optimizer": {"name": name, **OWN.get(name, {})}, "lr": 0.01, **decay}, tmp_path)


@pytest.mark.parametrize("per", ["step", "epoch"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_each_schedule(name: str, per: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"name": name, **OWN.get(name, {})}
    if name != "plateau":
        given["per"] = per
    goes_on(Open, {"schedule": given, "optimizer": {"name": "sgd", "momentum": 0.9}}, tmp_path)


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("name", [*SPANS, "constant"])
def test_before_in_and_after_a_warm_up(name: str, at: int, tmp_path: Path) -> None:
    warmup = {} if name == "one_cycle" else {"warmup": 2}
    goes_on(Open, {"schedule": {"name": name, **warmup}}, tmp_path, at=at)


@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_each_precision(precision: str, clip_norm: float | None, tmp_path: Path) -> None:
    goes_on(Open, {"precision": precision, "clip_norm": clip_norm, "accumulate": 2}, tmp_path)


class Overflowing(Open):
    """Its gradients overflow in fp16 now and then, so that the scale moves."""

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return super().loss(output, target) * (1e6 if self.epoch % 2 else 1.0)


def test_a_scale_that_has_moved(tmp_path: Path) -> None:
    trained = Overflowing({"precision": "fp16"})
    curve(trained, 2)
    assert trained.precision.state_dict()["scale"] < 65536.0
    goes_on(Overflowing, {"precision": "fp16"}, tmp_path)


class Loaders(Open):
    """Its data come from DataLoaders; `own`: with a generator of their own."""

    own = True

    def make_data(self) -> Data:
        source = torch.Generator() if self.own else None
        train = DataLoader(TensorDataset(*examples(90, 1)), batch_size=16, shuffle=True, generator=source)
        return Data(train=train, validation=DataLoader(TensorDataset(*examples(30, 2)), batch_size=7), test=None)


class GlobalLoaders(Loaders):
    own = False


class Endless(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """Examples that have no length."""

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return zip(*examples(40, 4), strict=True)


class Unsized(Open):
    def make_data(self) -> Data:
        return Data(train=DataLoader(Endless(), batch_size=16), validation=DataLoader(Endless(), batch_size=16))


def test_a_loader_without_a_length(tmp_path: Path) -> None:
    goes_on(Unsized, {}, tmp_path)
    goes_on(Unsized, {"schedule": {"name": "step", "step_size": 2}}, tmp_path)
    with pytest.raises(TypeError, match="has no len"):
        Unsized({"schedule": "cosine"})


@pytest.mark.parametrize("trainable", [Loaders, GlobalLoaders])
def test_each_kind_of_loader(trainable: type[Tiny], tmp_path: Path) -> None:
    goes_on(trainable, {}, tmp_path)
    trained = trainable({})
    orders = []
    for _ in range(2):
        trained.step()
        orders.append(trained.visited)
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_compiled(tmp_path: Path) -> None:
    class Compiled(Open):
        compile_options = {"backend": "aot_eager"}  # traces, and needs no C++ compiler

    goes_on(Compiled, {"compile": True, "batch_size": 30}, tmp_path, at=1, epochs=2)
