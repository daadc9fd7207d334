"""What the experiments of this project find, on real Ray, against a plain scikit-learn loop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.svm import SVC

from orchestune.cli import main
from orchestune.report import words
from orchestune.running.journal import read_events
from orchestune.running.record import Record

HOUSE = Path(__file__).parents[2]
pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture(scope="module")
def rows() -> list[Any]:
    """The text's own split: rows to learn from and to test on, then their species."""
    return list(train_test_split(*load_iris(return_X_y=True), test_size=0.3, random_state=42))


def accuracy(model: Any, rows: list[Any]) -> float:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return float(cross_val_score(model, rows[0], rows[2], cv=folds).mean())


def run(name: str, storage: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Record:
    """Runs it, and sees that all who tell the answer tell the same."""
    monkeypatch.chdir(HOUSE)
    assert main(["run", name, "--storage", str(storage), "--run-name", name]) == 0
    printed = capsys.readouterr().out
    record = Record.of(read_events(storage / name / "events.jsonl"))
    assert record.run_end
    answer = record.run_end["answer"]
    page = (HOUSE / "docs" / "guide" / f"{name}.md").read_text()
    assert "\n".join(words.answer(record)) in page, "python -m benchmarks.guide writes what the page quotes"
    assert main(["show", str(storage / name), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answer"] == answer
    for command in ("show", "best"):
        assert main([command, str(storage / name)]) == 0
        assert f"answer      {answer[:40]}" in capsys.readouterr().out
    assert f"answer      {answer[:40]}" in printed
    return record


def test_the_grid_finds_what_two_nested_loops_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rows: list[Any]
) -> None:
    cells = [(c, gamma) for gamma in (0.01, 0.1) for c in (0.1, 1.0, 10.0)]  # in Ray's order: C varies fastest
    scores = {cell: round(accuracy(SVC(C=cell[0], gamma=cell[1]), rows), 9) for cell in cells}
    best = max(scores.values())
    ties = [cell for cell in cells if scores[cell] == best]
    tested = SVC(C=ties[0][0], gamma=ties[0][1]).fit(rows[0], rows[2]).score(rows[1], rows[3])

    record = run("svm_iris_grid", tmp_path, monkeypatch, capsys)
    found = {
        (trial.config["C"], trial.config["gamma"]): round(trial.best[1], 9)
        for trial in record.trials.values()
        if trial.best
    }
    assert [*found] == cells
    assert found == scores
    assert [(trial.config["C"], trial.config["gamma"]) for trial in record.ties] == ties
    assert record.best is record.ties[0]
    assert record.test == {"test_accuracy": tested}
    assert record.run_end
    for figure in (f"C={ties[0][0]:g}, gamma={ties[0][1]:g}: ", f"{best:.4f}", f"is {tested:.4f}."):
        assert figure in record.run_end["answer"]


def test_the_forest_scores_as_plain_cross_validation_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rows: list[Any]
) -> None:
    record = run("forest_iris_random", tmp_path, monkeypatch, capsys)
    assert len(record.trials) == 9
    for trial in record.trials.values():
        assert 50 <= trial.config["n_estimators"] < 200
        assert 5 <= trial.config["max_depth"] < 20
    assert record.best
    assert record.best.best
    forest = RandomForestClassifier(**record.best.config, random_state=42)
    assert record.best.best == (5, pytest.approx(accuracy(forest, rows), abs=1e-9))
    assert record.test == {"test_accuracy": forest.fit(rows[0], rows[2]).score(rows[1], rows[3])}
    assert record.run_end
    assert f"{record.best.best[1]:.4f}" in record.run_end["answer"]
