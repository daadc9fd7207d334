"""`best --retrain`: the same training on more data, the same each time, tested once."""

from __future__ import annotations

import dataclasses
import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from orchestune import Data
from orchestune.asked import read
from orchestune.cli import main
from orchestune.errors import RunStateError, StorageError
from orchestune.running.record import Turn
from orchestune.training.data import batches, together
from orchestune.winner.retrain import export_retrained, on_all, retrained
from orchestune.winner.winner import Winner, winner_of
from tests.winner.conftest import finished
from trainables.digits import digits
from trainables.mlp import MLP


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose winner is trained again by the first test that asks."""
    return finished(tmp_path_factory.mktemp("retrained") / "run", num_samples="2")


@pytest.fixture
def winner(trained: Path, house: Path) -> Winner:
    return winner_of(read(trained), trained)


def quiet(text: str) -> None:
    """Nobody listens."""


def test_it_is_the_winners_training_on_both_splits(
    trained: Path, winner: Winner, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["best", str(trained), "--retrain"]) == 0
    said = capsys.readouterr().out
    assert winner.trial.best
    epochs = winner.trial.best[0]
    assert f"epoch {epochs} of {epochs}: train_loss=" in said
    assert f"epoch {epochs + 1}" not in said

    data = digits()
    assert isinstance(data.train, tuple)
    assert isinstance(data.validation, tuple)

    class Plain(MLP):
        metrics = ("train_loss",)
        seed = winner.seed
        max_epochs = winner.experiment.max_epochs

        def make_data(self) -> Data:
            both = [torch.cat(parts) for parts in zip(data.train, data.validation, strict=True)]
            return Data(train=tuple(both), test=data.test)

    plain = Plain(winner.config)
    for _ in range(epochs):
        plain.step()
    result = json.loads((trained / "retrained" / "result.json").read_text())
    assert result["test"] == plain.test() != winner.record.test
    assert (result["trial"], result["epochs"], result["seed"]) == (winner.trial.id, epochs, winner.seed)
    kept = torch.load(trained / "retrained" / "state.pt", weights_only=True)["model"]
    assert all(torch.equal(kept[name], weight) for name, weight in plain.model.state_dict().items())


def test_again_says_that_it_is_there(trained: Path, winner: Winner, capsys: pytest.CaptureFixture[str]) -> None:
    first = retrained(winner, quiet)
    before = (trained / "retrained" / "state.pt").stat().st_mtime_ns
    assert main(["best", str(trained), "--retrain"]) == 0
    said = capsys.readouterr().out
    assert f"it is there: {trained}/retrained" in said
    assert "epoch 1 of" not in said
    assert f"test_accuracy={first['test']['test_accuracy']:.4g} (looked at once)" in said
    assert (trained / "retrained" / "state.pt").stat().st_mtime_ns == before


def test_its_export_scores_the_same_on_the_test_split(
    winner: Winner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = retrained(winner, quiet)
    asked: list[str] = []

    def evaluated(folder: Path, split: str) -> dict[str, float]:
        asked.append(split)
        return dict(result["test"])

    monkeypatch.setattr("orchestune.winner.export.evaluated", evaluated)
    export_retrained(winner, result, tmp_path / "model")
    assert asked == ["test"]
    assert json.loads((tmp_path / "model" / "origin.json").read_text())["metrics"] == result["test"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"validation": None}, "has no validation split"),
        ({"test": None}, "has no test split"),
        ({"train": DataLoader(TensorDataset(*digits().train))}, "of which one is a DataLoader"),
    ],
    ids=["no validation", "no test", "loader"],
)
def test_data_that_cannot_be_had_together(changed: dict[str, Any], said: str) -> None:
    class Odd(MLP):
        def make_data(self) -> Data:
            return dataclasses.replace(digits(), **changed)

    with pytest.raises(RunStateError, match=said):
        on_all(Odd)({})


def test_a_winner_that_changed_while_it_trained(winner: Winner, tmp_path: Path) -> None:
    changed = dataclasses.replace(winner.trial, turns=[Turn(2, 1, {})])
    elsewhere = dataclasses.replace(winner.paths, root=tmp_path)
    with pytest.raises(RunStateError, match="no one configuration trains it again"):
        retrained(dataclasses.replace(winner, trial=changed, paths=elsewhere), quiet)
    assert not list(tmp_path.iterdir())


def test_what_breaks_off_leaves_nothing_behind(winner: Winner, tmp_path: Path) -> None:
    elsewhere = dataclasses.replace(winner, paths=dataclasses.replace(winner.paths, root=tmp_path))

    def interrupt(text: str) -> None:
        if text.startswith("epoch"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrained(elsewhere, interrupt)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_behind(winner: Winner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = dataclasses.replace(winner, paths=dataclasses.replace(winner.paths, root=tmp_path))

    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("orchestune.winner.retrain.write_whole", full)
    with pytest.raises(StorageError, match=r"No space left on device\. Make room, then --retrain again"):
        retrained(elsewhere, quiet)
    assert not list(tmp_path.iterdir())


def test_splits_of_two_kinds_are_joined_in_their_order() -> None:
    tensors = (torch.arange(3.0), torch.arange(3))
    more = TensorDataset(torch.arange(10.0, 12.0), torch.arange(10, 12))
    both = (torch.cat([tensors[0], more.tensors[0]]), torch.cat([tensors[1], more.tensors[1]]))
    for joined in (together(tensors, more), together(tensors, more.tensors)):
        (batch,) = batches(joined, 100)
        assert all(torch.equal(got, wanted) for got, wanted in zip(batch, both, strict=True))
