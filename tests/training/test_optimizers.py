"""Optimizers by name: torch's own, with their own parameters, and an update that does what was asked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from orchestune.errors import UnknownName
from orchestune.training.optimizers import OPTIMIZERS, make_optimizer
from tests.training.tiny import Tiny


def weights() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(3))]


def after(optimizer: torch.optim.Optimizer, updates: int = 5) -> list[torch.Tensor]:
    """The weights after some updates with fixed gradients."""
    source = torch.Generator().manual_seed(1)
    held = [w for group in optimizer.param_groups for w in group["params"]]
    for _ in range(updates):
        for weight in held:
            weight.grad = torch.randn(weight.shape, generator=source)
        optimizer.step()
    return [weight.detach() for weight in held]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_is_torchs(name: str) -> None:
    decay = 0.0 if name == "rprop" else 0.01
    plain = {"weight_decay": decay} if decay else {}
    ours = after(make_optimizer(name, weights(), lr=0.01, weight_decay=decay))
    torchs = after(OPTIMIZERS[name](weights(), lr=0.01, **plain))
    for mine, its in zip(ours, torchs, strict=True):
        torch.testing.assert_close(mine, its)


def test_the_closed_set_is_all_of_torchs_that_fit() -> None:
    there = {name.lower() for name in dir(torch.optim) if isinstance(getattr(torch.optim, name), type)}
    assert there - set(OPTIMIZERS) <= {"optimizer", "lbfgs", "muon", "sparseadam"}


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"name": "sgd", "momentum": 0.9, "nesterov": True}, "momentum", 0.9),
        ({"name": "adam", "betas": [0.8, 0.9]}, "betas", (0.8, 0.9)),
        ({"name": "rmsprop", "centered": True}, "centered", True),
    ],
)
def test_its_own_parameters_reach_it(given: dict[str, Any], field: str, value: Any) -> None:
    tiny = Tiny({"optimizer": given, "lr": 0.02})
    assert tiny.optimizer.defaults[field] == value
    assert tiny.optimizer.defaults["lr"] == 0.02


def test_fused_where_torch_can() -> None:
    assert make_optimizer("adam", weights(), lr=0.1).defaults["fused"] is True
    assert make_optimizer("nadam", weights(), lr=0.1).defaults.get("fused") is None
    strange = [nn.Parameter(torch.zeros(2, dtype=torch.complex64))]
    assert not make_optimizer("adam", strange, lr=0.1).defaults["fused"]


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("adamm", UnknownName, r"no optimizer named 'adamm'\. Did you mean 'adam'\?"),
        ("lbfgs", UnknownName, "no optimizer named 'lbfgs'"),
        ({"name": "sgd", "momentun": 0.9}, UnknownName, "'sgd'.*'momentun'.*Did you mean 'momentum'"),
        ({"name": "sgd", "lr": 0.9}, UnknownName, "no parameter of optimizer 'sgd' named 'lr'"),
        ({"momentum": 0.9}, ValueError, "a name is needed"),
        (3, ValueError, "parameter 'optimizer' is 3"),
    ],
)
def test_what_is_refused_before_a_model_is_made(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Tiny.Params(optimizer=given)


def test_what_torch_refuses_names_the_optimizer() -> None:
    with pytest.raises(ValueError, match=r"optimizer 'sgd': Invalid momentum value: -1"):
        Tiny({"optimizer": {"name": "sgd", "momentum": -1}})
    with pytest.raises(ValueError, match="optimizer 'rprop' has no weight decay"):
        Tiny({"optimizer": "rprop", "weight_decay": 0.1})


# ---- what an update does


class Calm(Tiny):
    """Without noise, dropout and batch statistics: what is averaged over a batch is averaged over its parts."""

    def make_model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(6, self.params.width), nn.Tanh(), nn.Linear(self.params.width, 2))

    def train_batches(self) -> Any:
        return super(Tiny, self).train_batches()

    def make_schedule(self, optimizer: Any) -> Any:
        return super(Tiny, self).make_schedule(optimizer)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_accumulated_batches_are_one_large_batch(optimizer: str) -> None:
    large = Calm({"batch_size": 40, "optimizer": optimizer})
    parts = Calm({"batch_size": 10, "accumulate": 4, "optimizer": optimizer})  # 90 examples: 40, 40 and 10
    for _ in range(3):
        torch.testing.assert_close(large.step(), parts.step(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(large.model.state_dict(), parts.model.state_dict(), rtol=1e-4, atol=1e-6)


def test_no_update_is_longer_than_the_clipped_gradient() -> None:
    start = Calm({}).model.state_dict()
    free = Calm({"optimizer": "sgd", "lr": 1.0, "batch_size": 90})
    free.step()
    cut = Calm({"optimizer": "sgd", "lr": 1.0, "batch_size": 90, "clip_norm": 0.01})
    cut.step()

    def way(trained: Tiny) -> torch.Tensor:
        return torch.cat([(trained.model.state_dict()[k] - start[k]).flatten() for k in start])

    assert way(free).norm() > 0.1
    torch.testing.assert_close(way(cut).norm(), torch.tensor(0.01), rtol=1e-3, atol=0)
    torch.testing.assert_close(nn.functional.cosine_similarity(way(cut), way(free), dim=0), torch.tensor(1.0))


def test_what_a_loop_of_its_own_would_ignore_is_refused() -> None:
    class Own(Calm):
        def train_epoch(self) -> dict[str, float]:
            for inputs, target in self.train_batches():
                self.optimizer.zero_grad()
                self.loss(self.model(inputs), target).backward()
                self.optimizer.step()
            return {"train_loss": 0.5}

    Own({}).step()
    with pytest.raises(ValueError, match=r"never called self\.update\(\): clip_norm, schedule had no effect"):
        Own({"clip_norm": 1.0, "schedule": {"name": "cosine", "epochs": 3}}).step()


def test_frozen_weights_are_left_alone() -> None:
    class Frozen(Calm):
        def make_model(self) -> nn.Module:
            model = super().make_model()
            for weight in model[0].parameters():  # type: ignore[index]
                weight.requires_grad_(False)
            return model

    frozen = Frozen({"optimizer": "sgd"})
    before = {name: value.clone() for name, value in frozen.model.state_dict().items()}
    frozen.step()
    changed = {name for name, value in frozen.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"2.weight", "2.bias"}


def test_a_model_in_double_precision_is_measured_in_it() -> None:
    class Double(Calm):
        def make_model(self) -> nn.Module:
            return super().make_model().double()

        def train_batches(self) -> Any:
            for inputs, target in super().train_batches():
                yield inputs.double(), target

        def make_data(self) -> Any:
            data = super().make_data()
            images, digits = data.validation.tensors  # type: ignore[union-attr]
            return type(data)(train=data.train, validation=(images.double(), digits))

        def measure(self, output: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
            assert output.dtype == torch.float64
            return super().measure(output, target)

    Double({}).step()
    mixed = Calm({"precision": "bf16"})
    seen: list[torch.dtype] = []
    mixed.measure = lambda output, target: seen.append(output.dtype) or {"accuracy": 0.5, "chance": 0.5}  # type: ignore
    mixed.step()
    assert seen == [torch.float32]
