"""What a mark may not be on: a parameter that gives the model's weights their shape."""

from __future__ import annotations

from typing import Any

import torch
from ray import tune
from torch import nn

from orchestune import perturb, when
from orchestune.space import Space
from orchestune.training.shapes import shape_mistakes
from tests.training.tiny import Tiny

SPACE: dict[str, Any] = {
    "lr": perturb(tune.loguniform(1e-4, 1e-1)),
    "dropout": perturb(tune.uniform(0, 0.5)),
    "width": tune.qrandint(8, 32, 8),
}


class NeedsData(Tiny):
    def make_model(self) -> nn.Module:
        return nn.Linear(self.data.train[0].shape[1], self.params.width)  # type: ignore[index]


def mistakes(space: dict[str, Any], trainable: type = Tiny) -> list[str]:
    return shape_mistakes(trainable, Space.parse(space))


def test_settings_are_no_shape() -> None:
    assert mistakes(SPACE) == []


def test_a_width_is() -> None:
    (mistake,) = mistakes({**SPACE, "width": perturb(tune.qrandint(8, 32, 8))})
    assert mistake.startswith(
        "'width' is marked with perturb(...) and gives the model its shape: 0.weight is (8, 6) at 8"
    )


def test_one_that_exists_under_a_condition() -> None:
    space = {"batch_size": tune.choice([8, 16, 32, 64]), "width": when("batch_size", 64, perturb(tune.randint(1, 9)))}
    assert len(mistakes(space)) == 1


def test_where_it_cannot_be_told_nothing_is_said() -> None:
    space = {**SPACE, "width": perturb(tune.qrandint(8, 32, 8))}
    assert mistakes(space, NeedsData) == []
    assert mistakes(space, tune.Trainable) == []


def test_it_draws_nothing() -> None:
    before = torch.get_rng_state()
    mistakes(SPACE)
    assert torch.equal(before, torch.get_rng_state())
