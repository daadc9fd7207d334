"""A module's constructor as parameters: what is tuned, what is fixed, and what is told of mistakes."""

from __future__ import annotations

from typing import Any

import pytest
from ray import tune
from torch import nn

from orchestune import Experiment, Fifo, Random
from orchestune.errors import ExperimentError, OrchestuneError, UnknownName
from orchestune.training import TorchTrainable, describe_params
from tests.trainables.reader import Layers, Reader
from trainables.any_module import AnyModule


def test_its_parameters_are_the_trainings_and_the_constructors_own() -> None:
    training = [param.name for param in describe_params(TorchTrainable.Params)]
    described = {param.name: (param.default, param.doc) for param in describe_params(Reader.Params)}
    assert [*described] == [*training, "width", "dropout", "slopes"]
    assert described["width"] == (12, "argument of Layers")


def test_the_module_is_built_from_them() -> None:
    reader = Reader({"width": 5, "dropout": 0.5, "slopes": [0.1, 0.2]})
    assert isinstance(reader.model, Layers)
    assert reader.model.dropout == 0.5
    assert reader.model.layers[0].out_features == 5
    assert [layer.negative_slope for layer in reader.model.layers if isinstance(layer, nn.LeakyReLU)] == [0.1, 0.2]
    assert reader.step()["val_loss"] > 0


def test_it_learns() -> None:
    reader = Reader({"lr": 0.01, "batch_size": 32})
    losses = [reader.step()["val_loss"] for _ in range(6)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("module", "path"), [(nn.Linear, nn.Linear), ("torch.nn.Linear", nn.Linear), ("Linear", nn.Linear)], ids=str
)
def test_a_class_or_its_path(module: Any, path: type[nn.Module]) -> None:
    made = type("Made", (AnyModule,), {"module": module, "fixed": {"out_features": 10}, "make_data": Reader.make_data})
    assert isinstance(made({"in_features": 64}).model, path)


@pytest.mark.parametrize(
    ("config", "error", "said"),
    [
        ({"widht": 3}, UnknownName, "no parameter named 'widht'. Did you mean 'width'?"),
        ({"pixels": 3}, UnknownName, "no parameter named 'pixels'."),
        ({"width": 3.5}, ValueError, "parameter 'width' is 3.5: int is needed, not float"),
    ],
)
def test_a_wrong_argument_is_named(config: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as refused:
        Reader(config)
    assert said in str(refused.value)


def test_an_argument_that_nobody_gives_is_told_before_anything_starts() -> None:
    open_ended = type("Open", (Reader,), {"fixed": {}})
    with pytest.raises(ExperimentError, match="parameter 'pixels' has no default and was not given"):
        Experiment(
            trainable=open_ended, space={"width": tune.randint(2, 9)}, metric="val_loss", mode="min",
            searcher=Random(), scheduler=Fifo(), num_samples=1, max_epochs=1,
        )  # fmt: skip


class Taken(nn.Module):
    def __init__(self, lr: float = 0.1) -> None:
        super().__init__()


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"module": "torch.nn.Linaer"}, "no module of torch.nn named 'Linaer'. Did you mean 'Linear'?"),
        ({"module": "torhc.nn.Linear"}, "module 'torhc.nn.Linear': No module named 'torhc'"),
        ({"module": "torch.nn.functional.relu"}, "a class derived from torch.nn.Module, or its path, is needed"),
        ({"module": Layers, "fixed": {"pixel": 64}}, "no argument of Layers named 'pixel'. Did you mean 'pixels'?"),
        ({"module": Taken}, "Taken's argument 'lr' is also a setting of the training"),
    ],
    ids=str,
)
def test_a_wrong_declaration_is_told_when_it_is_read(own: dict[str, Any], said: str) -> None:
    with pytest.raises(OrchestuneError) as refused:
        type("Wrong", (AnyModule,), own)
    assert said in str(refused.value)


def test_a_module_it_does_not_have_is_said() -> None:
    nothing = type("Nothing", (AnyModule,), {"make_data": Reader.make_data})
    with pytest.raises(NotImplementedError, match="Nothing needs module"):
        nothing({})
