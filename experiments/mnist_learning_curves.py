"""Which of three widths underfits 5,000 images of MNIST, which overfits them, and when should its training stop?"""

from ray import tune

from orchestune import Experiment, Grid, Plateau, Record
from orchestune.running.record import Trial
from trainables.mlp import MnistBothSides


def answer(record: Record) -> str:
    """Each width, best first: what its training is called, and its losses at its best and at its last epoch."""
    first, *others = sorted(record.ranked, key=lambda trial: trial.best[1])
    tested = " On images that the search never saw its accuracy is {test_accuracy:.3f}." if record.test else ""
    told = f"{_units(first)} units do best, and {_fit(first, record)}: {_losses(first)}.{tested.format(**record.test)}"
    return " ".join([told, *(f"{_units(trial)} units {_fit(trial, record)}: {_losses(trial)}." for trial in others)])


def _units(trial: Trial) -> int:
    return trial.config["hidden"][0]


def _fit(trial: Trial, record: Record) -> str:
    """Underfitting is to do worse on what was learnt from than the best does on what it never saw."""
    epoch, last = trial.best[0], trial.epochs
    if trial.curves["train_loss"][epoch] > record.best.best[1]:
        return "underfit"
    if epoch == last:
        return "are still learning"
    return f"overfit after epoch {epoch}" if _gap(trial, last) > _gap(trial, epoch) else f"stall after epoch {epoch}"


def _gap(trial: Trial, epoch: int) -> float:
    return trial.scores[epoch] - trial.curves["train_loss"][epoch]


def _losses(trial: Trial) -> str:
    best, last = [
        f"training loss {trial.curves['train_loss'][epoch]:.3f}, validation loss {trial.scores[epoch]:.3f}, a gap of "
        f"{_gap(trial, epoch):.3f}"
        for epoch in (trial.best[0], trial.epochs)
    ]
    return best if best == last else f"{best}; when they stop, at epoch {trial.epochs}, {last}"


experiment = Experiment(
    trainable=MnistBothSides,
    space={
        "hidden": (tune.grid_search([2, 16, 128]),),
        "images": 5_000,
        "lr": 2e-3,
        "batch_size": 64,
        "optimizer": "adam",
    },
    metric="val_loss",
    mode="min",
    searcher=Grid(),
    scheduler=Plateau(patience=5),  # stops a training whose validation loss has stalled
    num_samples=None,
    max_epochs=60,
    answer=answer,
)
