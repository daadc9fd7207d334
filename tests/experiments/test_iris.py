"""The answers of this project's experiments, on recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestune import Record, catalog

HOUSE = Path(__file__).parents[2]


def recorded(configs: list[dict[str, Any]], scores: list[float], test: dict[str, float] | None) -> Record:
    """A run whose trials each ended with their score after five folds, as a journal tells it."""
    question = {"metric": "val_accuracy", "mode": "max", "refines_score": True}
    events: list[dict[str, Any]] = [{"event": "question", "question": question}]
    for number, (config, score) in enumerate(zip(configs, scores, strict=True)):
        trial = {"trial": f"{number:04d}", "leg": 1}
        events += [
            {"event": "leg", **trial, "config": config, "from": None, "until": 5},
            {"event": "report", **trial, "epoch": 5, "score": score, "seconds": 0.1, "decision": "stop"},
            {"event": "end", **trial, "status": "finished", "why": "max_epochs, epoch 5", "fault": None},
        ]
    events.append({"event": "run_end", "why": "done", "test": test, "test_error": None})
    return Record.of([{**event, "t": 0.0} for event in events])


CELLS = [{"C": 0.1, "gamma": 0.01}, {"C": 10.0, "gamma": 0.01}, {"C": 1.0, "gamma": 0.1}]
FORESTS = [{"n_estimators": 60, "max_depth": 7}, {"n_estimators": 150, "max_depth": 9}]


@pytest.mark.parametrize(
    ("scores", "test", "answer"),
    [
        (
            [0.5, 0.9, 0.9],
            {"test_accuracy": 0.975},
            "Of 3 cells the best is C=10, gamma=0.01: cross-validated accuracy 0.9000; it ties with C=1, gamma=0.1, "
            "and comes first in the grid. On flowers that the search never saw its accuracy is 0.9750.",
        ),
        (
            [0.5, 0.9, 0.95],
            None,
            "Of 3 cells the best is C=1, gamma=0.1: cross-validated accuracy 0.9500; no other cell reaches it.",
        ),
    ],
)
def test_the_grids_answer(scores: list[float], test: dict[str, float] | None, answer: str) -> None:
    tell = catalog.load("svm_iris_grid", HOUSE).answer
    assert tell is not None
    assert tell(recorded(CELLS, scores, test)) == answer


@pytest.mark.parametrize(
    ("scores", "test", "answer"),
    [
        (
            [0.9, 0.95],
            {"test_accuracy": 1.0},
            "Of 2 random pairs the best is 150 trees of depth 9 at the most: cross-validated accuracy 0.9500; no "
            "other reaches it, and the worst has 0.9000. On flowers that the search never saw its accuracy is 1.0000.",
        ),
        (
            [0.9, 0.9],
            None,
            "Of 2 random pairs the best is 60 trees of depth 7 at the most: cross-validated accuracy 0.9000; shared "
            "with 1 more, and the worst has 0.9000.",
        ),
    ],
)
def test_the_forests_answer(scores: list[float], test: dict[str, float] | None, answer: str) -> None:
    tell = catalog.load("forest_iris_random", HOUSE).answer
    assert tell is not None
    assert tell(recorded(FORESTS, scores, test)) == answer
