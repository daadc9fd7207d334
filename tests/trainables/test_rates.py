"""Learning rates that climb or follow the batch size, and losses measured on both sides."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from orchestune.errors import UnknownName
from tests.conftest import NEEDS_MNIST
from trainables.lr_range import MnistLrRange
from trainables.lr_rule import MnistLrRule
from trainables.mlp import MnistBothSides

pytestmark = NEEDS_MNIST
SMALL: dict[str, Any] = {"images": 400, "hidden": [16], "batch_size": 20}


@pytest.mark.parametrize("steps", [5, 20])
def test_the_rate_climbs_by_its_factor_an_epoch(steps: int) -> None:
    trained = MnistLrRange({**SMALL, "lr": 1e-4, "steps": steps})
    rates = [trained.step()["lr"] for _ in range(6)]
    assert rates[0] == pytest.approx(1e-4 * 1.2 ** ((steps - 1) / steps))  # of the first epoch's last update
    assert [after / before for before, after in pairwise(rates)] == pytest.approx([1.2] * 5)
    assert trained.optimizer.param_groups[0]["lr"] == pytest.approx(1e-4 * 1.2**6)


def test_an_epoch_is_so_many_updates_of_other_images() -> None:
    trained = MnistLrRange({**SMALL, "steps": 3, "accumulate": 2})
    orders = []
    for epoch in range(2):
        trained.epoch = epoch
        orders.append([target.tolist() for _, target in trained.train_batches()])
    assert [len(order) for order in orders] == [6, 6]
    assert orders[0] != orders[1]


def test_few_images_make_fewer_updates_and_the_same_climb() -> None:
    trained = MnistLrRange({**SMALL, "lr": 1e-4, "steps": 1000})
    rates = [trained.step()["lr"] for _ in range(3)]
    assert rates[2] / rates[1] == pytest.approx(1.2)


def test_an_epoch_of_no_update_is_refused() -> None:
    with pytest.raises(ValueError, match="'steps' is 0: 1 or more"):
        MnistLrRange({**SMALL, "steps": 0})


@pytest.mark.parametrize(("rule", "rate"), [("fixed", 0.01), ("linear", 0.08)])
def test_the_rate_follows_the_batch_size(rule: str, rate: float) -> None:
    trained = MnistLrRule({**SMALL, "batch_size": 256, "lr": 0.01, "lr_rule": rule})
    assert trained.optimizer.param_groups[0]["lr"] == pytest.approx(rate)
    trained.step()
    assert trained.telemetry["lr"] == pytest.approx(rate)


def test_a_schedule_starts_from_the_rate_that_follows() -> None:
    settings = {
        **SMALL,
        "batch_size": 64,
        "lr": 0.01,
        "lr_rule": "linear",
        "schedule": {"name": "step", "step_size": 1},
    }
    trained = MnistLrRule(settings)
    trained.step()
    assert trained.optimizer.param_groups[0]["lr"] == pytest.approx(0.002)


def test_an_unknown_rule_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no lr_rule named 'liner'\. Did you mean 'linear'\?"):
        MnistLrRule({**SMALL, "lr_rule": "liner"})


def test_both_sides_are_measured_on_the_same_model() -> None:
    trained = MnistBothSides(SMALL)
    report = trained.step()
    for side, split in (("train", trained.data.train), ("val", trained.data.validation)):
        assert split is not None
        assert {f"{side}_{name}": value for name, value in trained.evaluate(split).items()}.items() <= report.items()
