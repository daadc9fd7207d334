"""The winner's configuration trained once more, on all data but the test split's, and tested once."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestune.durable import whole_folder, write_whole
from orchestune.errors import OrchestuneError, RunStateError, StorageError
from orchestune.report import words
from orchestune.training import Data, TorchTrainable, state
from orchestune.training.data import together
from orchestune.winner.export import write
from orchestune.winner.winner import Winner, check_has_model

RESULT = "result.json"


def on_all(trainable: type[TorchTrainable]) -> type[TorchTrainable]:
    """The trainable with train and validation as one split to learn from; it reports no val_ metrics then."""

    def make_data(self: Any) -> Data:
        data: Data = trainable.make_data(self)
        if data.validation is None:
            raise RunStateError(f"{trainable.__name__} has no validation split: its winner was trained on all there is")
        if data.test is None:
            raise RunStateError(f"{trainable.__name__} has no test split: give Data(test=...) in make_data")
        try:
            return Data(train=together(data.train, data.validation), test=data.test)
        except TypeError as problem:
            raise RunStateError(f"{trainable.__name__} cannot be trained on train and validation: {problem}") from None

    metrics = tuple(name for name in trainable.metrics if not name.startswith("val_"))
    own = {"make_data": make_data, "metrics": metrics, "__module__": trainable.__module__}
    return type(trainable.__name__, (trainable,), own)


def retrained(winner: Winner, say: Callable[[str], None]) -> dict[str, Any]:
    """Trains it for as many epochs as its best one was, unless that was done before; returns what came of it.

    In this process. The same seed gives the same weights. Raises RunStateError where it cannot be had.
    """
    kept = winner.paths.retrained / RESULT
    if kept.exists():
        say(f"it is there: {winner.paths.retrained}")
        return dict(json.loads(kept.read_text()))
    check_has_model(winner, "--retrain")
    if winner.trial.turns:
        raise RunStateError(
            f"trial {winner.trial.id} took over settings or weights while it trained: "
            "no one configuration trains it again"
        )
    if winner.trial.best is None:
        raise RunStateError(f"trial {winner.trial.id} has no best epoch")
    epochs = winner.trial.best[0]
    with tempfile.TemporaryDirectory(prefix="orchestune-") as folder:
        made = winner.alone(folder, on_all(winner.experiment.trainable))
        say(f"trial {winner.trial.id} on train and validation, seed {winner.seed}: {words.config(winner.config)}")
        try:
            for epoch in range(1, epochs + 1):
                report = made.step()
                report.pop("training_iteration", None)
                say(f"epoch {epoch} of {epochs}: {words.config(report)}")
                if any(isinstance(value, float) and math.isnan(value) for value in report.values()):
                    raise OrchestuneError(f"it diverged at epoch {epoch}: on these data the configuration is no good")
            result = {
                "trial": winner.trial.id,
                "seed": winner.seed,
                "epochs": epochs,
                "config": winner.config,
                "test": made.test(),
            }
            with whole_folder(winner.paths.retrained) as aside:
                state.save(made, aside)
                write_whole(aside / RESULT, words.dumps(result) + "\n")
            return result
        except OSError as problem:
            raise StorageError(
                f"{winner.paths.root}: {problem.strerror}. Make room, then --retrain again."
            ) from problem
        finally:
            made.cleanup()


def export_retrained(winner: Winner, result: dict[str, Any], target: Path) -> dict[str, float]:
    """Its model as a folder of its own, which has to score on the test split what it scored there."""
    with tempfile.TemporaryDirectory(prefix="orchestune-") as folder:
        made = winner.alone(folder, on_all(winner.experiment.trainable))
        state.load(made, winner.paths.retrained)
        return write(winner, made, target, split="test", expected=result["test"], epoch=result["epochs"])
