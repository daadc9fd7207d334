"""Ray's Trainable as a good guest: on a trial's own CPUs and GPU, and without litter outside Tune."""

from __future__ import annotations

import shutil
import tempfile
import weakref

import torch
from ray.tune import Trainable

from orchestune.training import machine


class Worker(Trainable):  # type: ignore[misc]  # Ray's classes are Any to mypy
    """What every trainable of this project needs of the process it trains in, whatever it trains."""

    _logdir: str | None

    def occupy(self, *, deterministic: bool = True) -> torch.device:
        """Takes what the trial was given: as many threads as CPUs, and a GPU if it has one.

        Outside Tune torch keeps its threads, and a GPU is used if there is one. `deterministic`: the same numbers each
        time, with a warning where torch has no way to.
        """
        if self.trial_resources is None:
            return machine.take(deterministic=deterministic)
        granted = self.trial_resources.required_resources
        return machine.take(
            threads=int(granted.get("CPU", 1)), gpu=granted.get("GPU", 0) > 0, deterministic=deterministic
        )

    def _setup_logdir(self) -> None:
        if self._storage:
            super()._setup_logdir()
        else:
            self._logdir = None  # Ray would leave a folder in ~/ray_results for each instance and each reset

    @property
    def logdir(self) -> str:
        """Tune's folder for a trial's files; outside Tune a temporary one, made when first asked for."""
        if self._logdir is None:
            self._logdir = tempfile.mkdtemp(prefix="orchestune-")
            weakref.finalize(self, shutil.rmtree, self._logdir, ignore_errors=True)
        return self._logdir
