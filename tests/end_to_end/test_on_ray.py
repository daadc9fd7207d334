"""Runs on real Ray, in this process, on the cluster that all tests share."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from models.toy import Fresh, ReadsData, Toy, WithTest
from ray import tune

from orchestune import Asha, Experiment, Fifo, Grid, Random, Resources
from orchestune.errors import ClusterError, DataError, RunAborted, RunStateError, StorageError
from orchestune.running.journal import Event, read_events
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record
from orchestune.running.runner import Outcome, resume, start
from tests.conftest import Plan
from tests.running.simulation import Halving, session, toy

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.said: list[str] = []

    def open(self, *_: Any) -> None:
        self.heard.append("open")

    def observe(self, event: Event, record: Record) -> None:
        self.heard.append(event["event"])

    def close(self) -> None:
        self.heard.append("close")

    def say(self, text: str) -> None:
        self.said.append(text)


def run(experiment: Experiment, storage: Path, name: str = "run", *listeners: Any) -> Outcome:
    return start(experiment, name="toy", storage=storage, run_name=name, listeners=listeners)


def epochs(witness: Path) -> list[str]:
    return [line for line in witness.read_text().splitlines() if not line.startswith("test")]


def curves(record: Record) -> dict[str, tuple[Any, ...]]:
    return {t.id: (t.config, t.scores, t.status, t.why) for t in record.trials.values()}


def without_ray(experiment: Experiment, storage: Path) -> Record:
    """What the run comes to where nothing goes wrong, one leg at a time."""
    return session(dataclasses.replace(experiment, max_concurrent_trials=1), storage / "without-ray")


def test_a_run_from_question_to_test_split(tmp_path: Path, plan: Plan) -> None:
    witness = plan()
    first, second = Listener(), Listener()
    outcome = run(toy(num_samples=8), tmp_path, "run", first, second)
    record, root = outcome.record, outcome.paths.root
    assert outcome.exit_code == 0
    assert len(record.trials) == 8
    assert len(epochs(witness)) == len(set(epochs(witness))) == record.epochs
    winner = record.best
    assert winner
    assert winner.config["x"] == max(t.config["x"] for t in record.trials.values() if t.epochs == 4)
    assert record.run_end
    assert record.run_end["test"] == {"test_score": winner.scores[4]}
    assert json.loads((root / "best" / "config.json").read_text()) == winner.config
    assert json.loads((root / "experiment.json").read_text())["metric"] == "score"
    assert not [path for path in root.rglob("*") if path.suffix in (".pkl", ".pickle")]
    told = [event["event"] for event in read_events(outcome.paths.events)]
    assert first.heard == second.heard == ["open", *told[1:], "close"]


def test_two_trials_at_a_time_ask_the_same(tmp_path: Path, plan: Plan) -> None:
    experiment = toy(max_concurrent_trials=2, scheduler=Fifo())
    assert curves(run(experiment, tmp_path).record) == curves(without_ray(experiment, tmp_path))


@pytest.mark.parametrize("scheduler", [Asha(reduction_factor=3), Halving()], ids=["asha", "halving"])
def test_a_killed_worker_costs_nothing(scheduler: Any, tmp_path: Path, plan: Plan) -> None:
    experiment = toy(scheduler=scheduler, max_concurrent_trials=1)
    unbroken = without_ray(experiment, tmp_path)
    victim = [t.id for t in unbroken.trials.values() if t.epochs == 4][-1]
    witness = plan(kill=[victim, 3])
    witness.unlink()
    broken = run(experiment, tmp_path, "broken")
    assert Path(f"{witness}.killed-{victim}").exists()
    assert curves(broken.record) == curves(unbroken)
    assert len(epochs(witness)) == len(set(epochs(witness))), "with a checkpoint an epoch, none is repeated"
    died = [e for e in read_events(broken.paths.events) if e["event"] == "leg_end" and e["why"] == "worker_died"]
    assert [e["trial"] for e in died] == [victim]


def test_epochs_since_the_last_checkpoint_are_repeated_once(tmp_path: Path, plan: Plan) -> None:
    witness = plan(kill=["0000", 3])
    outcome = run(toy(num_samples=1, checkpoint_every=2), tmp_path)
    assert [line.split()[1] for line in epochs(witness)] == ["1", "2", "3", "3", "4"]
    assert outcome.record.epochs == 4


def test_a_worker_that_always_dies_fails_its_trial(tmp_path: Path, plan: Plan) -> None:
    plan(kill=["any", 1])
    outcome = run(toy(num_samples=1, max_retries=1), tmp_path)
    trial = outcome.record.trials["0000"]
    assert (trial.status, trial.fault, trial.leg) == ("failed", "machine", 2)
    assert "died 2 times without progress" in trial.why
    assert outcome.exit_code == 1


def test_the_same_traceback_three_times_stops_the_run(tmp_path: Path, plan: Plan) -> None:
    plan(fault=["raise", 2])
    experiment = toy(num_samples=8, scheduler=Fifo())
    with pytest.raises(RunAborted, match=r"3 trials in a row failed at the same place(.|\n)*ValueError: x is 0\."):
        run(experiment, tmp_path)
    ends = [e for e in read_events(tmp_path / "run" / "events.jsonl") if e["event"] == "end"]
    assert [e["fault"] for e in ends] == ["code"] * 3
    plan()  # the code is mended: the rest is trained
    outcome = resume(experiment, RunPaths(tmp_path / "run"), listeners=[])
    assert len(outcome.record.faulty) == 3
    assert [t.epochs for t in outcome.record.trials.values() if not t.fault] == [4] * 5


def test_data_that_a_worker_cannot_read_stop_the_run(tmp_path: Path, plan: Plan) -> None:
    plan(fault=["data", 2])
    experiment = toy(num_samples=3, scheduler=Fifo())
    with pytest.raises(DataError, match=r"^pictures\.gz is cut off:\nput the right one there$"):
        run(experiment, tmp_path)
    plan()  # it was put there
    outcome = resume(experiment, RunPaths(tmp_path / "run"), listeners=[Listener()])
    assert [t.epochs for t in outcome.record.trials.values()] == [4] * 3


def test_the_workers_are_told_the_users_data_folder(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a Ray that was started before the folder was named."""
    monkeypatch.setenv("ORCHESTUNE_DATA", str(tmp_path))
    outcome = run(toy(trainable=ReadsData, num_samples=1), tmp_path)
    reports = [e for e in read_events(outcome.paths.events) if e["event"] == "report"]
    assert {e["metrics"]["folder"] for e in reports} == {str(tmp_path)}
    assert json.loads(outcome.paths.question.read_text())["data"] == str(tmp_path)


def test_a_failing_constructor_is_the_codes_fault(tmp_path: Path, plan: Plan) -> None:
    plan()
    broken = toy(space={"y": tune.uniform(0, 1)})
    with pytest.raises(RunAborted, match="KeyError: 'x'"):
        run(broken, tmp_path)


def test_nan_is_diverged_and_no_fault(tmp_path: Path, plan: Plan) -> None:
    plan(fault=["nan", 2])
    outcome = run(toy(num_samples=3, scheduler=Fifo()), tmp_path)
    assert {t.status for t in outcome.record.trials.values()} == {"diverged"}
    assert outcome.record.best is None
    assert outcome.exit_code == 0
    assert "NaN" not in outcome.paths.events.read_text()


def test_out_of_memory_is_the_configurations_fault(tmp_path: Path, plan: Plan) -> None:
    plan(fault=["oom", 2])
    outcome = run(toy(num_samples=4, scheduler=Fifo()), tmp_path)
    assert {(t.status, t.fault) for t in outcome.record.trials.values()} == {("failed", "config")}
    assert outcome.exit_code == 0


def test_a_missing_metric_names_what_was_reported(tmp_path: Path, plan: Plan) -> None:
    plan(fault=["no_metric", 1])
    with pytest.raises(RunAborted, match=r"'score' is absent from .* Reported: loss\."):
        run(toy(), tmp_path)


def test_a_trainable_may_say_that_it_is_done(tmp_path: Path, plan: Plan) -> None:
    plan(fault=["done", 3])
    trial = run(toy(num_samples=1), tmp_path).record.trials["0000"]
    assert (trial.status, trial.epochs, trial.why) == ("finished", 3, "the trainable is done, epoch 3")


def test_stop_at_score(tmp_path: Path, plan: Plan) -> None:
    outcome = run(toy(searcher=Random(), num_samples=100, max_epochs=9, stop_at_score=0.7), tmp_path)
    assert outcome.record.run_end
    assert outcome.record.run_end["why"] == "stop_at_score"
    assert len(outcome.record.trials) < 100
    assert outcome.record.best
    assert (outcome.record.best.best or (0, 0))[1] >= 0.7


def test_time_budget_counts_all_sessions(tmp_path: Path, plan: Plan) -> None:
    plan(seconds=0.1)
    outcome = run(toy(num_samples=None, time_budget_s=2.0, max_epochs=20, scheduler=Fifo()), tmp_path)
    record = outcome.record
    assert record.run_end
    assert record.run_end["why"] == "time_budget"
    assert 2.0 <= record.elapsed < 6.0
    assert {t.why.split(",")[0] for t in record.trials.values()} <= {"max_epochs", "time_budget"}


def test_grid_ends_by_itself(tmp_path: Path, plan: Plan) -> None:
    space = {"x": tune.grid_search([0.1, 0.5, 0.9])}
    outcome = run(toy(space=space, searcher=Grid(), num_samples=None, scheduler=Fifo()), tmp_path)
    assert [t.config["x"] for t in outcome.record.trials.values()] == [0.1, 0.5, 0.9]


@pytest.mark.parametrize("trainable", [Toy, Fresh, WithTest])
def test_plain_ray_trainables(trainable: Any, tmp_path: Path, plan: Plan) -> None:
    plan(kill=["0000", 2])
    outcome = run(toy(trainable=trainable, num_samples=2, scheduler=Fifo()), tmp_path)
    assert [t.epochs for t in outcome.record.trials.values()] == [4, 4]
    assert outcome.record.run_end
    assert bool(outcome.record.run_end["test"]) == (trainable is WithTest)


@pytest.mark.parametrize(
    ("resources", "words"),
    [(Resources(cpu=3), "asks for 3 CPUs, and there are 2"), (Resources(gpu=4), "asks for 4 GPUs, and there are 2")],
)
def test_more_than_the_cluster_has(resources: Resources, words: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=words):
        run(toy(resources=resources), tmp_path)
    assert not (tmp_path / "run").exists()


def test_fractions_of_a_gpu(tmp_path: Path, plan: Plan) -> None:
    outcome = run(toy(resources=Resources(cpu=0.5, gpu=0.5), num_samples=4), tmp_path)
    assert outcome.exit_code == 0


def test_a_damaged_checkpoint_is_said_and_the_one_before_used(tmp_path: Path, plan: Plan) -> None:
    plan(fault=["raise", 4])
    experiment = toy(num_samples=3, scheduler=Fifo(), max_concurrent_trials=1)
    with pytest.raises(RunAborted):
        run(experiment, tmp_path)
    cut = _cut_before_ends(tmp_path / "run")  # as if the driver had been killed while trial 0000 trained its 4th epoch
    newest = sorted((cut / "trials" / "0000").glob("leg-1/epoch-*"))[-1]
    data = bytearray((newest / "toy.json").read_bytes())
    data[5] ^= 1
    (newest / "toy.json").write_bytes(data)
    plan()
    listener = Listener()
    outcome = resume(experiment, RunPaths(cut), listeners=[listener])
    assert any("epoch-00003" in text and "damaged" in text for text in listener.said)
    assert [e["from"] for e in read_events(cut / "events.jsonl") if e["event"] == "leg"][1] == ["0000", 1, 2]
    assert outcome.record.trials["0000"].epochs == 4


def _cut_before_ends(root: Path) -> Path:
    lines = (root / "events.jsonl").read_text().splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if '"event": "leg_end"' in line)
    (root / "events.jsonl").write_text("".join(lines[:first]))
    return root


def test_a_disk_that_fills_up_stops_the_run_and_loses_nothing(small_disk: Path, plan: Plan) -> None:
    plan(bytes=200_000)
    experiment = toy(num_samples=10, scheduler=Fifo())
    with pytest.raises(StorageError, match="No space left on device"):
        run(experiment, small_disk)
    before = Outcome(RunPaths(small_disk / "run"), _record(small_disk / "run"), False)
    assert not before.record.faulty, "a full disk is no trial's fault"
    done = {t.id: t.scores for t in before.record.trials.values() if t.status}
    plan(bytes=0)
    for trial in done:  # room is made: of finished trials nothing but the journal is needed here
        for old in (small_disk / "run" / "trials" / trial).glob("leg-*/epoch-0000[123]"):
            subprocess.run(["rm", "-r", str(old)], check=True)
    outcome = resume(experiment, RunPaths(small_disk / "run"), listeners=[])
    assert outcome.exit_code == 0
    assert len(outcome.record.trials) == 10
    assert {trial: outcome.record.trials[trial].scores for trial in done} == done


def test_a_full_disk_is_refused_before_anything_starts(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"." * (3_500_000))
    with pytest.raises(StorageError, match="is full"):
        run(toy(), small_disk)


def _record(root: Path) -> Record:
    return Record.of(read_events(root / "events.jsonl"))


def test_resuming_what_is_finished_changed_or_running(tmp_path: Path, plan: Plan) -> None:
    experiment = toy(num_samples=1)
    outcome = run(experiment, tmp_path)
    with pytest.raises(RunStateError, match=r"is finished \(done\)"):
        resume(experiment, outcome.paths, listeners=[])
    _cut_before_ends_of_run(outcome.paths.events)
    with pytest.raises(RunStateError, match="max_epochs: the run has 4, the experiment now says 5"):
        resume(dataclasses.replace(experiment, max_epochs=5), outcome.paths, listeners=[])
    held = os.open(outcome.paths.events, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(RunStateError, match="is running"):
        resume(experiment, outcome.paths, listeners=[])
    os.close(held)
    assert resume(experiment, outcome.paths, listeners=[]).record.run_end


def _cut_before_ends_of_run(events: Path) -> None:
    lines = events.read_text().splitlines(keepends=True)
    events.write_text("".join(lines[:-1]))
