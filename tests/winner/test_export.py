"""`best --export`: a folder that needs neither Ray nor the project, and scores what the run scored."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from orchestune.asked import read
from orchestune.cli import main
from orchestune.errors import CheckpointDamaged, ExportError, RunStateError
from orchestune.winner.export import export_best, write
from orchestune.winner.winner import Winner, apart, winner_of
from tests.running.simulation import toy
from tests.winner.conftest import finished


@pytest.fixture
def winner(a_run: Path, house: Path) -> Winner:
    return winner_of(read(a_run), a_run)


def test_the_folder_scores_what_the_run_scored(
    a_run: Path, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "model"
    assert main(["best", str(a_run), "--export", str(target)]) == 0
    assert f"export      {target}: trial" in capsys.readouterr().out
    record = read(a_run)
    assert record.best
    assert {path.name for path in target.iterdir()} == {
        "config.json", "origin.json", "model.safetensors", "evaluate.py", "source",
    }  # fmt: skip
    assert json.loads((target / "config.json").read_text()) == record.best.config
    weights = torch.load(a_run / "best" / "state.pt", weights_only=True)["model"]
    kept = load_file(target / "model.safetensors")
    assert all(torch.equal(kept[name], weights[name]) for name in weights)
    assert not [path for path in target.rglob("*") if "searchers" in path.parts or "running" in path.parts]

    # Elsewhere, where `ray` is a file that fails and `orchestune` is another one's.
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("ray.py", "orchestune.py", "trainables.py"):
        (trap / name).write_text("raise RuntimeError('not to be imported')")
    environment = {**os.environ, "PYTHONPATH": str(trap)}
    done = subprocess.run(
        [sys.executable, str(target / "evaluate.py"), "--split", "test", "--json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == pytest.approx(record.test)


def test_what_differs_from_the_journal_is_refused(
    winner: Winner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    differs = {**winner.reported, "val_accuracy": 0.999}
    monkeypatch.setattr("orchestune.winner.export.evaluated", lambda *_: differs)
    with pytest.raises(ExportError, match=r"val_accuracy is 0\.999 and was 0\.\d+"):
        export_best(winner, tmp_path / "model")
    monkeypatch.setattr("orchestune.winner.export.evaluated", lambda *_: {"val_other": 1.0})
    with pytest.raises(ExportError, match="val_other, the journal does not have: it has train_loss"):
        export_best(winner, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_built_elsewhere_is_refused(
    winner: Winner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestune.winner.export.sources", lambda *_: {"trainables/mlp.py": "import ray"})
    with pytest.raises(ExportError, match="without Ray and outside its project: ModuleNotFoundError: import of ray"):
        export_best(winner, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_of_several_executions_the_first_is_exported(
    house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = finished(tmp_path / "twice", executions_per_trial="2", num_samples="1", max_epochs="1")
    winner = winner_of(read(root), root)
    made = winner.trained(str(tmp_path))
    found = {f"val_{name}": value for name, value in made.evaluate(made.data.validation).items()}
    monkeypatch.setattr("orchestune.winner.export.evaluated", lambda *_: found)
    assert winner.reported["val_accuracy_0"] != winner.reported["val_accuracy"]
    assert export_best(winner, tmp_path / "model") == found
    assert found["val_accuracy"] == pytest.approx(winner.reported["val_accuracy_0"])
    assert json.loads((tmp_path / "model" / "origin.json").read_text())["metrics"]["val_loss"] == pytest.approx(
        winner.reported["val_loss_0"]
    )


def test_a_model_without_anything_to_check_it_by(winner: Winner, tmp_path: Path) -> None:
    made = winner.trained(str(tmp_path))
    made.data = dataclasses.replace(made.data, validation=None)
    with pytest.raises(ExportError, match="has no validation split: nothing could tell"):
        write(winner, made, tmp_path / "model", split="validation", expected={"val_loss": 1.0}, epoch=1)


def test_a_state_that_is_more_than_tensors(winner: Winner, tmp_path: Path) -> None:
    made = winner.trained(str(tmp_path))
    made.model.get_extra_state = lambda: "words"
    type(made.model).get_extra_state, before = (lambda self: "words"), type(made.model).get_extra_state
    try:
        with pytest.raises(ExportError, match="cannot be written as safetensors"):
            write(winner, made, tmp_path / "model", split="validation", expected={"val_loss": 1.0}, epoch=1)
    finally:
        type(made.model).get_extra_state = before
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("expected", "found", "wrong"),
    [
        ({"val_loss": 1.0}, {"val_loss": 1.00001}, []),
        ({"val_loss": 1.0}, {"val_loss": 1.01}, ["val_loss is 1.01 and was 1.0"]),
        ({"val_loss": 1.0}, {"other": 2.0}, []),
        ({"val_loss": None}, {"val_loss": 2.0}, ["val_loss is 2.0 and was None"]),
        ({"val_loss": 0.0}, {"val_loss": 1e-7}, []),
        ({"val_loss": 0.0}, {"val_loss": 1e-3}, ["val_loss is 0.001 and was 0.0"]),
    ],
    ids=["close", "far", "another", "none", "zero", "not zero"],
)
def test_what_is_apart(expected: dict[str, float], found: dict[str, float], wrong: list[str]) -> None:
    assert apart(expected, found, 1e-4) == wrong


# ---- refusals


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("orchestune: ")
    assert "Traceback" not in captured.err
    return captured.err


def test_nothing_is_written_over(a_run: Path, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("x")
    assert f"{tmp_path} has mine already" in refused(capsys, "best", str(a_run), "--export", str(tmp_path))
    assert "is a file" in refused(capsys, "best", str(a_run), "--export", str(tmp_path / "mine"))
    assert "--json goes without" in refused(capsys, "best", str(a_run), "--export", str(tmp_path / "new"), "--json")
    assert {path.name for path in tmp_path.iterdir()} == {"mine"}


def test_a_run_on_a_cluster_is_fetched_first(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "best", "mine", "--cluster", "lab.yaml", "--export", "model")
    assert "first `orchestune fetch mine --cluster lab.yaml`" in said


def test_a_run_that_goes_on(a_run: Path, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    *lines, _ = (a_run / "events.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "events.jsonl").write_text("".join(lines))
    assert "is not finished: another trial may still win" in refused(capsys, "best", str(tmp_path), "--retrain")


def test_a_run_of_another_project(
    a_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "go to the folder of its project" in refused(capsys, "best", str(a_run), "--retrain")


def test_a_winner_whose_checkpoint_is_gone_or_damaged(house: Path, tmp_path: Path) -> None:
    root = finished(tmp_path / "run", num_samples="1", max_epochs="1")
    state = root / "best" / "state.pt"
    state.write_bytes(state.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointDamaged, match="is not what was written"):
        winner_of(read(root), root)
    (root / "best").rename(root / "gone")
    with pytest.raises(RunStateError, match="has no best/"):
        winner_of(read(root), root)


def test_a_plain_trainable_has_no_model_to_export(winner: Winner, tmp_path: Path) -> None:
    plain = dataclasses.replace(winner, experiment=toy())
    with pytest.raises(RunStateError, match="--export is for a TorchTrainable, whose model is known, and WithTest is"):
        export_best(plain, tmp_path / "model")
