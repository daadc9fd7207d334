"""The question of `mnist_mlp` in plain Ray Tune, as its PyTorch tutorial writes it: a function, DataLoaders, and a
checkpoint an epoch. Started as a script of its own:

    python -m benchmarks.raw_mnist STORAGE                ten configurations, ten epochs each
    python -m benchmarks.raw_mnist STORAGE GOAL SEED      with ASHA; prints the time at which GOAL is first reported
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import ray
import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.mnist import BATCH, EPOCHS, IMAGES, TRIALS, configurations, tensors
from benchmarks.plain_mnist import model


def train(config):
    train_split, val_split = tensors(config["images"])
    train_loader = DataLoader(TensorDataset(*train_split), batch_size=BATCH, shuffle=True)
    val_loader = DataLoader(TensorDataset(*val_split), batch_size=BATCH)
    net = model(config["hidden"])
    optimizer = torch.optim.Adam(net.parameters(), lr=config["lr"])
    for _epoch in range(EPOCHS):
        net.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
        net.eval()
        right, loss = 0, 0.0
        with torch.no_grad():
            for x, y in val_loader:
                output = net(x)
                loss += nn.functional.cross_entropy(output, y, reduction="sum").item()
                right += (output.argmax(1) == y).sum().item()
        with tempfile.TemporaryDirectory() as folder:
            torch.save((net.state_dict(), optimizer.state_dict()), Path(folder, "checkpoint.pt"))
            tune.report(
                {"val_accuracy": right / len(val_split[1]), "val_loss": loss / len(val_split[1])},
                checkpoint=tune.Checkpoint.from_directory(folder),
            )


class Goal(tune.Callback):
    def __init__(self, goal):
        self.goal = goal

    def on_trial_result(self, iteration, trials, trial, result, **info):
        if result["val_accuracy"] >= self.goal:
            print("REACHED", time.time(), flush=True)
            os._exit(0)  # the rest is not measured


if __name__ == "__main__":
    storage, *goal = sys.argv[1:]
    ray.init()
    if goal:
        torch.manual_seed(int(goal[1]))
        space = {
            "images": 50_000,
            "hidden": [tune.qrandint(32, 256, 32), tune.qrandint(32, 256, 32)],
            "lr": tune.loguniform(1e-4, 1e-2),
        }
        chosen = tune.TuneConfig(
            metric="val_accuracy", mode="max", num_samples=TRIALS,
            scheduler=ASHAScheduler(max_t=EPOCHS, grace_period=1, reduction_factor=4),
            search_alg=tune.search.basic_variant.BasicVariantGenerator(random_state=int(goal[1])),
        )  # fmt: skip
    else:
        questions = [{"images": IMAGES, "hidden": c["hidden"], "lr": c["lr"]} for c in configurations()]
        space = tune.grid_search(questions)
        chosen = tune.TuneConfig(metric="val_accuracy", mode="max")
    tuner = tune.Tuner(
        train if goal else tune.with_parameters(lambda config: train(config["question"])),
        param_space=space if goal else {"question": space},
        tune_config=chosen,
        run_config=tune.RunConfig(storage_path=storage, callbacks=[Goal(float(goal[0]))] if goal else []),
    )
    results = tuner.fit()
    print(results.get_best_result().metrics["val_accuracy"])
