"""Learning-rate schedules by name, against torch's own stepped by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim import lr_scheduler as torchs

from orchestune.errors import UnknownName
from orchestune.training.schedules import SCHEDULES, Schedule, make_schedule
from tests.training.test_optimizers import Calm

EPOCHS, UPDATES = 6, 5  # of the training, and in an epoch


def optimizer() -> Optimizer:
    return SGD([nn.Parameter(torch.zeros(2))], lr=0.1, momentum=0.9)


def rates(schedule: Schedule, of: Optimizer, epochs: int = EPOCHS) -> list[float]:
    """The learning rate of every update."""
    seen = []
    for _ in range(epochs):
        for _ in range(UPDATES):
            seen.append(of.param_groups[0]["lr"])
            of.step()
            schedule.after_update()
        schedule.after_epoch({"val_loss": 1.0})
    return seen


def by_hand(make: Callable[[Optimizer], Any], *, per: str) -> list[float]:
    of = optimizer()
    scheduler, seen = make(of), []
    for _ in range(EPOCHS):
        for _ in range(UPDATES):
            seen.append(of.param_groups[0]["lr"])
            of.step()
            if per == "step":
                scheduler.step()
        if per == "epoch":
            scheduler.step()
    return seen


def named(schedule: Any, max_epochs: int | None = EPOCHS) -> list[float]:
    of = optimizer()
    return rates(make_schedule(schedule, of, updates=lambda: UPDATES, max_epochs=max_epochs), of)


ORACLES: list[tuple[Any, Callable[[Optimizer], Any], str]] = [
    ({"name": "step", "step_size": 2}, lambda o: torchs.StepLR(o, 2), "epoch"),
    ({"name": "step", "step_size": 2, "per": "step"}, lambda o: torchs.StepLR(o, 10), "step"),
    ({"name": "multi_step", "milestones": [1, 3], "gamma": 0.5}, lambda o: torchs.MultiStepLR(o, [1, 3], 0.5), "epoch"),
    ({"name": "exponential", "gamma": 0.5}, lambda o: torchs.ExponentialLR(o, 0.5), "epoch"),
    ({"name": "linear"}, lambda o: torchs.LinearLR(o, 1.0, 0.0, 30), "step"),
    ({"name": "linear", "end_factor": 0.5, "epochs": 3}, lambda o: torchs.LinearLR(o, 1.0, 0.5, 15), "step"),
    ({"name": "polynomial", "power": 2}, lambda o: torchs.PolynomialLR(o, 30, 2), "step"),
    ("cosine", lambda o: torchs.CosineAnnealingLR(o, 30), "step"),
    ({"name": "cosine", "per": "epoch", "eta_min": 0.01}, lambda o: torchs.CosineAnnealingLR(o, 6, 0.01), "epoch"),
    ({"name": "cosine_restarts", "T_0": 2}, lambda o: torchs.CosineAnnealingWarmRestarts(o, 10), "step"),
]


@pytest.mark.parametrize(("given", "make", "per"), ORACLES, ids=[str(row[0]) for row in ORACLES])
def test_it_is_torchs(given: Any, make: Callable[[Optimizer], Any], per: str) -> None:
    assert named(given) == pytest.approx(by_hand(make, per=per), abs=1e-9)


def test_one_cycle_rises_to_lr_and_falls_to_nothing() -> None:
    of = optimizer()
    seen = rates(make_schedule("one_cycle", of, updates=lambda: UPDATES, max_epochs=EPOCHS), of)
    oracle = optimizer()
    torchs.OneCycleLR(oracle, max_lr=0.1, total_steps=30)
    assert seen[0] == pytest.approx(oracle.param_groups[0]["lr"])
    assert max(seen) == pytest.approx(0.1)
    assert seen[-1] < 1e-4


def test_constant_stays() -> None:
    assert named("constant") == [0.1] * (EPOCHS * UPDATES)


def test_a_decay_per_update_ends_each_epoch_where_the_decay_per_epoch_does() -> None:
    fine, coarse = named({"name": "exponential", "gamma": 0.5, "per": "step"}), named(ORACLES[3][0])
    assert fine[::UPDATES] == pytest.approx(coarse[::UPDATES])
    assert fine[1] < fine[0]


@pytest.mark.parametrize("name", ["constant", "cosine", "linear", "step"])
def test_a_warm_up_climbs_to_the_schedules_start_and_hands_over(name: str) -> None:
    own = {"step_size": 2} if name == "step" else {}
    seen = named({"name": name, "warmup": 2, "per": "step", **own})
    climb = 2 * UPDATES
    assert seen[:climb] == pytest.approx([0.1 * (n + 1) / (climb + 1) for n in range(climb)])
    rest = make_schedule(
        {"name": name, "per": "step", **own}, of := optimizer(), updates=lambda: UPDATES, max_epochs=EPOCHS - 2
    )
    assert seen[climb:] == pytest.approx(rates(rest, of, EPOCHS - 2))


@pytest.mark.parametrize("name", ["cosine", "linear", "one_cycle", "polynomial"])
def test_past_its_length_it_rests(name: str) -> None:
    seen = named({"name": name, "epochs": 3})
    assert len(set(seen[3 * UPDATES + 1 :])) == 1
    assert seen[-1] < 0.001


def test_a_plateau_lowers_the_rate() -> None:
    of = optimizer()
    schedule = make_schedule(
        {"name": "plateau", "patience": 1, "factor": 0.5}, of, updates=lambda: UPDATES, max_epochs=None
    )
    assert rates(schedule, of)[::UPDATES] == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025]
    with pytest.raises(ValueError, match="goes by val_loss or train_loss; reported: reward"):
        schedule.after_epoch({"reward": 1.0})


def test_its_length_is_the_runs_max_epochs_or_its_own() -> None:
    with pytest.raises(ValueError, match=r"schedule 'cosine' needs its length: .*\"epochs\": 10"):
        Calm({"schedule": "cosine"})

    class InARun(Calm):
        max_epochs = 4

    seen = []
    trained = InARun({"schedule": {"name": "cosine", "per": "epoch"}, "lr": 0.1})
    for _ in range(4):
        trained.step()
        seen.append(trained.telemetry["lr"])
    assert seen == pytest.approx(torchs_cosine(4))


def torchs_cosine(epochs: int) -> list[float]:
    of = optimizer()
    scheduler, seen = torchs.CosineAnnealingLR(of, epochs), []
    for _ in range(epochs):
        seen.append(of.param_groups[0]["lr"])
        of.step()
        scheduler.step()
    return seen


def test_updates_are_counted_not_batches() -> None:
    """90 examples, 10 at a time, 4 batches an update: 3 updates an epoch, 6 in all."""
    trained = Calm({"schedule": {"name": "linear", "epochs": 2}, "batch_size": 10, "accumulate": 4, "lr": 0.6})
    trained.step()
    trained.step()
    assert trained.optimizer.param_groups[0]["lr"] == pytest.approx(0.0)
    assert trained.telemetry["lr"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("cosin", UnknownName, r"no schedule named 'cosin'\. Did you mean 'cosine'\?"),
        ({"name": "step", "stepsize": 3}, UnknownName, "Did you mean 'step_size'"),
        ({"name": "cosine", "T_max": 3}, UnknownName, "no parameter of schedule 'cosine' named 'T_max'"),
        ({"name": "plateau", "warmup": 3}, UnknownName, "no parameter of schedule 'plateau' named 'warmup'"),
        ({"name": "one_cycle", "warmup": 3}, UnknownName, "no parameter of schedule 'one_cycle' named 'warmup'"),
        ({"name": "cosine", "per": "batch"}, ValueError, "per is 'batch': 'step' or 'epoch'"),
        ({"name": "cosine", "warmup": -1}, ValueError, "warmup is -1: a number of epochs, 0 or more"),
        ({"name": "step", "step_size": 0}, ValueError, "step_size is 0: a number of epochs, above 0"),
        ({"name": "multi_step", "milestones": [1, "2"]}, ValueError, "milestones is"),
    ],
)
def test_what_is_refused_before_a_model_is_made(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Calm.Params(schedule=given)


@pytest.mark.parametrize("name", SCHEDULES)
def test_each_has_a_name_that_is_documented(name: str) -> None:
    from tests.test_docs import HOUSE

    assert f"`{name}`" in (HOUSE / "docs" / "guide.md").read_text()
