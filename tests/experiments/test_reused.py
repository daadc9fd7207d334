"""The answers of the experiments that start from a trained network, on recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestune import Record, catalog

HOUSE = Path(__file__).parents[2]


def recorded(question: dict[str, Any], trials: list[tuple[dict[str, Any], float]], test: dict[str, Any]) -> Record:
    """A run whose trials each had two epochs of half a second, the second with the given score."""
    events: list[dict[str, Any]] = [{"event": "question", "question": question}]
    for number, (config, score) in enumerate(trials):
        trial = {"trial": f"{number:04d}", "leg": 1}
        worse = score - 0.1 if question["mode"] == "max" else score + 0.1
        events += [
            {"event": "leg", **trial, "config": config, "from": None, "until": 2},
            {"event": "report", **trial, "epoch": 1, "score": worse, "seconds": 0.5, "decision": "continue"},
            {"event": "report", **trial, "epoch": 2, "score": score, "seconds": 0.5, "decision": "stop"},
            {"event": "end", **trial, "status": "finished", "why": "max_epochs, epoch 2", "fault": None},
        ]
    events.append({"event": "run_end", "why": "done", "test": test, "test_error": None})
    return Record.of([{**event, "t": 0.0} for event in events])


WAYS = [
    ({"start": "reused", "frozen": 3, "lr": 0.01, "examples": 100}, 0.7),
    ({"start": "random", "lr": 0.002, "examples": 100}, 0.8),
    ({"start": "reused", "frozen": 1, "lr": 0.02, "lr_reused": 0.0005, "examples": 100}, 0.9),
    ({"start": "reused", "frozen": 1, "lr": 0.03, "lr_reused": 0.0004, "examples": 100}, 0.85),
]


def test_each_way_is_told_by_its_best_trial() -> None:
    tell = catalog.load("mnist_transfer", HOUSE).answer
    assert tell is not None
    question = {"metric": "val_accuracy", "mode": "max"}
    assert tell(recorded(question, WAYS, {"test_accuracy": 0.88})) == (
        "Best of 4 is 1 of 3 layers frozen, with lr 0.02 and lr_reused 0.0005. Accuracy of the best of each way: "
        "1 of 3 layers frozen 0.9000 (0.500 s an epoch), 3 of 3 layers frozen 0.7000 (0.500 s an epoch), "
        "from scratch 0.8000 (0.500 s an epoch). On digits that the search never saw its accuracy is 0.8800."
    )
    assert tell(recorded(question, WAYS[:2], {})) == (
        "Best of 2 is from scratch, with lr 0.002. Accuracy of the best of each way: "
        "3 of 3 layers frozen 0.7000 (0.500 s an epoch), from scratch 0.8000 (0.500 s an epoch)."
    )


ADAPTERS = [
    ({"rank": 4, "alpha": 16, "dropout": 0.2, "targets": ["q_proj", "v_proj"], "lr": 0.002}, 3.9),
    ({"rank": 8, "alpha": 32, "dropout": 0.125, "targets": ["q_proj", "o_proj"], "lr": 0.01}, 3.7),
]
TESTED = {
    "test_loss": 3.61,
    "test_base_loss": 4.07,
    "test_trainable_parameters": 12345,
    "test_trainable_share": 0.0375,
    "test_text_before": "def ::=",
    "test_text_after": "def x():\n    ",
}
CHOSEN = "Of 2 configurations the best is rank 8 beside q_proj, o_proj, with alpha 32, dropout 0.12 and lr 0.01"


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (
            TESTED,
            ": 12,345 weights train, 3.8% of all, and on code that the search never saw the loss a token falls from "
            "4.070 to 3.610. It wrote 'def ::=', and writes 'def x():\\n    '.",
        ),
        ({}, ": loss 3.700 a token."),
    ],
    ids=["tested", "untested"],
)
def test_adapters_are_told_with_what_they_change(test: dict[str, Any], told: str) -> None:
    tell = catalog.load("lora_text", HOUSE).answer
    assert tell is not None
    assert tell(recorded({"metric": "val_loss", "mode": "min"}, ADAPTERS, test)) == CHOSEN + told
