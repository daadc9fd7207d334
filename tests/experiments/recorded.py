"""Small recorded runs, as a journal tells them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from orchestune import Record, catalog

HOUSE = Path(__file__).parents[2]

Scores = dict[int, float]  # epoch -> score


def run_of(
    trials: list[tuple[dict[str, Any], Scores]],
    test: dict[str, float] | None = None,
    *,
    spreads: list[float] | None = None,  # of each trial's score over its copies, at every epoch
    **question: Any,
) -> Record:
    """A finished run of these configurations, one after another, judged by validation accuracy."""
    told = {"metric": "val_accuracy", "mode": "max", **question}
    events: list[dict[str, Any]] = [{"event": "question", "question": told}]
    for number, (config, scores) in enumerate(trials):
        trial = {"trial": f"{number:04d}", "leg": 1}
        events.append({"event": "leg", **trial, "config": config, "from": None, "until": max(scores)})
        for epoch, score in scores.items():
            metrics = {"val_accuracy": score} | ({"val_accuracy_sd": spreads[number]} if spreads else {})
            events.append(
                {"event": "report", **trial, "epoch": epoch, "score": score, "metrics": metrics, "seconds": 0.1,
                 "decision": "continue"}
            )  # fmt: skip
        events.append({"event": "end", **trial, "status": "finished", "why": "", "fault": None})
    events.append({"event": "run_end", "why": "done", "test": test, "test_error": None})
    return Record.of([{**event, "t": 0.0} for event in events])


def module(name: str) -> Any:
    """The experiment's file, of this project: the tests have another folder of that name."""
    catalog.load(name, HOUSE)
    return sys.modules[f"experiments.{name}"]


def answer(name: str, record: Record) -> str:
    """What the experiment says to it."""
    tell = catalog.load(name, HOUSE).answer
    assert tell is not None
    return tell(record)
