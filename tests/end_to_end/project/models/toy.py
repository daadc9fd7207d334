"""Trainables whose curves are known beforehand, for runs on real Ray that train nothing."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

from ray.tune import Trainable


class Toy(Trainable):
    """Its score is x, approached by halves. A witness file outside the run tells every epoch that was ever trained.

    What it does besides is asked for by its environment, so that it is no part of the question:
    TOY_SECONDS an epoch lasts so long; TOY_WITNESS the file; TOY_KILL=trial:epoch the worker kills itself there, once;
    TOY_FAULT=kind:epoch one of `raise`, `nan`, `no_metric`, `oom`, `forever`.
    """

    seed = 0

    def setup(self, config: dict[str, Any]) -> None:
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.x, self.epoch, self.value = new_config["x"], 0, 0.0
        return True

    def step(self) -> dict[str, Any]:
        self._misbehave()
        time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
        self.epoch += 1
        self.value += (self.x - self.value) / 2
        report = {"score": self.value, "training_iteration": self.epoch}
        kind, _, epoch = os.environ.get("TOY_FAULT", "").partition(":")
        if kind == "nan" and self.epoch == int(epoch):
            report["score"] = math.nan
        if kind == "no_metric":
            report["loss"] = report.pop("score")
        self._witness()
        return report

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "toy.json").write_text(json.dumps([self.epoch, self.value, self.x]))

    def load_checkpoint(self, checkpoint: str) -> None:
        self.epoch, self.value, self.x = json.loads(Path(checkpoint, "toy.json").read_text())

    @property
    def number(self) -> str:
        leg = getattr(self, "_leg", None)
        return leg.trial if leg else "none"

    def _witness(self) -> None:
        if witness := os.environ.get("TOY_WITNESS"):
            with Path(witness).open("a") as file:
                file.write(f"{self.number} {self.epoch} {self.x!r}\n")

    def _misbehave(self) -> None:
        trial, _, epoch = os.environ.get("TOY_KILL", "").partition(":")
        if trial in (self.number, "any") and self.epoch == int(epoch):
            once = Path(os.environ["TOY_WITNESS"] + f".killed-{self.number}")
            if trial == "any" or not once.exists():
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        kind, _, epoch = os.environ.get("TOY_FAULT", "").partition(":")
        if self.epoch + 1 == int(epoch or 0):
            if kind == "raise":
                raise ValueError(f"x is {self.x}")
            if kind == "oom":
                raise MemoryError("CUDA out of memory")


class Tested(Toy):
    """A toy with a test split, which tells the witness when it is looked at."""

    def test(self) -> dict[str, float]:
        with Path(os.environ["TOY_WITNESS"]).open("a") as file:
            file.write(f"test {self.epoch} {self.x!r}\n")
        return {"test_score": self.value}
