"""Several executions of one configuration as one trial."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from ray.tune import Trainable

from orchestune.training.copies import copies, copy_seed, joined
from tests.training.tiny import Tiny

CONFIG = {"lr": 0.05}


def alone(seed: int, epochs: int) -> list[dict[str, Any]]:
    """What one training reports."""
    cls = type("Alone", (Tiny,), {"seed": seed})
    trained = cls(dict(CONFIG))
    return [trained.step() for _ in range(epochs)]


def three(seed: int = 5) -> Any:
    return type("Three", (copies(Tiny, 3),), {"seed": seed})(dict(CONFIG))


def test_each_copy_trains_as_it_would_alone_and_the_mean_is_reported() -> None:
    expected = [alone(copy_seed(5, number), 3) for number in range(3)]
    trained = three()
    for epoch in range(3):
        report = trained.step()
        losses = [curve[epoch]["val_loss"] for curve in expected]
        assert [report[f"val_loss_{number}"] for number in range(3)] == losses
        assert report["val_loss"] == fmean(losses)
        assert report["val_loss_sd"] == stdev(losses) > 0


def test_it_goes_on_from_a_checkpoint_exactly(tmp_path: Path) -> None:
    straight, broken, resumed = three(), three(), three()
    whole = [straight.step() for _ in range(4)]
    for _ in range(2):
        broken.step()
    broken.save_checkpoint(str(tmp_path))
    resumed.load_checkpoint(str(tmp_path))
    assert [resumed.step() for _ in range(2)] == whole[2:]


def test_a_used_actor_is_as_good_as_new() -> None:
    used, fresh = three(), three()
    used.step()
    assert used.reset(dict(CONFIG))
    assert used.step() == fresh.step()


def test_the_test_split_is_joined_as_well() -> None:
    scored = three()
    scored.step()
    found = scored.test()
    assert found["test_loss"] == fmean(found[f"test_loss_{number}"] for number in range(3))


def test_one_execution_is_the_class_itself() -> None:
    assert copies(Tiny, 1) is Tiny


def test_what_is_not_finite_in_one_is_not_finite_in_all() -> None:
    report = joined([{"loss": 1.0, "name": "a"}, {"loss": math.nan, "name": "b"}])
    assert math.isnan(report["loss"])
    assert math.isnan(report["loss_sd"])
    assert report["loss_0"] == 1.0
    assert report["name"] == "a"


class Plain(Trainable):
    """Without reset_config, its state in Ray's older form."""

    seed = 0

    def setup(self, config: dict[str, Any]) -> None:
        self.value = float(self.seed % 7)

    def step(self) -> dict[str, Any]:
        self.value += 1
        return {"score": self.value, "done": self.value > 100}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        return {"value": self.value}

    def load_checkpoint(self, checkpoint: Any) -> None:
        self.value = checkpoint["value"]


@pytest.mark.parametrize("times", [2, 3])
def test_a_plain_class_trainable(times: int, tmp_path: Path) -> None:
    made = copies(Plain, times)
    assert made.reset_config is Trainable.reset_config
    trained, other = made({}), made({})
    report = trained.step()
    assert report["score"] == fmean(copy_seed(0, n) % 7 + 1 for n in range(times))
    assert "done" not in report
    trained.save_checkpoint(str(tmp_path))
    other.load_checkpoint(str(tmp_path))
    assert other.step() == trained.step()
