"""What does HyperBand find for MNIST with trainings of at most 20 epochs, and how many epochs does it spare?"""

from collections import Counter

from ray import tune

from orchestune import Experiment, HyperBand, Random, Record
from trainables.mlp import MnistMLP


def answer(record: Record) -> str:
    """The best configuration, how long the others were trained, and what training all to the end would have cost."""
    winner, longest = record.best, record.question["max_epochs"]
    first, second = winner.config["hidden"]
    epoch, score = winner.best
    ended = Counter(trial.epochs for trial in record.trials.values())
    told = ", ".join(f"{count} after {epochs}" for epochs, count in sorted(ended.items()))
    tested = " On images that the search never saw its accuracy is {test_accuracy:.4f}." if record.test else ""
    return (
        f"Of {len(record.trials)} configurations the best is {first} and {second} units with lr "
        f"{winner.config['lr']:.4f}: validation accuracy {score:.4f} at epoch {epoch}. In epochs, they ended {told}: "
        f"{record.epochs} in all, where everybody's {longest} are {longest * len(record.trials)}."
        f"{tested.format(**record.test)}"
    )


experiment = Experiment(
    trainable=MnistMLP,
    space={
        "hidden": (tune.qrandint(32, 256, 32), tune.qrandint(32, 256, 32)),
        "lr": tune.loguniform(5e-3, 1e-2),
        "optimizer": "adam",
        "batch_size": 32,
        "images": 10_000,  # to learn from; all there are: 50,000
    },
    metric="val_accuracy",
    mode="max",
    searcher=Random(),
    scheduler=HyperBand(reduction_factor=3),
    num_samples=None,  # as many as one iteration has
    max_epochs=20,
    answer=answer,
)
