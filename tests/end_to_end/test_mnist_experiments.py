"""What the experiments on MNIST find, through the command line, on few images: on real Ray."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from orchestune.cli import main
from orchestune.running.journal import read_events
from orchestune.running.record import Record
from tests.conftest import NEEDS_MNIST

HOUSE = Path(__file__).parents[2]
pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster"), NEEDS_MNIST]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """`run("mnist_bayesopt", "--max-epochs", "1")` is the finished run's record, of 300 images."""
    monkeypatch.chdir(HOUSE)

    def run(name: str, *words: str) -> Record:
        assert main(["run", name, "--storage", str(tmp_path), "--run-name", name, "--set", "images=300", *words]) == 0
        record = Record.of(read_events(tmp_path / name / "events.jsonl"))
        assert record.run_end
        assert record.run_end["answer"][:40] in capsys.readouterr().out
        return record

    return run


def quoted(name: str) -> str:
    """The answer in the experiment's page, on one line."""
    page = (HOUSE / "docs" / "guide" / f"{name}.md").read_text()
    found = re.search(r"```text\nanswer (.*?)\nbest  ", page, re.DOTALL)
    assert found, "python -m benchmarks.guide writes what the page quotes"
    return " ".join(found[1].split())


def without_figures(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "#", text)


def told(record: Record) -> str:
    assert record.run_end
    return str(record.run_end["answer"])


def test_a_dictionary_and_a_function_ask_the_same_question(run: Any) -> None:
    """The same configurations in the same order, with the same seeds: the same scores, to the last digit."""
    small = ("--num-samples", "3", "--max-epochs", "1")
    written, built = run("mnist_bayesopt", *small), run("mnist_build_model", *small)
    asked = [(*trial.config["hidden"], trial.config["lr"]) for trial in written.trials.values()]
    assert asked == [
        (trial.config["first_hidden"], trial.config["second_hidden"], trial.config["learning_rate"])
        for trial in built.trials.values()
    ]
    for first, second, lr in asked:
        assert {first, second} <= set(range(32, 257, 32))
        assert 0.005 <= lr <= 0.01
    assert [trial.scores for trial in written.trials.values()] == [trial.scores for trial in built.trials.values()]
    assert written.test == built.test
    for name, record in (("mnist_bayesopt", written), ("mnist_build_model", built)):
        assert without_figures(told(record)) == without_figures(quoted(name))
