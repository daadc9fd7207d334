"""What the experiments that start from a trained network find, on real Ray, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from orchestune.cli import main
from orchestune.running.journal import read_events
from orchestune.running.record import Record
from tests.conftest import NEEDS_MNIST
from tests.trainables.gemma import NEEDS_LORA
from trainables.transfer import MnistTransfer

HOUSE = Path(__file__).parents[2]
pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


def run(name: str, storage: Path, *words: str) -> Record:
    assert main(["run", name, "--storage", str(storage), "--run-name", name, *words]) == 0
    return Record.of(read_events(storage / name / "events.jsonl"))


def answer(record: Record) -> str:
    assert record.run_end
    return str(record.run_end["answer"])


@NEEDS_LORA
@pytest.mark.faults  # with the other long ones
@pytest.mark.timeout(600)  # the base is taught first
def test_adapters_teach_a_model_of_prose_to_write_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(HOUSE)
    record = run("lora_text", tmp_path, "--num-samples", "2", "--max-epochs", "2", "--set", "characters=40000",
                 "--set", "lr=loguniform(4e-3, 8e-3)")  # fmt: skip
    assert record.best
    config, test = record.best.config, record.test
    sizes = dict.fromkeys(["q_proj", "k_proj", "v_proj", "o_proj"], 64 + 64)
    sizes |= dict.fromkeys(["gate_proj", "up_proj", "down_proj"], 64 + 128)
    train = 2 * config["rank"] * sum(sizes[target] for target in config["targets"])
    assert test["test_trainable_parameters"] == train
    assert test["test_loss"] < test["test_base_loss"] - 0.1
    assert test["test_base_loss"] < 5, "the base has learnt something of texts: 6.2 is chance"
    for figure in (f"rank {config['rank']} beside", f"{train:,} weights", f"to {test['test_loss']:.3f}. It wrote"):
        assert figure in answer(record)
    best = tmp_path / "lora_text" / "best"
    assert (best / "adapter_model.safetensors").stat().st_size < 4 * train + 10_000
    assert "test_text" not in capsys.readouterr().out, "texts are the answer's to tell"
    assert main(["show", str(tmp_path / "lora_text"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test"] == test


@NEEDS_MNIST
@pytest.mark.timeout(300)  # two workers begin, and features are computed for each number of frozen layers
def test_the_best_layers_to_freeze_stay_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HOUSE)
    record = run("mnist_transfer", tmp_path, "--num-samples", "6", "--max-epochs", "3", "--set", "start=reused",
                 "--set", "lr=loguniform(5e-3, 1e-2)")  # fmt: skip
    assert record.best
    config: dict[str, Any] = record.best.config
    assert f"Best of 6 is {config['frozen']} of 3 layers frozen" in answer(record)
    for trial in record.trials.values():
        assert f"{trial.config['frozen']} of 3 layers frozen 0." in answer(record)
        assert ("lr_reused" in trial.config) == (trial.config["frozen"] < 3)
    assert record.test["test_accuracy"] > 0.4, "of five digits"
    kept = torch.load(tmp_path / "mnist_transfer" / "best" / "state.pt", weights_only=True)["model"]
    trunk = torch.load(MnistTransfer.trunk(), weights_only=True)
    stages = {name: int(name.split(".")[1]) for name in trunk if name.startswith("stages")}
    assert all(torch.equal(kept[name], trunk[name]) == (stage < config["frozen"]) for name, stage in stages.items())
