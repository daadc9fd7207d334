"""A run ends by answering its question; a mistake in that costs the sentence, and never the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestune import Record
from orchestune.errors import DataError
from orchestune.report import words
from orchestune.running.journal import read_events
from tests.running.simulation import session, toy


def best_and_tested(run: Record) -> str:
    assert run.best is not None
    assert run.run_end is not None
    return f"""x = {run.best.config["x"]:.3f} is best of {len(run.trials)};
    on unseen data {run.run_end["test"]}"""


def fails(run: Record) -> str:
    raise ZeroDivisionError("no trials of that kind")


def test_the_answer_is_the_journals(tmp_path: Path) -> None:
    run = session(toy(answer=best_and_tested), tmp_path / "run")
    assert run.best is not None
    assert run.run_end is not None
    expected = f"x = {run.best.config['x']:.3f} is best of 5; on unseen data {run.run_end['test']}"
    assert run.run_end["test"]
    again = Record.of(read_events(tmp_path / "run" / "events.jsonl"))
    assert again.run_end is not None
    assert again.run_end["answer"] == expected
    (first, *_) = words.summary(again, tmp_path / "run")
    assert first == f"answer      {expected}"
    assert words.as_json(again)["answer"] == expected


def test_a_long_one_is_folded(tmp_path: Path) -> None:
    run = session(toy(answer=lambda run: "one two three " * 20), tmp_path / "run")
    lines = words.answer(run)
    assert len(lines) > 2
    assert all(len(line) <= 100 for line in lines)
    assert all(line.startswith(" " * 12) for line in lines[1:])


@pytest.mark.parametrize(("answer", "said"), [(fails, "no trials of that kind"), (lambda run: 42, "answer gave 42")])
def test_a_mistake_costs_the_sentence_alone(answer: object, said: str, tmp_path: Path) -> None:
    told: list[str] = []
    run = session(toy(answer=answer), tmp_path / "run", told.append)
    assert run.run_end is not None
    assert run.run_end["why"] == "done"
    assert (tmp_path / "run" / "best").exists()
    (complaint,) = told
    assert "Traceback" in complaint
    assert said in complaint
    (line, *_) = words.summary(run, tmp_path)
    assert line.startswith("answer      cannot be given: ")
    assert said in line


def test_a_run_without_one_says_nothing(tmp_path: Path) -> None:
    run = session(toy(), tmp_path / "run")
    assert words.summary(run, tmp_path)[0].startswith("best")
    assert words.as_json(run)["answer"] is None


def test_neither_is_part_of_the_question() -> None:
    asked = toy(answer=fails, prepare=lambda: None).to_json()
    assert json.dumps(asked) == json.dumps(toy().to_json())


def test_what_all_trials_stand_on_is_built_before_them() -> None:
    built: list[str] = []
    toy(prepare=lambda: built.append("trunk")).get_ready()
    assert built == ["trunk"]

    def absent() -> None:
        raise DataError("no trunk here")

    with pytest.raises(DataError, match="no trunk here"):
        toy(prepare=absent).get_ready()
