"""Trials whose epochs refine a score, as folds do: the newest score counts, and only equally many are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestune import Fifo, Record
from tests.running.simulation import session, toy


class Folds:
    """A record of trials whose epochs are folds."""

    def __init__(self, refines: bool) -> None:
        question = {"metric": "score", "mode": "max"} | ({"refines_score": True} if refines else {})
        self.record = Record.of([{"event": "question", "t": 0.0, "question": question}])

    def trial(self, *scores: float) -> None:
        name = f"{len(self.record.trials):04d}"
        config = {"x": len(self.record.trials)}
        leg = {"event": "leg", "trial": name, "leg": 1, "config": config, "from": None, "until": 3}
        events = [leg, *(
            {"event": "report", "trial": name, "leg": 1, "epoch": epoch, "score": score, "metrics": {},
             "seconds": 0.1, "decision": "continue"} for epoch, score in enumerate(scores, start=1)
        )]  # fmt: skip
        events.append({"event": "end", "trial": name, "status": "finished", "why": "", "fault": None})
        for event in events:
            self.record.apply({"t": 0.0, **event})

    @property
    def best(self) -> Any:
        return self.record.best and (self.record.best.id, self.record.best.best)

    @property
    def ties(self) -> list[str]:
        return [trial.id for trial in self.record.ties]


@pytest.mark.parametrize(("refines", "best", "ties"), [(True, ("0002", (3, 0.9)), ["0002", "0003"]),
                                                       (False, ("0000", (1, 1.0)), ["0000", "0001"])])  # fmt: skip
def test_a_lucky_first_fold_is_no_result(refines: bool, best: Any, ties: list[str]) -> None:
    folds = Folds(refines)
    folds.trial(1.0, 0.9, 0.8)
    folds.trial(1.0)  # stopped before it was scored on what the others were
    folds.trial(0.8, 0.85, 0.9)
    folds.trial(0.7, 0.7, 0.9)
    assert folds.best == best
    assert folds.ties == ties


def test_the_checkpoint_of_a_trial_whose_epochs_refine_its_score_is_the_newest(tmp_path: Path) -> None:
    class Halving(toy().trainable):  # type: ignore[misc]
        refines_score = True

        def step(self) -> dict[str, Any]:
            return {**super().step(), "score": -float(self.epoch)}

    experiment = toy(trainable=Halving, scheduler=Fifo(), num_samples=1, max_epochs=3)
    assert experiment.to_json()["refines_score"] is True
    record = session(experiment, tmp_path / "run")
    assert record.best
    assert record.best.best == (3, -3.0)
    best = (tmp_path / "run" / "best" / "manifest.json").read_text()
    assert '"epoch": 3' in best
