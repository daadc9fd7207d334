"""A trainable that trains nothing, so that what is left is the cost of running a trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune import Trainable

STATE = bytes(1024)  # what a checkpoint holds, beside the score


class NoOp(Trainable):
    """One random number in, one metric out. Written as Ray's tutorial writes a class, plus `reset_config`."""

    def setup(self, config: dict[str, Any]) -> None:
        self.x = config["x"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.x = new_config["x"]
        return True

    def step(self) -> dict[str, float]:
        return {"score": self.x}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "state.bin").write_bytes(STATE + str(self.x).encode())

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        self.x = float(Path(checkpoint_dir, "state.bin").read_bytes()[len(STATE) :])
