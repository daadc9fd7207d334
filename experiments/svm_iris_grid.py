"""Which of six pairs of C and gamma lets a support vector machine tell iris species apart best?"""

from ray import tune

from orchestune import Experiment, Fifo, Grid, Record
from trainables.iris import IrisSVC


def answer(record: Record) -> str:
    """The best cell of the grid, the cells that tie with it, and how it does on flowers that the search never saw."""
    first, *others = [f"C={trial.config['C']:g}, gamma={trial.config['gamma']:g}" for trial in record.ties]
    tied = f"it ties with {' and '.join(others)}, and comes first in the grid" if others else "no other cell reaches it"
    tested = " On flowers that the search never saw its accuracy is {test_accuracy:.4f}." if record.test else ""
    return (
        f"Of {len(record.trials)} cells the best is {first}: cross-validated accuracy {record.best.best[1]:.4f}; "
        f"{tied}.{tested.format(**record.test)}"
    )


experiment = Experiment(
    trainable=IrisSVC,
    space={"C": tune.grid_search([0.1, 1.0, 10.0]), "gamma": tune.grid_search([0.01, 0.1])},
    metric="val_accuracy",
    mode="max",
    searcher=Grid(),
    scheduler=Fifo(),
    num_samples=None,
    max_epochs=IrisSVC.folds,
    answer=answer,
)
