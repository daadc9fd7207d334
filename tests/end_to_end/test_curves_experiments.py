"""What the experiments on MNIST find, on real Ray and few images; and that it holds for other trainings."""

from __future__ import annotations

import re
import shlex
import xml.etree.ElementTree as tree
from pathlib import Path

import pytest

from orchestune import Record, catalog
from orchestune.cli import main
from orchestune.overrides import apply_overrides
from orchestune.running.journal import read_events
from tests.conftest import NEEDS_MNIST
from trainables.mlp import MnistMLP

HOUSE = Path(__file__).parents[2]
pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster"), NEEDS_MNIST]


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(HOUSE)
    return tmp_path


def run(storage: Path, name: str, *words: str) -> tuple[Record, str]:
    """The run's record, and its answer."""
    assert main(["run", name, "--storage", str(storage), "--run-name", name, *words]) == 0
    record = Record.of(read_events(storage / name / "events.jsonl"))
    assert record.run_end
    return record, record.run_end["answer"]


def drawn(storage: Path, name: str) -> set[str | None]:
    """What the picture of the run holds, by name."""
    out = storage / f"{name}.svg"
    assert main(["plot", str(storage / name), "--out", str(out)]) == 0
    return {element.get("id") for element in tree.parse(out).iter()}


def test_a_narrow_layer_underfits_and_a_wide_one_overfits(storage: Path) -> None:
    record, answer = run(storage, "mnist_learning_curves", "--set", "images=1000", "--max-epochs", "30")
    best = record.best
    assert best is not None
    assert best.best is not None
    assert best.config["hidden"] == [128]
    epoch, train = best.best[0], best.curves["train_loss"]
    assert f"128 units do best, and overfit after epoch {epoch}: " in answer
    assert best.why == f"plateau, epoch {epoch + 5}"
    assert train[epoch + 5] < train[epoch], "it went on learning what it was shown"
    assert "2 units underfit: " in answer
    assert drawn(storage, "mnist_learning_curves") >= {"train_loss", "val_loss", "best", "trial-0000", "trial-0001"}


@pytest.mark.timeout(300)
def test_half_of_the_largest_stable_rate_trains_and_eight_times_as_much_does_not(storage: Path) -> None:
    record, answer = run(storage, "lr_range_test", "--set", "images=5000", "--seed", "1")
    (trial,) = record.trials.values()
    rates = trial.curves["lr"]
    assert max(rates.values()) / rates[1] > 1000
    assert trial.scores[trial.epochs] > 3 * min(trial.scores.values()), "it went on until it diverged"
    assert drawn(storage, "lr_range_test") >= {"train_loss", "val_loss", "best"}

    # the other experiment takes the bounds as they are written
    words = shlex.split(answer[answer.index("orchestune run ") :])[1:]
    assert main(["plan", *words[1:], "--untimed"]) == 0
    bounded = apply_overrides(catalog.load(words[1], HOUSE), {"set lr": words[3].removeprefix("lr=")})
    (lr,) = (parameter.to_json() for parameter in bounded.typed_space.parameters if parameter.name == "lr")
    half = re.search(r"half of the largest stable rate, (\S+)\. ", answer)
    assert half
    suggested = float(half[1])
    assert lr["low"] < suggested < lr["high"]
    assert lr["high"] == pytest.approx(2 * suggested, rel=0.1)

    def accuracy(rate: float) -> float:
        trained = type("Seeded", (MnistMLP,), {"seed": 7, "__module__": MnistMLP.__module__})(
            {"images": 3_000, "hidden": [128, 128], "optimizer": "adam", "batch_size": 32, "lr": rate}
        )
        return float([trained.step()["val_accuracy"] for _ in range(2)][-1])

    assert accuracy(suggested) > 0.8
    assert accuracy(8 * suggested * 2) < 0.5


def test_a_rate_in_proportion_makes_up_for_a_larger_batch(storage: Path) -> None:
    small = ["--set", "images=3000", "--max-epochs", "3", "--executions-per-trial", "1"]
    record, answer = run(storage, "batch_size", *small)
    trials = {(trial.config["batch_size"], trial.config.get("lr_rule")): trial for trial in record.trials.values()}
    sizes = (128, 512, 2048)
    assert [*trials] == [(32, None), *((size, rule) for rule in ("fixed", "linear") for size in sizes)]
    score = {key: trial.best[1] for key, trial in trials.items() if trial.best}
    assert score[32, None] > score[128, "fixed"] > score[512, "fixed"] > score[2048, "fixed"]
    assert score[512, "linear"] > score[512, "fixed"] + 0.1
    speed = {key: trial.examples / trial.spent["train_s"] for key, trial in trials.items()}
    assert max(speed[512, "fixed"], speed[512, "linear"]) > speed[32, None]
    assert f"at 512 from {score[512, 'fixed']:.3f} to {score[512, 'linear']:.3f}" in answer
