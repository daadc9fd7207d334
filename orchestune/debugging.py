"""Trains one configuration in this process, without Ray, so that breakpoints and tracebacks work."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.tune import Trainable

from orchestune.experiment import Experiment
from orchestune.report import words


def debug(experiment: Experiment, config: dict[str, Any], seed: int) -> None:
    """Trains `config` for `max_epochs` epochs and prints every report. What the code raises is not caught."""
    experiment.get_ready()
    with tempfile.TemporaryDirectory(prefix="orchestune-") as folder:
        print(f"{experiment.trainable.__name__}, seed {seed}: {words.config(config)}")
        _train(alone(experiment, config, seed, folder), experiment.max_epochs)


def alone(
    experiment: Experiment, config: dict[str, Any], seed: int, folder: str, trainable: type[Trainable] | None = None
) -> Trainable:
    """The experiment's trainable, or another one, for one trial in this process; `folder` is for what Ray would leave
    elsewhere."""
    base = trainable or experiment.trainable

    def _setup_logdir(self: Trainable) -> None:
        self._logdir = folder  # Ray would make one in ~/ray_results

    told = {"seed": seed, "max_epochs": experiment.max_epochs}
    own = {**told, "_setup_logdir": _setup_logdir, "__module__": base.__module__}
    made: type[Trainable] = type(base.__name__, (base,), own)
    with _no_advice():
        return made(config)


@contextmanager
def _no_advice() -> Iterator[None]:
    """Within the block Ray says nothing of a slow `setup`: what it advises is what runs do by themselves."""
    logger = logging.getLogger(Trainable.__module__)
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _train(trial: Trainable, max_epochs: int) -> None:
    try:
        for epoch in range(1, max_epochs + 1):
            report = dict(trial.step())
            done = report.pop("done", False)
            report.pop("training_iteration", None)
            print(f"epoch {epoch}: {words.config(report)}")
            if done:
                break
    finally:
        trial.cleanup()
