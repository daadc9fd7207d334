"""Ray's Trainable as a good guest: on a trial's own CPUs and GPU, and without litter outside Tune."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref

import torch
from ray.tune import Trainable


class Worker(Trainable):  # type: ignore[misc]  # Ray's classes are Any to mypy
    """What every trainable of this project needs of the process it trains in, whatever it trains."""

    _logdir: str | None

    def occupy(self, *, deterministic: bool = True) -> torch.device:
        """Takes what the trial was given: as many threads as CPUs, and a GPU if it has one.

        Outside Tune torch keeps its threads, and a GPU is used if there is one. `deterministic`: the same numbers each
        time, with a warning where torch has no way to.
        """
        gpu = torch.cuda.is_available()
        if self.trial_resources is not None:
            granted = self.trial_resources.required_resources
            torch.set_num_threads(max(1, int(granted.get("CPU", 1))))
            gpu = gpu and granted.get("GPU", 0) > 0
        # Not use_deterministic_algorithms: it does the same and imports torch's compiler, for a second and a half.
        torch.set_deterministic_debug_mode("warn" if deterministic else "default")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # for debugging
        if gpu and deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
        return torch.device("cuda" if gpu else "cpu")

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
