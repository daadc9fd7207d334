"""Which widths of two hidden layers, and which step size, does Bayesian optimization find for MNIST in ten trials?"""

from ray import tune

from orchestune import BayesOpt, Experiment, Fifo, Record
from trainables.mlp import MnistMLP


def answer(record: Record) -> str:
    """The best configuration, when it was asked, how far off the worst is, and what is left on unseen images."""
    winner = record.best
    first, second = winner.config["hidden"]
    epoch, score = winner.best
    worst = min(trial.best[1] for trial in record.ranked)
    tested = " On images that the search never saw its accuracy is {test_accuracy:.4f}." if record.test else ""
    return (
        f"Of {len(record.trials)} configurations the best is number {winner.number + 1}, {first} and {second} units "
        f"with lr {winner.config['lr']:.4f}: validation accuracy {score:.4f} at epoch {epoch}; the worst has "
        f"{worst:.4f}.{tested.format(**record.test)}"
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
    searcher=BayesOpt(n_initial_points=4),
    scheduler=Fifo(),
    num_samples=10,
    max_epochs=10,
    answer=answer,
)
