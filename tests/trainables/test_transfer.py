"""Layers of another network: frozen ones stay as they are, to the bit; what they make of images is computed once."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from orchestune.errors import UnknownName
from trainables import transfer
from trainables.digits import digits
from trainables.transfer import STAGES, Transfer


def lower(trained: Transfer) -> dict[str, torch.Tensor]:
    trunk = torch.load(trained.trunk(), weights_only=True)
    return {name: weight for name, weight in trunk.items() if name.startswith("stages")}


@pytest.mark.parametrize("frozen", range(STAGES + 1))
def test_frozen_layers_are_the_other_networks_after_training_and_all_others_are_not(frozen: int) -> None:
    trained = Transfer({"frozen": frozen, "lr_reused": 1e-3, "weight_decay": 0.1})
    start = trained.model.state_dict()
    assert all(torch.equal(start[name], weight) for name, weight in lower(trained).items())
    for _ in range(2):
        trained.step()
    for name, weight in lower(trained).items():
        kept = int(name.split(".")[1]) < frozen
        assert torch.equal(trained.model.state_dict()[name], weight) == kept, name


def test_from_scratch_nothing_is_reused() -> None:
    scratch = Transfer({"start": "random"})
    assert scratch.kept == 0
    assert not any(torch.equal(scratch.model.state_dict()[name], weight) for name, weight in lower(scratch).items())


@pytest.mark.parametrize("frozen", range(1, STAGES + 1))
def test_features_are_what_the_frozen_layers_make_of_the_images(frozen: int) -> None:
    from_features, from_images = Transfer({"frozen": frozen}), Transfer({"frozen": 0})
    images, digit = from_images.data.train  # type: ignore[misc]
    assert torch.equal(from_features.data.train[1], digit)  # type: ignore[index]
    from_images.model.load_state_dict(from_features.model.state_dict())
    scores = from_features.model(from_features.data.train[0])  # type: ignore[index]
    torch.testing.assert_close(scores, from_images.model(images))


def test_the_images_are_those_of_five_to_nine() -> None:
    data, everything = Transfer({"examples": 30, "frozen": 0}).data, digits()
    chosen = everything.train[1] >= 5  # type: ignore[index]
    assert torch.equal(data.train[0], everything.train[0][chosen][:30])  # type: ignore[index]
    assert torch.equal(data.train[1], everything.train[1][chosen][:30] - 5)  # type: ignore[index]
    assert data.test[1].unique().tolist() == [0, 1, 2, 3, 4]  # type: ignore[index]


@pytest.mark.parametrize(
    ("config", "rates"),
    [
        ({"frozen": 3}, {0.02: {"head"}}),
        ({"frozen": 1}, {0.02: {"head"}, 0.003: {"stages.1", "stages.2"}}),
        ({"frozen": 0}, {0.02: {"head"}, 0.003: {"stages.0", "stages.1", "stages.2"}}),
        ({"start": "random"}, {0.02: {"head", "stages.0", "stages.1", "stages.2"}}),
    ],
    ids=["frozen 3", "frozen 1", "frozen 0", "from scratch"],
)
def test_each_layer_has_its_step_size(config: dict[str, Any], rates: dict[float, set[str]]) -> None:
    trained = Transfer({**config, "lr": 0.02, "lr_reused": 0.003})
    names = {weight: name for name, weight in trained.model.named_parameters()}
    found: dict[float, set[str]] = {}
    for group in trained.optimizer.param_groups:
        layers = {".".join(names[w].split(".")[: 1 if names[w].startswith("head") else 2]) for w in group["params"]}
        found[group["lr"]] = layers
    assert found == rates


def test_what_all_trials_stand_on_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Transfer({"frozen": 2}), Transfer({"frozen": 2, "lr": 0.1})
    monkeypatch.setattr(transfer.nn.functional, "cross_entropy", None)  # no network could be trained
    monkeypatch.setattr(transfer.Staged, "features", None)  # nor features computed
    assert Transfer({"frozen": 2, "lr": 0.2}).model.skipped == 2


def test_a_new_head_alone_learns_to_read() -> None:
    reused = Transfer({"frozen": 3, "lr": 1e-2})
    scores = [reused.step()["val_accuracy"] for _ in range(8)]
    assert scores[-1] > 0.5 > scores[0]


@pytest.mark.parametrize(
    ("config", "error", "said"),
    [
        ({"start": "reusd"}, UnknownName, "no start named 'reusd'. Did you mean 'reused'?"),
        ({"frozen": 4}, ValueError, "parameter 'frozen' is 4: 0 to 3 layers can be frozen"),
        ({"examples": 0}, ValueError, "parameter 'examples' is 0: 1 or more is needed"),
    ],
    ids=str,
)
def test_a_wrong_parameter_is_told(config: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as refused:
        Transfer(config)
    assert said in str(refused.value)
