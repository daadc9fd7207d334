"""Which batch size trains MNIST fastest, which best, and does a learning rate in proportion keep large ones as good?"""

from ray import tune

from orchestune import Experiment, Fifo, Grid, Record, when
from orchestune.running.record import Trial
from trainables.lr_rule import REFERENCE, MnistLrRule

LARGER = (128, 512, 2048)  # than REFERENCE, where both rules are the same


def answer(record: Record) -> str:
    """Each size's speed, the best trial, and what a rate in proportion makes of each size beside a fixed one."""
    trials = {(trial.config["batch_size"], trial.config.get("lr_rule")): trial for trial in record.trials.values()}
    sizes = sorted({size for size, _ in trials})
    speeds = {size: _speed([trial for key, trial in trials.items() if key[0] == size]) for size in sizes}
    fastest = max(sizes, key=speeds.__getitem__)
    scaled = [
        f"at {size:,} from {_score(trials.get((size, 'fixed')))} to {_score(trials.get((size, 'linear')))}"
        for size in sizes
        if size != REFERENCE
    ]
    told = ", ".join(f"{speeds[size]:,.0f} in batches of {size:,}" for size in sizes)
    return (
        f"Images a second: {told}; {fastest:,} is the fastest. Best is {_name(record.best)}, with an accuracy of "
        f"{_score(record.best)}. A rate in proportion to the batch instead of a fixed one takes the accuracy "
        f"{', '.join(scaled)}."
    )


def _speed(trials: list[Trial]) -> float:
    """Images trained on in a second."""
    return sum(trial.examples for trial in trials) / sum(trial.spent["train_s"] for trial in trials)


def _name(trial: Trial) -> str:
    rules = {"fixed": " with the rate fixed", "linear": " with the rate in proportion"}
    return f"{trial.config['batch_size']:,}{rules.get(trial.config.get('lr_rule'), '')}"


def _score(trial: Trial | None) -> str:
    """The mean over the executions, and their standard deviation."""
    if trial is None or not trial.may_win:
        return "not a number" if trial else "unknown"
    score = trial.best[1]
    return f"{score:.3f}" if trial.spread is None else f"{score:.3f} (sd {trial.spread:.3f})"


experiment = Experiment(
    trainable=MnistLrRule,
    space={
        "batch_size": tune.grid_search([REFERENCE, *LARGER]),
        "lr_rule": when("batch_size", LARGER, tune.grid_search(["fixed", "linear"])),
        "lr": 0.02,  # of batches of REFERENCE images
        "optimizer": {"name": "sgd", "momentum": 0.9},
        "hidden": (128,),
        "images": 10_000,
    },
    metric="val_accuracy",
    mode="max",
    searcher=Grid(),
    scheduler=Fifo(),
    num_samples=None,
    max_epochs=8,
    executions_per_trial=3,  # what differs by less than they do is chance
    max_concurrent_trials=1,  # trials beside one another would take each other's time
    answer=answer,
)
