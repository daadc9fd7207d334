"""What a leg puts around a trainable: where it starts, what it reports, which checkpoints it keeps."""

from __future__ import annotations

import dataclasses
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ray.tune import Trainable

from orchestune.errors import CheckpointDamaged
from orchestune.storage.folder import Folder
from orchestune.training.checkpoint import MANIFEST, CheckpointStore, Fenced, Place
from orchestune.training.legs import REPORT, Leg, plain, with_legs
from tests.training.stores import folder_of

TRIAL = "0000"


class Curve(Trainable):
    """Reports the scores that its configuration lists, one an epoch."""

    def setup(self, config: dict[str, Any]) -> None:
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.curve, self.at = new_config["curve"], 0
        return True

    def step(self) -> dict[str, Any]:
        self.at += 1
        value = self.curve[self.at - 1]
        return {"score": value, "done": value == "done"} if value != "none" else {"loss": 1.0}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "at").write_text(str(self.at))

    def load_checkpoint(self, checkpoint: str) -> None:
        self.at = int(Path(checkpoint, "at").read_text())


@pytest.fixture
def leg(tmp_path: Path) -> Leg:
    store = CheckpointStore(Folder(tmp_path / "trials"))
    store.fence(TRIAL, 1)
    return Leg(trial=TRIAL, leg=1, start=None, until=100, store=store.depot.where, seed=7, metric="score", mode="max")


def later(leg: Leg, start: Place, **changes: Any) -> Leg:
    """The same trial's next leg, from `start` on; the one before is fenced off."""
    CheckpointStore(Folder(Path(leg.store))).fence(TRIAL, leg.leg + 1)
    return dataclasses.replace(leg, leg=leg.leg + 1, start=(start.trial, start.leg, start.epoch), **changes)


def begun(leg: Leg, curve: list[Any]) -> Any:
    return with_legs(Curve)({"curve": curve, **leg.to_config()})


def reports(actor: Any, epochs: int) -> list[dict[str, Any]]:
    return [json.loads(actor.train()[REPORT]) for _ in range(epochs)]


def kept(leg: Leg) -> list[int]:
    return [place.epoch for place in CheckpointStore(Folder(Path(leg.store))).places(TRIAL)]


CURVES: dict[str, tuple[str, list[float], list[list[int]]]] = {
    # mode, scores, epochs whose checkpoints are there after each epoch: the newest two, and the best
    "rising": ("max", [0.1, 0.2, 0.3, 0.4], [[1], [1, 2], [2, 3], [3, 4]]),
    "falling": ("max", [0.4, 0.3, 0.2, 0.1], [[1], [1, 2], [1, 2, 3], [1, 3, 4]]),
    "falling loss": ("min", [0.4, 0.3, 0.2, 0.1], [[1], [1, 2], [2, 3], [3, 4]]),
    "rising loss": ("min", [0.1, 0.2, 0.3, 0.4], [[1], [1, 2], [1, 2, 3], [1, 3, 4]]),
    "a peak": ("max", [0.1, 0.9, 0.3, 0.2, 0.1], [[1], [1, 2], [2, 3], [2, 3, 4], [2, 4, 5]]),
    "equals": ("max", [0.5, 0.5, 0.5, 0.5], [[1], [1, 2], [1, 2, 3], [1, 3, 4]]),
    "below zero": ("max", [-1.0, -2.0, -3.0, -4.0], [[1], [1, 2], [1, 2, 3], [1, 3, 4]]),
}


@pytest.mark.parametrize("name", CURVES)
def test_the_newest_two_and_the_best_are_kept(name: str, leg: Leg) -> None:
    mode, curve, expected = CURVES[name]
    leg = dataclasses.replace(leg, mode=mode)
    actor = begun(leg, curve)
    for epochs in expected:
        reports(actor, 1)
        assert kept(leg) == epochs


def test_a_later_leg_knows_the_best_of_those_before(leg: Leg) -> None:
    reports(begun(leg, [0.1, 0.9, 0.3]), 3)
    second = later(leg, Place(3, 1, TRIAL))
    actor = begun(second, [0, 0, 0, 0.2, 0.3, 0.4])
    assert [report["epoch"] for report in reports(actor, 3)] == [4, 5, 6]
    assert kept(second) == [2, 5, 6]


def test_a_damaged_manifest_does_not_keep_a_leg_from_starting(leg: Leg) -> None:
    """The driver said so and chose the checkpoint before; the worker must not stumble over it either."""
    reports(begun(leg, [0.1, 0.2]), 2)
    store = CheckpointStore(Folder(Path(leg.store)))
    (folder_of(store, Place(2, 1, TRIAL)) / MANIFEST).write_text("{}")
    second = later(leg, Place(1, 1, TRIAL))
    actor = begun(second, [0.1, 0.2, 0.3, 0.4])
    assert [report["epoch"] for report in reports(actor, 3)] == [2, 3, 4]
    assert store.places(TRIAL) == [Place(3, 2, TRIAL), Place(4, 2, TRIAL)], "nor is it kept for ever"


def test_a_leg_does_not_start_from_a_damaged_checkpoint(leg: Leg) -> None:
    reports(begun(leg, [0.1]), 1)
    (folder_of(CheckpointStore(Folder(Path(leg.store))), Place(1, 1, TRIAL)) / "at").write_text("7")
    with pytest.raises(CheckpointDamaged, match="at is not what was written"):
        begun(later(leg, Place(1, 1, TRIAL)), [0.1, 0.2])


def test_a_checkpoint_every_so_many_epochs(leg: Leg) -> None:
    leg = dataclasses.replace(leg, checkpoint_every=3, until=8)
    reports(begun(leg, [0.1 * n for n in range(9)]), 8)
    assert kept(leg) == [6, 8], "the last epoch of a leg always has one"
    store = CheckpointStore(Folder(Path(leg.store)))
    told = [[report["epoch"] for report in store.manifest(place).reports] for place in store.places(TRIAL)]
    assert told == [[4, 5, 6], [7, 8]], "with the reports since the one before"


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float32("nan"), torch.tensor(math.nan), "none"])
def test_a_diverged_epoch_is_never_checkpointed(bad: Any, mode: str, leg: Leg) -> None:
    leg = dataclasses.replace(leg, mode=mode, until=2)
    told = reports(begun(leg, [0.5, bad]), 2)
    assert kept(leg) == [1]
    assert told[1]["metrics"] in ({"score": None}, {"loss": 1.0})
    assert told[1]["epoch"] == 2


def test_done_is_reported_and_checkpointed(leg: Leg) -> None:
    class Done(Curve):
        def step(self) -> dict[str, Any]:
            self.at += 1
            return {"score": 0.5, "done": self.at == 2}

    leg = dataclasses.replace(leg, checkpoint_every=10)
    actor = with_legs(Done)({"curve": [], **leg.to_config()})
    first, second = reports(actor, 2)
    assert "done" not in first
    assert second["done"] is True
    assert kept(leg) == [2]


def test_the_seed_is_there_before_setup(leg: Leg) -> None:
    class Seeded(Curve):
        def setup(self, config: dict[str, Any]) -> None:
            assert self.seed == 7  # type: ignore[attr-defined]
            assert set(config) == {"curve"}, "of legs a trainable sees nothing"
            super().setup(config)

    with_legs(Seeded)({"curve": [], **leg.to_config()})


def test_a_fenced_leg_is_stopped_at_its_next_checkpoint(leg: Leg) -> None:
    actor = begun(leg, [0.1, 0.2, 0.3])
    reports(actor, 1)
    CheckpointStore(Folder(Path(leg.store))).fence(TRIAL, 2)
    with pytest.raises(Fenced):
        reports(actor, 1)
    assert kept(leg) == [1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        (0.5, 0.5),
        (True, True),
        ("words", "words"),
        (None, None),
        (math.nan, None),
        (-math.inf, None),
        (np.float32(0.5), 0.5),
        (np.float64("inf"), None),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([0.25]), 0.25),
        (torch.tensor(0.5), 0.5),
        (torch.tensor([[3]]), 3),
        (torch.tensor(math.nan), None),
        (torch.tensor(2.0, requires_grad=True), 2.0),
    ],
    ids=repr,
)
def test_numbers_of_any_library_become_plain(value: Any, expected: Any) -> None:
    made = plain("loss", value)
    assert made == expected
    assert type(made) is type(expected)
    json.dumps(made, allow_nan=False)


@pytest.mark.parametrize(
    "value",
    [[0.5], {"a": 1}, (1,), 1j, np.complex64(1), Fraction(1, 2), b"", np.array([1, 2]), torch.zeros(2), torch.zeros(0)],
    ids=repr,
)
def test_what_is_not_one_number_is_refused_by_name(value: Any) -> None:
    with pytest.raises(TypeError, match=r"metric 'loss' is a \w+: report one number"):
        plain("loss", value)
