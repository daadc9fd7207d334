"""A checkpoint taken up with other settings: the weights go on, and the new settings count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contracts.test_trainables import curve, equal
from tests.training.test_exact_resume import OWN, Open

SGD = {"name": "sgd", "momentum": 0.9}


def taken_up(before: dict[str, Any], after: dict[str, Any], folder: Path, at: int = 2, epochs: int = 5) -> Open:
    """One with the settings `after`, from a checkpoint of `at` epochs with `before`."""
    source = Open(dict(before))
    source.max_epochs = epochs
    curve(source, at)
    source.save_checkpoint(str(folder))
    taker = Open(dict(after))
    taker.load_checkpoint(str(folder))
    assert equal(taker.model.state_dict(), source.model.state_dict())
    assert taker.epoch == at
    return taker


def own_settings(trained: Open) -> list[dict[str, Any]]:
    return [{name: value for name, value in g.items() if name != "params"} for g in trained.optimizer.param_groups]


@pytest.mark.parametrize(
    "schedule", ["constant", "step", "exponential", "linear", "cosine", "cosine_restarts", "one_cycle"]
)
@pytest.mark.parametrize("warmup", [0, 1])
def test_the_rate_is_where_the_new_settings_would_have_brought_it(schedule: str, warmup: float, tmp_path: Path) -> None:
    given = {"name": schedule, **OWN.get(schedule, {})}
    if schedule != "one_cycle" and warmup:
        given["warmup"] = warmup
    base = {"schedule": given, "optimizer": SGD, "weight_decay": 0.01}
    taker = taken_up({**base, "lr": 0.01}, {**base, "lr": 0.03, "weight_decay": 0.02}, tmp_path)
    straight = Open({**base, "lr": 0.03, "weight_decay": 0.02})
    curve(straight, 2)
    assert own_settings(taker) == own_settings(straight)
    assert taker.optimizer.state_dict()["state"], "the momentum goes on"
    curve(taker, 3)
    curve(straight, 3)
    assert own_settings(taker) == own_settings(straight)


def test_other_settings_of_the_schedule(tmp_path: Path) -> None:
    base = {"lr": 0.1}
    taker = taken_up(
        {**base, "schedule": {"name": "exponential", "gamma": 0.5}},
        {**base, "schedule": {"name": "exponential", "gamma": 0.9}},
        tmp_path,
    )
    assert taker.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.9**2)


def test_progress_is_counted_in_epochs_where_the_batches_are_others(tmp_path: Path) -> None:
    base = {"lr": 0.1, "schedule": "linear"}
    taker = taken_up({**base, "batch_size": 9}, {**base, "batch_size": 30}, tmp_path)
    assert taker.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 3 / 5)


def test_what_a_plateau_has_cut_stays_cut(tmp_path: Path) -> None:
    base = {"schedule": {"name": "plateau", "patience": 0, "threshold": 1.0}, "optimizer": SGD}
    source = Open({**base, "lr": 0.1})
    curve(source, 3)
    cut = source.optimizer.param_groups[0]["lr"] / 0.1
    assert cut < 1
    taker = taken_up({**base, "lr": 0.1}, {**base, "lr": 0.3}, tmp_path, at=3)
    assert taker.optimizer.param_groups[0]["lr"] == pytest.approx(0.3 * cut)
    curve(taker, 1)
    assert taker.optimizer.param_groups[0]["lr"] < 0.3 * cut


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("sgd", "adam"),
        ("adam", {"name": "adam", "amsgrad": True}),
        ("rmsprop", {"name": "rmsprop", "momentum": 0.9}),
        ("rmsprop", {"name": "rmsprop", "centered": True}),
    ],
)
def test_an_optimizer_of_another_kind_begins_anew(before: Any, after: Any, tmp_path: Path) -> None:
    taker = taken_up({"optimizer": before}, {"optimizer": after}, tmp_path)
    assert not taker.optimizer.state_dict()["state"]
    curve(taker, 1)


@pytest.mark.parametrize(("before", "after"), [("fp32", "fp16"), ("fp16", "bf16")])
def test_another_precision(before: str, after: str, tmp_path: Path) -> None:
    curve(taken_up({"precision": before}, {"precision": after}, tmp_path), 1)


def test_a_checkpoint_from_before_it_kept_its_settings(tmp_path: Path) -> None:
    source = Open({"lr": 0.01})
    curve(source, 2)
    source.save_checkpoint(str(tmp_path))
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    del state["settings"]
    torch.save(state, tmp_path / "state.pt")
    expected = curve(source, 1)  # before there is another: the random streams are the process's
    taker = Open({"lr": 0.01})
    taker.load_checkpoint(str(tmp_path))
    assert curve(taker, 1) == expected
