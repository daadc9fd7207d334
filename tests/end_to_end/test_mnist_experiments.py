"""What the experiments on MNIST find, through the command line, on few images: on real Ray."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from orchestune import Grow, discover
from orchestune.cli import main
from orchestune.running.journal import read_events
from orchestune.running.record import Record
from tests.conftest import NEEDS_MNIST
from tests.experiments.recorded import module

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


def test_hyperbands_epochs_are_the_papers_plan(run: Any) -> None:
    """For 4 epochs: 3 trials to epoch 1 and the best of them to 4; then 2 to 4."""
    record = run("mnist_hyperband", "--max-epochs", "4")
    trials = [*record.trials.values()]  # in the order of their birth: bracket after bracket
    assert sorted(trial.epochs for trial in trials[:3]) == [1, 1, 4]
    assert max(trials[:3], key=lambda trial: trial.scores[1]).epochs == 4
    assert [trial.epochs for trial in trials[3:]] == [4, 4]
    assert "they ended 2 after 1, 3 after 4: 14 in all, where everybody's 4 are 20." in told(record)
    assert quoted("mnist_hyperband").startswith("Of 17 configurations the best is ")


def test_repeats_report_both_trainings(run: Any, tmp_path: Path) -> None:
    record = run("mnist_repeats", "--num-samples", "3", "--max-epochs", "2")
    reports = [
        event for event in read_events(tmp_path / "mnist_repeats" / "events.jsonl") if event["event"] == "report"
    ]
    assert len(reports) == 6
    for report in reports:
        copies = [report["metrics"][f"val_accuracy_{number}"] for number in (0, 1)]
        assert report["score"] == pytest.approx(fmean(copies))
        assert record.trials[report["trial"]].curves["val_accuracy_sd"][report["epoch"]] == pytest.approx(stdev(copies))
    assert any(report["metrics"]["val_accuracy_sd"] > 0 for report in reports), "another seed is another training"
    first, second = sorted((trial.best[1] for trial in record.ranked if trial.best), reverse=True)[:2]
    assert record.best
    assert record.best.spread is not None
    assert f"spread {record.best.spread:.4f}" in told(record)
    verdict = "within" if first - second <= record.best.spread else "outside"
    assert f"is {first - second:.4f} behind, {verdict} that spread" in told(record)


def test_the_sequence_trains_no_configuration_twice(run: Any) -> None:
    record = run("mnist_sequential", "--max-epochs", "1")
    asked = [(trial.config["lr"], trial.config["hidden"][0]) for trial in record.trials.values()]
    assert asked[:3] == [(0.01, 64), (0.001, 64), (0.0001, 64)]
    scores = {pair: trial.best[1] for pair, trial in zip(asked, record.trials.values(), strict=True) if trial.best}
    best = max(asked[:3], key=lambda pair: scores[pair])[0]
    assert asked[3:] == [(best, 32), (best, 128)], "64 units with the best rate are known from step 1"
    assert record.best
    assert record.best.best
    assert record.best.best[1] == max(scores.values())
    assert without_figures(told(record)) == without_figures(quoted("mnist_sequential"))


def test_a_network_grows_only_as_far_as_it_helps(run: Any) -> None:
    """Each network is sound, and larger than one that had gained; nothing is tried twice; none fits a smaller gain."""
    record = run(
        "grow_network", "--max-epochs", "2", "--searcher", "grow(min_gain=0.03)", "--executions-per-trial", "1"
    )
    scores: dict[tuple[int, ...], float] = {}
    for trial in record.trials.values():
        shape = tuple(trial.config[f"units_{place}"] for place in range(trial.config["layers"]))
        assert shape not in scores
        assert set(shape) <= set(range(16, 129, 16))
        assert all(before / 2 <= here <= before for before, here in pairwise(shape))
        assert trial.best
        scores[shape] = trial.best[1]
    shapes = [*scores]
    assert shapes[:3] == [(16,), (16, 16), (32,)]
    layers = Grow().layers(discover(module("grow_network").build_model))
    now, left = (16,), shapes[1:]
    while left:
        step = [shape for shape in layers.larger(now) if shape in left]
        assert sorted(left[: len(step)]) == sorted(step), "a step has all ways to enlarge the network, and no others"
        best, left = max(step, key=lambda shape: scores[shape]), left[len(step) :]
        assert bool(left) == (scores[best] - scores[now] >= 0.03), "it goes on exactly as long as a step gains"
        now = best if left else now
    assert f"So {'-'.join(map(str, now))}, " in told(record)


def test_shapes_of_the_same_price_are_compared(run: Any) -> None:
    shapes = [[36], [59, 59], [49] * 5]
    small = ("--max-epochs", "1", "--executions-per-trial", "1", "--set", f"hidden=grid_search({shapes})")
    record = run("depth_vs_width", *small)
    scores = {len(trial.config["hidden"]): trial.best[1] for trial in record.trials.values() if trial.best}
    assert [trial.config["hidden"] for trial in record.trials.values()] == shapes
    assert f"28,400: 1 x 36 ({scores[1]:.4f}" in told(record)
    better = 2 if scores[2] >= scores[5] else 5
    assert f"50,000: {better} x {shapes[better // 2][0]} ({scores[better]:.4f}" in told(record)
    assert "3: more than were tried" in told(record)
