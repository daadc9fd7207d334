"""Is the best of ten random networks for MNIST better than the second best, or only luckier?"""

from math import sqrt
from statistics import fmean

from ray import tune

from orchestune import Experiment, Fifo, Random, Record
from trainables.mlp import MnistMLP


def answer(record: Record) -> str:
    """The best two by their means, and whether what lies between them is more than a second training changes."""
    first, second = sorted(record.ranked, key=lambda trial: -trial.best[1])[:2]
    behind, times = first.best[1] - second.best[1], record.question["executions_per_trial"]
    usual = sqrt(fmean(trial.spread**2 for trial in record.ranked))
    tested = " On images that the search never saw its accuracy is {test_accuracy:.4f}." if record.test else ""
    return (
        f"The best of {len(record.trials)} configurations is {_words(first.config)}: validation accuracy "
        f"{first.best[1]:.4f} on average over {times} trainings, spread {first.spread:.4f}. The second, "
        f"{_words(second.config)}, is {behind:.4f} behind, "
        f"{'within' if behind <= first.spread else 'outside'} that spread, and "
        f"{'within' if behind <= usual else 'outside'} the usual one, {usual:.4f} over all configurations."
        f"{tested.format(**record.test)}"
    )


def _words(config: dict) -> str:
    return f"{config['hidden'][0]} and {config['hidden'][1]} units with lr {config['lr']:.4f}"


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
    scheduler=Fifo(),
    num_samples=10,
    max_epochs=5,
    executions_per_trial=2,
    answer=answer,
)
