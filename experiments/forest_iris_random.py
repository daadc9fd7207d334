"""How many trees, and how deep, does a random forest need to tell iris species apart, by random sampling?"""

from ray import tune

from orchestune import Experiment, Fifo, Random, Record
from trainables.iris import IrisForest


def answer(record: Record) -> str:
    """The best pair, how far apart best and worst are, and how the best does on flowers that the search never saw."""
    winner, others = record.best, len(record.ties) - 1
    scores = [trial.best[1] for trial in record.ranked]
    shared = f"shared with {others} more" if others else "no other reaches it"
    tested = " On flowers that the search never saw its accuracy is {test_accuracy:.4f}." if record.test else ""
    return (
        f"Of {len(record.trials)} random pairs the best is {winner.config['n_estimators']} trees of depth "
        f"{winner.config['max_depth']} at the most: cross-validated accuracy {max(scores):.4f}; {shared}, "
        f"and the worst has {min(scores):.4f}.{tested.format(**record.test)}"
    )


experiment = Experiment(
    trainable=IrisForest,
    space={"n_estimators": tune.randint(50, 200), "max_depth": tune.randint(5, 20)},
    metric="val_accuracy",
    mode="max",
    searcher=Random(),
    scheduler=Fifo(),
    num_samples=9,
    max_epochs=IrisForest.folds,
    answer=answer,
)
