"""How deep and how wide does a network for MNIST become that grows from one small layer only while that helps?"""

from torch import nn

from experiments.mnist_build_model import Digits
from orchestune import Experiment, Fifo, Grow, HyperParameters, Record
from trainables.mlp import Pixels, parameters

PIXELS, CLASSES = 28 * 28, 10
Shape = tuple[int, ...]  # units of each hidden layer


def build_model(hp: HyperParameters) -> nn.Module:
    layers, width = [Pixels()], PIXELS
    for place in range(hp.Int("layers", 1, 4)):
        units = hp.Int(f"units_{place}", 16, 128, step=16)
        layers += [nn.Linear(width, units), nn.ReLU()]
        width = units
    hp.Fixed("optimizer", "adam")
    hp.Fixed("lr", 0.001)
    hp.Fixed("batch_size", 32)
    hp.Fixed("images", 10_000)  # to learn from; all there are: 50,000
    return nn.Sequential(*layers, nn.Linear(width, CLASSES))


class Grown(Digits):
    build_model = build_model


def answer(record: Record) -> str:
    """The networks that it went on from, why it went no further, and what the best of all is worth on unseen images."""
    asked = {name: value for name, value in record.question["searcher"].items() if name != "name"}
    gain, layers = asked["min_gain"], Grow(**asked).layers(experiment.typed_space)
    scores = {_shape(trial.config): trial.best[1] for trial in record.ranked}
    way = [next(iter(scores))]
    while steps := [shape for shape in layers.larger(way[-1]) if shape in scores]:
        best = max(steps, key=scores.get)
        if round(scores[best] - scores[way[-1]], 12) < gain:
            break
        way.append(best)
    told = ", ".join(f"{_words(shape)} ({scores[shape]:.4f})" for shape in way)
    further = f" The best step from there, {_words(best)}, has {scores[best]:.4f}: no {gain:g} more." if steps else ""
    tested = " On images that the search never saw the best of all has accuracy {test_accuracy:.4f}."
    return (
        f"Hidden units, with validation accuracy: {told}.{further} So {_words(way[-1])}, "
        f"{parameters(PIXELS, *way[-1], CLASSES):,} parameters, after {len(record.trials)} networks."
        f"{tested.format(**record.test) if record.test else ''}"
    )


def _shape(config: dict) -> Shape:
    return tuple(config[f"units_{place}"] for place in range(config["layers"]))


def _words(shape: Shape) -> str:
    return "-".join(map(str, shape))


experiment = Experiment(
    trainable=Grown,
    space=build_model,
    metric="val_accuracy",
    mode="max",
    searcher=Grow(min_gain=0.002),
    scheduler=Fifo(),
    num_samples=None,  # until no step helps
    max_epochs=8,
    executions_per_trial=2,  # their mean: one training's luck is as large as a gain
    answer=answer,
)
