"""Trainables whose curves are known beforehand, for runs that train nothing."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

from ray.tune import Trainable

from orchestune.errors import DataError


def plan() -> dict[str, Any]:
    """What a test wants to go wrong. From a file, so that it is no part of the question and reaches every worker:

    seconds: an epoch lasts so long; witness: a file that is told every epoch ever trained; kill: [trial, epoch], the
    worker kills itself there, once, or in "any" trial each time; fault: [kind, epoch], one of raise, nan, no_metric,
    oom, data, done; bytes: how large a checkpoint is.
    """
    path = Path(os.environ.get("TOY_PLAN", "/nonexistent"))
    return dict(json.loads(path.read_text())) if path.exists() else {}


class Toy(Trainable):
    """Its score is x, approached by halves."""

    seed = 0

    def setup(self, config: dict[str, Any]) -> None:
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.x, self.epoch, self.value = new_config["x"], 0, 0.0
        return True

    def step(self) -> dict[str, Any]:
        wanted = plan()
        self._misbehave(wanted)
        time.sleep(wanted.get("seconds", 0))
        self.epoch += 1
        self.value += (self.x - self.value) / 2
        report = {"score": self.value, "training_iteration": self.epoch}
        kind, epoch = wanted.get("fault", ("", 0))
        if kind == "nan" and self.epoch == epoch:
            report["score"] = math.nan
        if kind == "no_metric":
            report["loss"] = report.pop("score")
        if kind == "done" and self.epoch == epoch:
            report["done"] = True
        self._tell(f"{self.number} {self.epoch} {self.x!r}")
        return report

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        padding = "." * plan().get("bytes", 0)
        Path(checkpoint_dir, "toy.json").write_text(json.dumps([self.epoch, self.value, self.x, padding]))

    def load_checkpoint(self, checkpoint: str) -> None:
        self.epoch, self.value, self.x, _ = json.loads(Path(checkpoint, "toy.json").read_text())

    @property
    def number(self) -> str:
        leg = getattr(self, "_leg", None)
        return leg.trial if leg else "none"

    def _tell(self, line: str) -> None:
        if witness := plan().get("witness"):
            with Path(witness).open("a") as file:
                file.write(line + "\n")

    def _misbehave(self, wanted: dict[str, Any]) -> None:
        trial, epoch = wanted.get("kill", ("", 0))
        if trial in (self.number, "any") and self.epoch == epoch:
            once = Path(wanted["witness"] + f".killed-{self.number}")
            if trial == "any" or not once.exists():
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        kind, epoch = wanted.get("fault", ("", 0))
        if self.epoch + 1 == epoch:
            if kind == "raise":
                raise ValueError(f"x is {self.x}")
            if kind == "oom":
                raise MemoryError("out of memory")
            if kind == "data":
                raise DataError("pictures.gz is cut off:\nput the right one there")


class WithTest(Toy):
    """A toy with a test split, which tells the witness when it is looked at."""

    def test(self) -> dict[str, float]:
        self._tell(f"test {self.epoch} {self.x!r}")
        return {"test_score": self.value}


class Adapts(WithTest):
    """A toy that goes on from any other's state with its own x."""

    def load_checkpoint(self, checkpoint: str) -> None:
        own = self.x
        super().load_checkpoint(checkpoint)
        self.x = own


class ReadsData(Toy):
    """A toy that says where its data would lie."""

    def step(self) -> dict[str, Any]:
        return {**super().step(), "folder": os.environ.get("ORCHESTUNE_DATA")}


class Fresh(Toy):
    """A toy that cannot be reset, as Ray's own default is, and hands its state to its caller."""

    reset_config = Trainable.reset_config

    def setup(self, config: dict[str, Any]) -> None:
        Toy.reset_config(self, config)

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:  # type: ignore[override]
        return {"epoch": self.epoch, "value": self.value, "x": self.x}

    def load_checkpoint(self, checkpoint: dict[str, Any]) -> None:  # type: ignore[override]
        self.epoch, self.value, self.x = checkpoint["epoch"], checkpoint["value"], checkpoint["x"]
