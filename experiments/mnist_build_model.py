"""Which widths of two hidden layers, and which step size, read MNIST best, asked as a `build_model(hp)`?"""

from dataclasses import dataclass

from torch import nn

from orchestune import BayesOpt, BuildModel, Data, Experiment, Fifo, HyperParameters, Record
from trainables.mlp import MLP, Pixels
from trainables.mnist import TRAIN, mnist


def build_model(hp: HyperParameters) -> nn.Module:
    first = hp.Int("first_hidden", min_value=32, max_value=256, step=32)
    second = hp.Int("second_hidden", min_value=32, max_value=256, step=32)
    model = nn.Sequential(
        Pixels(),  # which are flat already
        nn.Linear(28 * 28, first), nn.ReLU(),
        nn.Linear(first, second), nn.ReLU(),
        nn.Linear(second, 10),
    )  # fmt: skip
    # what a Keras model is compiled with is asked for here, by name
    hp.Fixed("optimizer", "adam")
    hp.Float("learning_rate", min_value=0.005, max_value=0.01, sampling="log")
    hp.Fixed("batch_size", 32)
    hp.Fixed("images", 10_000)  # to learn from; all there are: 50,000
    return model


class Digits(BuildModel):
    """Learns from `images` of MNIST, whatever model is built."""

    build_model = build_model
    metrics = MLP.metrics
    measure = MLP.measure

    @dataclass(frozen=True, kw_only=True)
    class Params(BuildModel.Params):
        images: int = TRAIN

    @classmethod
    def prepare(cls) -> None:
        mnist()

    def make_data(self) -> Data:
        return mnist(self.params.images)


def answer(record: Record) -> str:
    """What `get_best_hyperparameters` would give, with its score, and what is left of it on unseen images."""
    best = record.best.config
    epoch, score = record.best.best
    tested = " On images that the search never saw its accuracy is {test_accuracy:.4f}." if record.test else ""
    return (
        f"first_hidden={best['first_hidden']}, second_hidden={best['second_hidden']} and learning_rate="
        f"{best['learning_rate']:.4f} are the best of {len(record.trials)}: validation accuracy {score:.4f} at epoch "
        f"{epoch}.{tested.format(**record.test)}"
    )


experiment = Experiment(
    trainable=Digits,
    space=build_model,
    metric="val_accuracy",
    mode="max",
    searcher=BayesOpt(n_initial_points=4),
    scheduler=Fifo(),
    num_samples=10,
    max_epochs=10,
    answer=answer,
)
