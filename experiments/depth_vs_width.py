"""With the same number of parameters, do more or wider layers read MNIST better, and how many does each depth need?"""

from math import sqrt
from statistics import fmean

from ray import tune

from orchestune import Experiment, Fifo, Grid, Record
from trainables.mlp import MnistMLP, parameters

PIXELS, CLASSES = 28 * 28, 10
DEPTHS = range(1, 7)  # hidden layers, all equally wide
BUDGETS = (28_400, 50_000, 100_000, 200_000)  # parameters; each depth comes within 1 % of them
GOAL = 0.95  # of the validation images


def count(depth: int, width: int) -> int:
    """The parameters of `depth` hidden layers of `width` units each."""
    return parameters(PIXELS, *[width] * depth, CLASSES)


def width_for(depth: int, budget: int) -> int:
    """The width that comes closest to `budget` parameters. ValueError where that is more than 1 % off."""
    width = 1
    while count(depth, width + 1) <= budget:
        width += 1
    nearest = min(width, width + 1, key=lambda units: abs(count(depth, units) - budget))
    if abs(count(depth, nearest) - budget) > 0.01 * budget:
        raise ValueError(
            f"{depth} layers of {nearest} units have {count(depth, nearest):,} parameters: no width comes within 1 % "
            f"of {budget:,}; take a larger budget, which widths divide more finely"
        )
    return nearest


def answer(record: Record) -> str:
    """The best shape of each budget, and the fewest parameters with which each depth has reached the goal."""
    scores = {tuple(trial.config["hidden"]): trial.best[1] for trial in record.ranked}
    best = []
    for budget in BUDGETS:
        shapes = [shape for depth in DEPTHS if (shape := (width_for(depth, budget),) * depth) in scores]
        if shapes:
            first = max(shapes, key=scores.get)
            behind = scores[first] - min(scores[shape] for shape in shapes)
            best.append(f"{budget:,}: {_words(first)} ({scores[first]:.4f}; the worst is {behind:.4f} behind)")
    needs = []
    for depth in DEPTHS:
        enough = [count(depth, shape[0]) for shape, score in scores.items() if len(shape) == depth and score >= GOAL]
        needs.append(f"{depth}: {min(enough):,}" if enough else f"{depth}: more than were tried")
    spreads = [trial.spread for trial in record.ranked if trial.spread is not None]
    usual = (
        f" Two trainings of a shape have a usual spread of {sqrt(fmean(s**2 for s in spreads)):.4f}." if spreads else ""
    )
    tested = " On images that the search never saw the best of all has accuracy {test_accuracy:.4f}."
    return (
        f"The best shape by parameters is {', '.join(best)}. For validation accuracy {GOAL} the fewest parameters by "
        f"hidden layers are {', '.join(needs)}.{usual}{tested.format(**record.test) if record.test else ''}"
    )


def _words(shape: tuple[int, ...]) -> str:
    return f"{len(shape)} x {shape[0]}"


experiment = Experiment(
    trainable=MnistMLP,
    space={
        "hidden": tune.grid_search([[width_for(depth, budget)] * depth for budget in BUDGETS for depth in DEPTHS]),
        "optimizer": "adam",
        "lr": 0.001,
        "batch_size": 32,
        "images": 10_000,  # to learn from; all there are: 50,000
    },
    metric="val_accuracy",
    mode="max",
    searcher=Grid(),
    scheduler=Fifo(),
    num_samples=None,  # each shape once
    max_epochs=8,
    executions_per_trial=2,  # their mean: shapes differ by little more than two trainings of one
    answer=answer,
)
