"""The answers of the searches over MNIST, on recorded runs."""

from __future__ import annotations

from typing import Any

from tests.experiments.recorded import answer, run_of


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
