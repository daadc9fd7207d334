"""A run's winner, with all that it takes to have its model again."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune import Trainable
from torch import nn

from orchestune.asked import experiment_of
from orchestune.debugging import alone
from orchestune.errors import RunStateError
from orchestune.experiment import Experiment
from orchestune.running.journal import read_events
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record, Trial
from orchestune.training import TorchTrainable, state
from orchestune.training.checkpoint import verified


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best trial of a finished run, and the checkpoint that is kept of it."""

    paths: RunPaths
    record: Record
    experiment: Experiment
    trial: Trial
    config: dict[str, Any]  # what the kept epoch was trained with
    epoch: int  # of the checkpoint
    reported: dict[str, Any]  # the metrics of that epoch, as the journal has them

    @property
    def seed(self) -> int:
        return self.trial.seed or 0

    @property
    def executions(self) -> int:
        return self.experiment.executions_per_trial

    def alone(self, folder: str, trainable: type[Trainable] | None = None) -> Any:
        """Its trainable in this process, as it was before its first epoch; or another one in its place."""
        return alone(self.experiment, self.config, self.seed, folder, trainable)

    def trained(self, folder: str) -> Any:
        """The same as it was after its best epoch: of several executions, the first."""
        made = self.alone(folder)
        state.load(made, self.paths.best / "0" if self.executions > 1 else self.paths.best)
        return made


def winner_of(record: Record, run: Path) -> Winner:
    """Raises RunStateError where the run is not finished or asked another trainable, CheckpointDamaged."""
    paths = RunPaths(run.absolute())
    if record.run_end is None:
        raise RunStateError(f"{run} is not finished: another trial may still win. Go on with: orchestune resume {run}")
    if record.best is None or not paths.best.exists():
        raise RunStateError(f"{run} has no best/: no trial of it left a checkpoint with a finite {record.metric}")
    experiment = experiment_of(record, run)
    check_trainable(record, experiment, run)
    place = verified(paths.best).place
    reports = [
        event
        for event in read_events(paths.events)
        if event["event"] == "report" and (event["trial"], event["epoch"]) == (place.trial, place.epoch)
    ]
    return Winner(
        paths=paths,
        record=record,
        experiment=experiment,
        trial=record.trials[place.trial],
        config=json.loads((paths.best / "config.json").read_text()),
        epoch=place.epoch,
        reported=reports[-1]["metrics"],
    )


def check_trainable(record: Record, experiment: Experiment, run: Path) -> None:
    """Raises RunStateError where the experiment trains something else than the run did."""
    trainable = experiment.trainable
    now, then = f"{trainable.__module__}:{trainable.__qualname__}", record.question["trainable"]
    if now != then:
        raise RunStateError(f"{run} trained {then}, and its experiment says {now} now: put it back")


def check_has_model(winner: Winner, wish: str) -> None:
    """Raises RunStateError where what was trained is not one torch model, as a TorchTrainable's is."""
    trainable = winner.experiment.trainable
    if not issubclass(trainable, TorchTrainable):
        raise RunStateError(
            f"{wish} is for a TorchTrainable, whose model is known, and {trainable.__name__} is none: "
            f"its configuration is {winner.paths.best / 'config.json'}, its checkpoint lies beside it"
        )


def parameters(model: nn.Module) -> int:
    """How many numbers were learnt."""
    return sum(weight.numel() for weight in model.parameters())


def apart(expected: dict[str, Any], found: dict[str, float], tolerance: float) -> list[str]:
    """Each metric that both have and that differs, with both values."""
    return [
        f"{name} is {found[name]!r} and was {value!r}"
        for name, value in expected.items()
        if name in found and not _close(value, found[name], tolerance)
    ]


def _close(one: Any, other: float, tolerance: float) -> bool:
    return isinstance(one, int | float) and math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance * 1e-2)
