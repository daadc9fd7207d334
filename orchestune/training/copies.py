"""Several trainings of one configuration as one trial, each with its own seed: what is judged is their mean.

An epoch of the trial is an epoch of every copy, so that a scheduler may stop it early, and its cost is that of all.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from ray.tune import Trainable
from ray.tune.result import TRIAL_INFO

from orchestune.training import randomness, state


def copy_seed(seed: int, number: int) -> int:
    """The seed of a trial's copy, 0, 1, ...; the first is the trial's own."""
    return seed if number == 0 else int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


class Copies(Trainable):  # type: ignore[misc]
    """`times` instances of `trainable`, trained in turn, each with the global random streams as it left them.

    Reports, of each metric, the mean under its own name, NAME_sd (the standard deviation over the copies, 0 of one) and
    NAME_0, NAME_1, ... of each copy. A metric that is not finite in one copy is not finite in the mean.
    """

    trainable: type[Trainable]
    times: int
    seed: int = 0
    max_epochs: int | None = None

    def setup(self, config: dict[str, Any]) -> None:
        self._streams: list[dict[str, Any]] = []
        self._copies: list[Any] = []
        for number in range(self.times):
            cls: Any = quiet(self.trainable)
            made = cls.__new__(cls)  # its seed is to be there before its setup() is called
            self._place(made, number)
            made.__init__({**copy.deepcopy(config), TRIAL_INFO: self._trial_info})
            self._copies.append(made)
            self._streams.append(randomness.capture(self._device(made)))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        for number, made in enumerate(self._copies):
            self._place(made, number)
            if not made.reset({**copy.deepcopy(new_config), TRIAL_INFO: self._trial_info}):
                return False
            self._streams[number] = randomness.capture(self._device(made))
        return True

    def step(self) -> dict[str, Any]:
        results = []
        for number, made in enumerate(self._copies):
            randomness.restore(self._streams[number], self._device(made))
            results.append(dict(made.step()))
            self._streams[number] = randomness.capture(self._device(made))
        epochs = {result.pop("training_iteration", None) for result in results} - {None}
        done = [bool(result.pop("done", False)) for result in results]
        report = joined(results)
        if epochs:
            report["training_iteration"] = min(epochs)
        if all(done):
            report["done"] = True
        return report

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        for number, made in enumerate(self._copies):
            folder = Path(checkpoint_dir, str(number))
            folder.mkdir()
            randomness.restore(self._streams[number], self._device(made))
            state.save(made, folder)

    def load_checkpoint(self, checkpoint: str) -> None:
        for number, made in enumerate(self._copies):
            state.load(made, Path(checkpoint, str(number)))
            self._streams[number] = randomness.capture(self._device(made))

    @property
    def telemetry(self) -> dict[str, float]:
        """Seconds are those of all copies; everything else is the first copy's."""
        parts = [getattr(made, "telemetry", None) or {} for made in self._copies]
        return {
            name: sum(part.get(name, 0.0) for part in parts) if name.endswith("_s") else value
            for name, value in parts[0].items()
        }

    @property
    def met(self) -> dict[str, Any]:
        """The hyperparameters that the copies drew; see `define_by_run`."""
        return {name: told for made in self._copies for name, told in getattr(made, "met", {}).items()}

    @property
    def has_test(self) -> bool:
        return all(hasattr(made, "test") and getattr(made, "has_test", True) for made in self._copies)

    def test(self) -> dict[str, Any]:
        """The test split's metrics, joined as those of an epoch."""
        return joined([dict(made.test()) for made in self._copies])

    def cleanup(self) -> None:
        for made in self._copies:
            made.cleanup()

    def _place(self, made: Any, number: int) -> None:
        made.seed, made.max_epochs = copy_seed(self.seed, number), self.max_epochs
        made.trial_seed = self.seed  # what belongs to the configuration is drawn from it, in each copy alike

    def _device(self, made: Any) -> torch.device:
        return getattr(made, "device", None) or torch.device("cpu")


def joined(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Several reports of the same metrics as one. What is no number is the first report's."""
    report: dict[str, Any] = {}
    for name, first in results[0].items():
        values = [_number(result.get(name)) for result in results]
        if isinstance(first, str | bool) or any(value is None for value in values):
            report[name] = first
            continue
        numbers = [math.nan if value is None else value for value in values]
        finite = all(map(math.isfinite, numbers))
        report[name] = fmean(numbers) if finite else math.nan
        report[f"{name}_sd"] = (stdev(numbers) if len(numbers) > 1 else 0.0) if finite else math.nan
        report |= {f"{name}_{number}": value for number, value in enumerate(numbers)}
    return report


def _number(value: Any) -> float | None:
    if hasattr(value, "item"):
        value = value.item()
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def quiet(trainable: type[Trainable]) -> type[Trainable]:
    """Without the folder that Ray would make for each instance outside Tune."""

    def no_folder(self: Any) -> None:
        self._logdir = None

    return type(trainable.__name__, (trainable,), {"__module__": trainable.__module__, "_setup_logdir": no_folder})


def copies(trainable: type[Trainable], times: int) -> type[Trainable]:
    """`trainable` itself for one execution a trial, else the class that trains `times` copies of it."""
    if times == 1:
        return trainable
    own: dict[str, Any] = {"__module__": trainable.__module__, "trainable": trainable, "times": times}
    if trainable.reset_config is Trainable.reset_config:
        own["reset_config"] = Trainable.reset_config  # as little to be reused as the class itself
    return type(trainable.__name__, (Copies,), own)
