"""A run's best configurations trained again with fresh seeds, as an experiment of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Trainable
from ray.tune.result import TRIAL_INFO
from torch import nn

from orchestune.experiment import REFINES, Experiment
from orchestune.running.record import Record, Trial
from orchestune.running.seeds import fresh_seed
from orchestune.schedulers import Fifo
from orchestune.searchers import Grid
from orchestune.space.plain import form
from orchestune.training import state
from orchestune.training.copies import quiet
from orchestune.training.resources import Resources
from orchestune.winner.winner import parameters

CANDIDATE, SEED = "candidate", "seed"  # what a rerun's configuration has
EPOCH = "epoch"  # the file of a checkpoint that says how many are completed: a plain Ray class may not know
PARAMETERS = "parameters"  # what its last report has beside the test split's metrics


class Rerun(Trainable):  # type: ignore[misc]  # Ray's classes are Any to mypy
    """`trainable` with a candidate's configuration and one of the fresh seeds, for as long as its best epoch was.

    Its last report also has the metrics of the test split, which is looked at then and not before.
    """

    trainable: type[Trainable]
    seed: int = 0  # the trial's own; the one that counts is in the configuration, so that candidates share it
    max_epochs: int | None = None

    def setup(self, config: dict[str, Any]) -> None:
        self._build(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._inner.cleanup()
        self._build(new_config)
        return True

    def _build(self, config: dict[str, Any]) -> None:
        self._until, self._epoch = int(config[CANDIDATE]["epochs"]), 0
        cls: Any = quiet(self.trainable)
        self._inner = cls.__new__(cls)  # its seed is to be there before its setup() is called
        self._inner.seed, self._inner.max_epochs = config[SEED], self.max_epochs
        self._inner.__init__({**config[CANDIDATE]["config"], TRIAL_INFO: self._trial_info})

    def step(self) -> dict[str, Any]:
        report = dict(self._inner.step())
        self._epoch = int(report.get("training_iteration", self._epoch + 1))
        if self._epoch >= self._until or report.get("done"):
            report |= self._inner.test()
            model = getattr(self._inner, "model", None)
            report |= {PARAMETERS: parameters(model)} if isinstance(model, nn.Module) else {}
            report["done"] = True
        return report

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        inner = Path(checkpoint_dir, "inner")
        inner.mkdir()
        state.save(self._inner, inner)
        Path(checkpoint_dir, EPOCH).write_text(str(self._epoch))

    def load_checkpoint(self, checkpoint: str) -> None:
        state.load(self._inner, Path(checkpoint, "inner"))
        self._epoch = int(Path(checkpoint, EPOCH).read_text())

    @property
    def telemetry(self) -> dict[str, float]:
        return getattr(self._inner, "telemetry", None) or {}

    def cleanup(self) -> None:
        self._inner.cleanup()


def candidates(record: Record, top: int) -> list[Trial]:
    """The run's best trials, best first, no configuration twice; none whose settings changed while it trained."""
    sign = -1 if record.maximize else 1
    found: dict[str, Trial] = {}
    for trial in sorted(record.ranked, key=lambda one: (sign * (one.best or (0, 0.0))[1], one.number)):
        if not trial.turns:
            found.setdefault(form(trial.best_config), trial)
    return [*found.values()][:top]


def rerun(experiment: Experiment, trials: Sequence[Trial], seeds: int) -> Experiment:
    """Every one of the trials' configurations with every one of as many fresh seeds."""
    resources = experiment.resources

    def needed(config: dict[str, Any]) -> Resources:
        return experiment.resources_for(config[CANDIDATE]["config"])

    told = [
        {"trial": trial.id, "epochs": (trial.best or (trial.epochs, 0.0))[0], "config": trial.best_config}
        for trial in trials
    ]
    return dataclasses.replace(
        experiment,
        trainable=_class(experiment.trainable),
        space={
            CANDIDATE: tune.grid_search(told),
            SEED: tune.grid_search([fresh_seed(experiment.seed, number) for number in range(seeds)]),
        },
        searcher=Grid(),
        scheduler=Fifo(),
        resources=resources if isinstance(resources, Resources) else needed,
        num_samples=None,
        total_epochs=None,
        time_budget_s=None,
        stop_at_score=None,
        early_stopping=None,
        executions_per_trial=1,
        points_to_evaluate=(),
        answer=None,
    )


def _class(trainable: type[Trainable]) -> type[Trainable]:
    own: dict[str, Any] = {"__module__": trainable.__module__, "trainable": trainable}
    own |= {name: getattr(trainable, name) for name in ("prepare", REFINES) if hasattr(trainable, name)}
    return type(trainable.__name__, (Rerun,), own)
