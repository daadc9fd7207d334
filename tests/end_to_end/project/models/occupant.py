"""A trainable that tells where it is and what it was given, and stays there until others have come."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ray.tune import Trainable

PATIENCE = 20.0  # seconds


class Occupant(Trainable):
    """Its score is x; below 0, it asks for more memory than there is. At its first epoch it waits until `together`
    trials have been in the folder `meet`."""

    seed = 0

    def setup(self, config: dict[str, Any]) -> None:
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.x, self.meet, self.together = new_config["x"], Path(new_config["meet"]), new_config["together"]
        return True

    def step(self) -> dict[str, Any]:
        began = time.time()
        if self.x < 0:
            import torch  # here: without it a worker starts two seconds sooner

            torch.empty(2**50)
        (self.meet / str(self.x)).touch()
        while len(list(self.meet.iterdir())) < self.together and time.time() < began + PATIENCE:
            time.sleep(0.02)
        time.sleep(0.2)  # so that whoever came last has been seen by all
        return {
            "score": self.x,
            "pid": os.getpid(),
            "granted": json.dumps(self.trial_resources.required_resources),
            "devices": os.environ.get("CUDA_VISIBLE_DEVICES", "not said"),
            "began": began,
            "ended": time.time(),
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "nothing").touch()

    def load_checkpoint(self, checkpoint: str) -> None:
        """There is nothing to know."""
