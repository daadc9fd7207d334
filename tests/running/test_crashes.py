"""A driver that dies at any moment: `resume` ends where an unbroken run ends, and repeats next to nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from models.toy import Adapts
from ray import tune

from orchestune import Asha, Experiment, Fifo, HyperBand, Pbt, Plateau, Resources, perturb
from orchestune.pairs import AUTO
from orchestune.running.journal import Event, read_events
from orchestune.running.record import Record
from orchestune.schedulers import MultiFidelityRungs
from tests.conftest import Plan
from tests.running.simulation import Crash, Early, Halving, crash_at, session, toy


def by_x(config: dict[str, Any]) -> Resources:
    """Of the one CPU there is, the first trials take all, half, half, all, too much, and all."""
    return Resources(cpu=0.5 if config["x"] < 0.12 else 1 if config["x"] < 0.8 else 1.5)


EXPERIMENTS = {
    "asha": toy(scheduler=Asha(reduction_factor=3)),
    "halving": toy(scheduler=Halving()),
    "stop_at_score": toy(scheduler=Fifo(), stop_at_score=0.7, num_samples=20),
    "hyperband": toy(scheduler=HyperBand(reduction_factor=2), num_samples=7),
    "promoting": toy(scheduler=Asha(reduction_factor=2, promote=True), num_samples=4),
    "pbt": toy(
        trainable=Adapts,
        space={"x": perturb(tune.uniform(0, 1))},
        scheduler=Pbt(perturbation_interval=1),
        num_samples=4,
        max_epochs=3,
    ),
    "multifidelity": toy(searcher=AUTO, scheduler=MultiFidelityRungs(n_initial_points=3, levels=2), num_samples=5),
    "plateau": toy(scheduler=Plateau(patience=1, min_delta=0.1)),
    "early": toy(scheduler=Early(), num_samples=5),
    "by_x": toy(scheduler=Fifo(), resources=by_x, num_samples=6, max_epochs=2),
}


def essence(record: Record) -> object:
    """What must not depend on crashes: every trial's configuration, curve and end, and the run's."""
    assert record.run_end
    trials = [(t.id, t.config, t.scores, t.status, t.why) for t in record.trials.values()]
    return trials, record.run_end["why"], record.run_end["test"]


def witnessed(path: Path) -> tuple[list[str], list[str]]:
    """Epochs trained, as `trial epoch x`, and looks at the test split."""
    lines = path.read_text().splitlines()
    return [line for line in lines if not line.startswith("test")], [line for line in lines if line.startswith("test")]


@pytest.fixture
def witness(plan: Plan) -> Path:
    return plan()


def unbroken(experiment: Experiment, root: Path, witness: Path) -> object:
    expected = essence(session(experiment, root))
    witness.unlink()
    return expected


@pytest.mark.parametrize("moment", ["before", "after", "torn"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_crash_at_every_durable_step(
    name: str, moment: str, tmp_path: Path, witness: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = EXPERIMENTS[name]
    expected = unbroken(experiment, tmp_path / "unbroken", witness)
    nth, crashed = 0, True
    while crashed:  # the first 1, 2, 3, ... durable steps, until a run comes to its end undisturbed
        nth, root = nth + 1, tmp_path / f"run-{nth}"
        try:
            with crash_at(nth, moment, monkeypatch):
                record = session(experiment, root)
            crashed = False
        except Crash:
            record = session(experiment, root) if not ended(root) else Record.of(events(root))
        assert essence(record) == expected, f"after a crash at durable step {nth}"
        epochs, tests = witnessed(witness)
        assert len(epochs) - len(set(epochs)) <= 1, f"epochs trained twice after a crash at durable step {nth}"
        assert len(tests) <= (2 if crashed else 1)
        witness.unlink()
    assert nth > 8, "the run has more durable steps than that"


def ended(root: Path) -> bool:
    found = events(root)
    return bool(found) and found[-1]["event"] == "run_end"


def events(root: Path) -> list[Event]:
    return read_events(root / "events.jsonl") if (root / "events.jsonl").exists() else []


def test_the_test_split_is_looked_at_once(tmp_path: Path, witness: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its score is on the disk, no crash costs a second look."""
    experiment, root, nth = toy(), tmp_path / "run", 0
    while not (list(root.glob("trials/*/test-*.json"))):
        nth += 1
        shutil.rmtree(root, ignore_errors=True)
        witness.unlink(missing_ok=True)
        with pytest.raises(Crash), crash_at(nth, "after", monkeypatch):
            session(experiment, root)
    session(experiment, root)
    assert len(witnessed(witness)[1]) == 1


def test_halving_spends_what_the_paper_says(tmp_path: Path, witness: Path) -> None:
    """8 x 1 + 4 x (2 - 1) + 2 x (4 - 2) epochs: pausing and going on repeats nothing."""
    record = session(toy(scheduler=Halving(), num_samples=8), tmp_path / "run")
    epochs, _ = witnessed(witness)
    assert len(epochs) == len(set(epochs)) == record.epochs == 8 + 4 + 4


def test_crashes_again_and_again(tmp_path: Path, witness: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that gets only a few steps further each time still comes to the same end."""
    experiment = toy(scheduler=Halving())
    expected = unbroken(experiment, tmp_path / "unbroken", witness)
    sessions, record = 0, None
    while record is None:
        sessions += 1
        try:
            with crash_at(25, "after" if sessions % 2 else "before", monkeypatch):
                record = session(experiment, tmp_path / "run")
        except Crash:
            continue
    assert essence(record) == expected
    assert sessions > 3
