"""Trains one configuration in this process, without Ray, so that breakpoints and tracebacks work."""

from __future__ import annotations

import tempfile
from typing import Any

from ray.tune import Trainable

from orchestune.experiment import Experiment
from orchestune.report import words


class _Here:
    """Mixed in before a Trainable class: its files go to a temporary folder instead of ~/ray_results."""

    def _setup_logdir(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="orchestune-")
        self._logdir = self._folder.name


def debug(experiment: Experiment, config: dict[str, Any], seed: int) -> None:
    """Trains `config` for `max_epochs` epochs and prints every report. What the code raises is not caught."""
    trainable: type[Trainable] = type(experiment.trainable.__name__, (_Here, experiment.trainable), {"seed": seed})
    print(f"{trainable.__name__}, seed {seed}: {words.config(config)}")
    trial = trainable(config)
    try:
        for epoch in range(1, experiment.max_epochs + 1):
            report = dict(trial.step())
            done = report.pop("done", False)
            report.pop("training_iteration", None)
            print(f"epoch {epoch}: {words.config(report)}")
            if done:
                break
    finally:
        trial.cleanup()
