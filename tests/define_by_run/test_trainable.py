"""A training whose model is written as build_model(hp), and the experiment that asks about it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from ray import tune
from torch import nn

from orchestune import Experiment, HyperParameters, Random, discover
from orchestune.errors import ExperimentError, SpaceError
from orchestune.overrides import apply_overrides
from tests.define_by_run.models import Late, Small, build_late, build_model

CONFIG = {"layers": 2, "units_0": 8, "units_1": 12, "learning_rate": 0.02, "batch_size": 16, "optimizer": "sgd"}


def small(**changes: Any) -> Experiment:
    base = Experiment(
        trainable=Small,
        space=build_model,
        metric="val_loss",
        mode="min",
        searcher=Random(),
        num_samples=4,
        max_epochs=2,
    )
    return dataclasses.replace(base, **changes)


def test_it_trains_the_model_with_the_settings() -> None:
    trial = Small(CONFIG)
    widths = [layer.out_features for layer in trial.model if isinstance(layer, nn.Linear)]  # type: ignore[union-attr]
    assert widths == [8, 12, 2]
    assert (trial.params.lr, trial.params.batch_size) == (0.02, 16)
    assert isinstance(trial.optimizer, torch.optim.SGD)
    assert all(parameter.device.type == "cpu" for parameter in trial.model.parameters())
    first = trial.train()["val_loss"]
    for _ in range(10):
        last = trial.train()["val_loss"]
    assert last < first
    assert not trial.met


def test_reset_is_a_new_one() -> None:
    trial = Small(CONFIG)
    trial.train()
    assert trial.reset_config({**CONFIG, "layers": 1})
    assert len(list(trial.model)) == 3  # type: ignore[arg-type]
    assert trial.train()["val_loss"] == Small({**CONFIG, "layers": 1}).train()["val_loss"]


def test_a_name_that_the_configuration_lacks() -> None:
    trial = Late({"x": 0.9})
    drawn = trial.hp.values
    assert list(drawn) == ["x", "units", "more/lr", "lr"]
    assert trial.params.lr == drawn["lr"] != 0.001, "a setting, too"
    trial.train()
    assert {name: told["value"] for name, told in trial.met.items()} == {
        n: drawn[n] for n in ("units", "more/lr", "lr")
    }
    trial.train()
    assert not trial.met, "it is told once"
    again = Late(trial.hp.config)
    again.train()
    assert again.hp.values == drawn
    assert not again.met


def test_a_checkpoint_goes_on_with_what_was_drawn(tmp_path: Path) -> None:
    straight = Late({"x": 0.9})
    straight.train()
    straight.save_checkpoint(str(tmp_path))
    resumed = Late({"x": 0.9})
    resumed.load_checkpoint(str(tmp_path))
    assert resumed.train()["val_loss"] == straight.train()["val_loss"]


def test_an_experiment_takes_the_function() -> None:
    experiment = small()
    assert experiment.typed_space == discover(build_model) == small(space=discover(build_model)).typed_space
    assert experiment.to_json()["space"] == discover(build_model).to_json()
    config = experiment.build_searcher().ask(0)
    assert isinstance(config, dict)
    assert set(config) <= set(CONFIG)


def test_parameters_can_be_set() -> None:
    experiment = apply_overrides(small(), {"set layers": "1", "set units_0": "choice([4, 8])"})
    assert experiment.typed_space.names == ("units_0", "learning_rate", "batch_size", "optimizer")
    assert experiment.typed_space.constants == {"layers": 1}
    with pytest.raises(ExperimentError, match="typed already"):
        apply_overrides(small(space=discover(build_model)), {"set layers": "1"})


def test_mistakes_are_said_before_anything_starts() -> None:
    def broken(hp: HyperParameters) -> nn.Module:
        raise RuntimeError("no such layer")

    def wrong_setting(hp: HyperParameters) -> nn.Module:
        hp.Choice("optimizer", ["adamm"])
        return nn.Identity()

    def twice(hp: HyperParameters) -> nn.Module:
        hp.Float("lr", 0, 1)
        hp.Float("learning_rate", 0, 1)
        return nn.Identity()

    def unset(hp: HyperParameters) -> nn.Module:
        hp.Boolean("dropout", parent_name="layres", parent_values=[1])
        return nn.Identity()

    for space, said in (
        (broken, "broken cannot be built with nothing asked for yet: RuntimeError: no such layer"),
        (wrong_setting, "no optimizer named 'adamm'. Did you mean 'adam'?"),
        (twice, "parameter 'lr' is also called 'learning_rate' here"),
        (unset, "'layres': is to be depended on"),
        (3, "space is a int: it must be a dictionary from parameter to domain, or a function build_model"),
        (lambda hp: nn.Identity(), "the space is empty"),
    ):
        with pytest.raises(ExperimentError) as raised:
            small(space=space)
        assert said in str(raised.value)


def test_what_build_model_must_return_and_be() -> None:
    class Wrong(Small):
        @staticmethod
        def build_model(hp: HyperParameters) -> Any:
            return None

    with pytest.raises(TypeError, match="build_model returned a NoneType"):
        Wrong({})


def test_other_trainables_know_their_names() -> None:
    from tests.training.tiny import Tiny

    with pytest.raises(ExperimentError, match="no parameter named 'x'"):
        small(trainable=Tiny, space=build_late)
    assert small(trainable=Tiny, space={"width": tune.randint(2, 5)}).typed_space.names == ("width",)


def test_a_value_out_of_bounds_is_said() -> None:
    with pytest.raises(SpaceError, match=r"9 is not in 4\.\.16 in steps of 4; nearest: 8"):
        Small({**CONFIG, "units_0": 9})
