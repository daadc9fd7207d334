"""The question of `digits_mlp` in plain Ray Tune, as its tutorial writes it; notes when the first step began.

Started by `start.py` as a script of its own: python -m benchmarks.raw_digits STORAGE
"""

import json
import sys
import time
from pathlib import Path

import ray
from ray import tune

from trainables.mlp import MLP


class Marks(tune.Callback):
    def __init__(self, target):
        self.target, self.marks = target, {"ray_up": time.time()}

    def on_trial_start(self, **info):
        self.marks.setdefault("actor_up", time.time())

    def on_trial_result(self, iteration, trials, trial, result, **info):
        if "report" not in self.marks:
            self.marks |= {"step": time.time() - result["time_this_iter_s"], "report": time.time()}
            self.target.write_text(json.dumps(self.marks))


if __name__ == "__main__":
    storage = Path(sys.argv[1])
    ray.init()
    tuner = tune.Tuner(
        MLP,
        param_space={
            "hidden": (64, 64),
            "lr": tune.loguniform(1e-4, 1e-1),
            "batch_size": tune.choice([16, 32, 64, 128]),
            "weight_decay": tune.loguniform(1e-6, 1e-1),
        },
        tune_config=tune.TuneConfig(metric="val_accuracy", mode="max", num_samples=2, max_concurrent_trials=2),
        run_config=tune.RunConfig(
            storage_path=str(storage), stop={"training_iteration": 2}, callbacks=[Marks(storage / "marks.json")]
        ),
    )
    tuner.fit()
