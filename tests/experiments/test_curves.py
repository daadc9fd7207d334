"""The answers of the experiments on MNIST, on recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestune import Record, catalog

HOUSE = Path(__file__).parents[2]
Curves = dict[str, list[float | None]]


def recorded(
    *trials: tuple[dict[str, Any], Curves], metric: str, mode: str, test: Any = None, speed: tuple[float, ...] = ()
) -> Record:
    """A run whose trials have these configurations and curves, and trained so many images a second."""
    events: list[dict[str, Any]] = [{"event": "question", "question": {"metric": metric, "mode": mode}}]
    for number, (config, curves) in enumerate(trials):
        trial = {"trial": f"{number:04d}", "leg": 1}
        events.append({"event": "leg", **trial, "config": config, "from": None, "until": 9})
        told = {"train_s": 2.0, "examples_per_second": speed[number]} if speed else {}
        status = "finished"
        for epoch, values in enumerate(zip(*curves.values(), strict=True), start=1):
            metrics = dict(zip(curves, values, strict=True))
            status = "diverged" if metrics[metric] is None else "finished"
            report = {"score": metrics[metric], "metrics": metrics, "telemetry": told, "seconds": 0.1}
            events.append({"event": "report", **trial, "epoch": epoch, "decision": "continue", **report})
        events.append({"event": "end", **trial, "status": status, "why": "", "fault": None})
    events.append({"event": "run_end", "why": "done", "test": test, "test_error": None})
    return Record.of([{**event, "t": 0.0} for event in events])


def answer(name: str, record: Record) -> str:
    tell = catalog.load(name, HOUSE).answer
    assert tell is not None
    return tell(record)


# ---- learning curves


def test_each_width_has_its_word() -> None:
    run = recorded(
        ({"hidden": [2]}, {"train_loss": [2.0, 1.5, 1.4], "val_loss": [2.1, 1.6, 1.7]}),
        ({"hidden": [16]}, {"train_loss": [0.5, 0.3, 0.2], "val_loss": [0.6, 0.45, 0.4]}),
        ({"hidden": [64]}, {"train_loss": [0.4, 0.29, 0.35], "val_loss": [0.5, 0.35, 0.38]}),
        ({"hidden": [128]}, {"train_loss": [0.3, 0.2, 0.1], "val_loss": [0.4, 0.3, 0.32]}),
        metric="val_loss",
        mode="min",
        test={"test_accuracy": 0.9},
    )
    assert answer("mnist_learning_curves", run) == (
        "128 units do best, and overfit after epoch 2: training loss 0.200, validation loss 0.300, a gap of 0.100; "
        "when they stop, at epoch 3, training loss 0.100, validation loss 0.320, a gap of 0.220. On images that the "
        "search never saw its accuracy is 0.900. 64 units stall after epoch 2: training loss 0.290, validation loss "
        "0.350, a gap of 0.060; when they stop, at epoch 3, training loss 0.350, validation loss 0.380, a gap of "
        "0.030. 16 units are still learning: training loss 0.200, validation loss 0.400, a gap of 0.200. 2 units "
        "underfit: training loss 1.500, validation loss 1.600, a gap of 0.100; when they stop, at epoch 3, training "
        "loss 1.400, validation loss 1.700, a gap of 0.300."
    )


# ---- the range test

RATES: list[float | None] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]


def ranged(*losses: float | None) -> str:
    curves: Curves = {"val_loss": list(losses), "lr": RATES[: len(losses)]}
    if losses[-1] is None:  # nothing of an epoch without a finite loss is finite
        curves["lr"][-1] = None
    return answer("lr_range_test", recorded(({}, curves), metric="val_loss", mode="min"))


@pytest.mark.parametrize(
    ("losses", "stable", "half"),
    [
        ((2.3, 2.0, 0.4, 0.5, 5.0), "0.1", "0.05"),
        ((2.3, 2.0, 0.4, 0.7, 5.0), "0.01", "0.005"),
        ((2.3, 2.0, 0.4, 0.5, None), "0.1", "0.05"),
        ((2.3, 2.0, 0.4, None), "0.01", "0.005"),
    ],
)
def test_half_of_the_largest_stable_rate(losses: tuple[float | None, ...], stable: str, half: str) -> None:
    told = ranged(*losses)
    assert f"that up to {stable}, the largest stable rate; " in told
    assert f"Suggested: half of the largest stable rate, {half}. " in told
    assert told.endswith(f"orchestune run mnist_mlp --set lr='loguniform(0.001,{stable})'")
    assert ("not finite" in told) is (losses[-1] is None)


def test_a_test_that_ended_before_it_diverged_says_so() -> None:
    assert ranged(2.3, 2.0, 0.4, 0.5).startswith("Still stable at 0.1, where the test ended")
    assert ranged(2.3).startswith("Still stable at 0.0001")


# ---- batch size


def test_speed_is_of_a_size_and_accuracy_of_a_trial() -> None:
    scores = {"val_accuracy": [0.5, 0.9], "val_accuracy_sd": [0.1, 0.02]}
    worse = {"val_accuracy": [0.4, 0.8], "val_accuracy_sd": [0.1, 0.01]}
    broken: Curves = {"val_accuracy": [0.4, None], "val_accuracy_sd": [0.1, None]}
    run = recorded(
        ({"batch_size": 32}, scores),
        ({"batch_size": 128, "lr_rule": "fixed"}, worse),
        ({"batch_size": 512, "lr_rule": "fixed"}, worse),
        ({"batch_size": 128, "lr_rule": "linear"}, {"val_accuracy": [0.5, 0.95], "val_accuracy_sd": [0.1, 0.03]}),
        ({"batch_size": 512, "lr_rule": "linear"}, broken),
        metric="val_accuracy",
        mode="max",
        speed=(1000, 2000, 4000, 3000, 9000),
    )
    assert answer("batch_size", run) == (
        "Images a second: 1,000 in batches of 32, 2,500 in batches of 128, 6,500 in batches of 512; 512 is the "
        "fastest. Best is 128 with the rate in proportion, with an accuracy of 0.950 (sd 0.030). A rate in proportion "
        "to the batch instead of a fixed one takes the accuracy at 128 from 0.800 (sd 0.010) to 0.950 (sd 0.030), at "
        "512 from 0.800 (sd 0.010) to not a number."
    )
