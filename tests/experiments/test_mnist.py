"""The answers of the searches over MNIST, on recorded runs."""

from __future__ import annotations

from typing import Any

import pytest

from orchestune import HyperBand, catalog
from tests.experiments.recorded import HOUSE, answer, run_of


def wide(*hidden: int, lr: float = 0.005) -> dict[str, Any]:
    return {"hidden": list(hidden), "lr": lr, "optimizer": "adam", "batch_size": 32, "images": 500}


def built(first: int, second: int, lr: float) -> dict[str, Any]:
    return {"first_hidden": first, "second_hidden": second, "optimizer": "adam", "learning_rate": lr}


def test_bayesian_optimization_says_when_it_asked_the_best() -> None:
    trials = [(wide(32, 64), {1: 0.9, 2: 0.91}), (wide(96, 32, lr=0.00912), {1: 0.95, 2: 0.94})]
    assert answer("mnist_bayesopt", run_of(trials, {"test_accuracy": 0.945})) == (
        "Of 2 configurations the best is number 2, 96 and 32 units with lr 0.0091: validation accuracy 0.9500 at epoch "
        "1; the worst has 0.9100. On images that the search never saw its accuracy is 0.9450."
    )


def test_a_build_models_answer_has_its_own_names() -> None:
    trials = [(built(32, 64, 0.005), {1: 0.9, 2: 0.96}), (built(96, 32, 0.006), {1: 0.95, 2: 0.94})]
    assert answer("mnist_build_model", run_of(trials)) == (
        "first_hidden=32, second_hidden=64 and learning_rate=0.0050 are the best of 2: validation accuracy 0.9600 at "
        "epoch 2."
    )


def test_hyperbands_brackets_are_those_of_its_page() -> None:
    experiment = catalog.load("mnist_hyperband", HOUSE)
    assert isinstance(experiment.scheduler, HyperBand)
    assert experiment.scheduler.brackets(experiment.max_epochs) == [
        [(9, 2), (3, 7), (1, 20)],
        [(5, 7), (1, 20)],
        [(3, 20)],
    ]
    assert experiment.scheduler.epochs(20) == 154
    assert "154 epochs in all" in (HOUSE / "docs" / "guide" / "mnist_hyperband.md").read_text()


def test_hyperband_says_what_it_has_spared() -> None:
    curve = {2: 0.9, 7: 0.93, 20: 0.96}
    lengths = (2, 2, 7, 20)
    trials = [(wide(32, 64), {epoch: score for epoch, score in curve.items() if epoch <= last}) for last in lengths]
    assert answer("mnist_hyperband", run_of(trials, max_epochs=20)) == (
        "Of 4 configurations the best is 32 and 64 units with lr 0.0050: validation accuracy 0.9600 at epoch 20. In "
        "epochs, they ended 2 after 2, 1 after 7, 1 after 20: 31 in all, where everybody's 20 are 80."
    )


@pytest.mark.parametrize(
    ("spreads", "verdict"),
    [
        ([0.001, 0.002, 0.002], "0.0010 behind, within that spread, and within the usual one, 0.0017"),
        ([0.003, 0.0005, 0.0], "0.0010 behind, outside that spread, and within the usual one, 0.0018"),
        ([0.0002, 0.0012, 0.0001], "0.0010 behind, within that spread, and outside the usual one, 0.0007"),
        ([0.0002, 0.0009, 0.0001], "0.0010 behind, outside that spread, and outside the usual one, 0.0005"),
    ],
)
def test_a_second_place_within_the_spread_is_none(spreads: list[float], verdict: str) -> None:
    trials = [(wide(32, 64), {1: 0.9, 2: 0.949}), (wide(96, 64), {1: 0.9, 2: 0.95}), (wide(64, 32), {1: 0.9})]
    record = run_of(trials, spreads=spreads, executions_per_trial=2)
    assert [trial.spread for trial in record.trials.values()] == spreads
    assert answer("mnist_repeats", record) == (
        "The best of 3 configurations is 96 and 64 units with lr 0.0050: validation accuracy 0.9500 on average over 2 "
        f"trainings, spread {spreads[1]:.4f}. The second, 32 and 64 units with lr 0.0050, is {verdict} over all "
        "configurations."
    )


def test_a_trial_that_was_trained_once_has_no_spread() -> None:
    assert run_of([(wide(32, 64), {1: 0.9})]).trials["0000"].spread is None


@pytest.mark.parametrize(
    ("rates", "steps"),
    [
        (
            [0.93, 0.95, 0.9],
            "Step 2, lr 0.001: 0.9400 with units 32, 0.9500 with units 64, 0.9600 with units 128. So lr 0.001 and 128 "
            "units, in 5 trainings.",
        ),
        (
            [0.97, 0.95, 0.9],
            "Step 2, lr 0.01: 0.9400 with units 32, 0.9700 with units 64, 0.9600 with units 128. So lr 0.01 and 64 "
            "units, in 5 trainings.",
        ),
    ],
)
def test_a_sequence_tells_the_table_of_each_step(rates: list[float], steps: str) -> None:
    first = [(wide(64, lr=lr), {5: rate}) for lr, rate in zip((0.01, 0.001, 0.0001), rates, strict=True)]
    best = first[rates.index(max(rates))][0]
    second = [(best | {"hidden": [units]}, {5: rate}) for units, rate in ((32, 0.94), (128, 0.96))]
    assert answer("mnist_sequential", run_of(first + second)) == (
        f"Step 1, 64 units: validation accuracy {rates[0]:.4f} with lr 0.01, {rates[1]:.4f} with lr 0.001, "
        f"{rates[2]:.4f} with lr 0.0001. {steps}"
    )
