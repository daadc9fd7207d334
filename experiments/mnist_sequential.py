"""Which step size reads MNIST best, and then, with it, which width of one hidden layer?"""

from ray import tune

from orchestune import Experiment, Fifo, Record, Sequential
from trainables.mlp import MnistMLP


def answer(record: Record) -> str:
    """The table of each step, and the pair that they lead to."""
    trials = [*record.trials.values()]
    [began] = trials[0].config["hidden"]  # the width before one was chosen
    rates = {trial.config["lr"]: trial.best[1] for trial in trials if trial.config["hidden"] == [began]}
    best = max(rates, key=rates.get)
    widths = {trial.config["hidden"][0]: trial.best[1] for trial in trials if trial.config["lr"] == best}
    tested = " On images that the search never saw its accuracy is {test_accuracy:.4f}." if record.test else ""
    return (
        f"Step 1, {began} units: validation accuracy {_table('lr', rates)}. Step 2, lr {best:g}: "
        f"{_table('units', dict(sorted(widths.items())))}. So lr {best:g} and {max(widths, key=widths.get)} units, in "
        f"{len(trials)} trainings.{tested.format(**record.test)}"
    )


def _table(name: str, scores: dict) -> str:
    return ", ".join(f"{score:.4f} with {name} {value:g}" for value, score in scores.items())


experiment = Experiment(
    trainable=MnistMLP,
    space={
        "lr": tune.choice([0.01, 0.001, 0.0001]),
        "hidden": (tune.choice([32, 64, 128]),),
        "optimizer": "adam",
        "batch_size": 128,
        "images": 20_000,  # to learn from; all there are: 50,000
    },
    metric="val_accuracy",
    mode="max",
    searcher=Sequential(order=("lr", "hidden/0")),
    scheduler=Fifo(),
    num_samples=None,  # as many as the two steps have
    max_epochs=5,
    answer=answer,
)
