"""What a plan says, by numbers that were found by hand."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from models.toy import Fresh, Toy, WithTest
from ray import tune

from orchestune import Asha, Experiment, Fifo, Grid, HyperBand, Plateau, Random, Resources
from orchestune.cli import main
from orchestune.debugging import alone
from orchestune.errors import ClusterError
from orchestune.pairs import AUTO
from orchestune.planning.plan import Plan, grid_mistake, plan
from orchestune.planning.timing import Timing, first_step, last_run, size_of
from orchestune.running.journal import Journal
from tests.conftest import PROJECT
from tests.running.simulation import toy
from tests.training.tiny import Tiny

TIMING = Timing(100.0, 1000, "by hand")  # seconds of an epoch, bytes of a checkpoint
TWO = {"CPU": 2.0, "GPU": 0.0}


def six(**changes: Any) -> Experiment:
    return toy(**{"scheduler": Fifo(), "num_samples": 6, "max_epochs": 9, **changes})


def planned(machine: dict[str, float] | None = None, **changes: Any) -> Plan:
    return plan(six(**changes), TIMING, [machine or TWO])


def rows(found: Plan) -> dict[str, str]:
    return {line[:11].strip(): line[12:] for line in found.lines if line[:11].strip()}


def test_every_trial_to_the_end() -> None:
    """Six trials of nine epochs, two at a time: three times 900 seconds."""
    found = planned()
    assert (found.trials, found.at_a_time, found.epochs, found.expected) == (6, 2, 54, 54)
    assert found.hours == pytest.approx(0.75)
    assert found.ended_at == {9: 6}
    assert found.short == "6 trials, 54 epochs at the most; 2 at a time, about 45 minutes"
    assert rows(found) == {
        "question": "the maximum of score over 1 parameters",
        "searcher": "random",
        "scheduler": "fifo",
        "trials": "6",
        "at a time": "2; CPU is what runs out first: 2 here, 1 a trial",
        "epochs": "54 without early stopping",
        "an epoch": "100 s (by hand)",
        "time": "about 45 minutes, and Ray's start of some seconds",
        "disk": "18 kB of checkpoints at the most, 3 a trial",
    }
    assert "of 6 trials so many end: 6 at epoch 9" in "\n".join(found.lines)


def test_hyperbands_brackets_are_the_papers() -> None:
    """81 epochs and a factor of 3: 81 + 34 + 15 + 8 + 5 trials, which train 1,581 epochs."""
    found = planned(scheduler=HyperBand(), num_samples=None, max_epochs=81)
    assert (found.trials, found.epochs, found.expected) == (143, 143 * 81, 1581)
    assert found.short.startswith("143 trials, 11,583 epochs at the most, about 1,581 expected; 2 at a time, about ")
    text = "\n".join(found.lines)
    assert (
        "bracket of 81 to epoch 1, then 27 to epoch 3, then 9 to epoch 9, then 3 to epoch 27, then 1 to epoch" in text
    )
    assert text.count("bracket of") == 5


def test_halving_stops_most() -> None:
    """27 trials, rungs at 1, 3 and 9: one worker's order of arrival decides how many are stopped, and most are."""
    found = planned({"CPU": 1.0}, scheduler=Asha(reduction_factor=3, promote=True), num_samples=27, max_epochs=9)
    assert (found.trials, found.at_a_time, found.epochs) == (27, 1, 243)
    assert found.expected is not None
    assert 27 + 9 * 2 + 3 * 6 <= found.expected < 100
    assert sum(found.ended_at.values()) == found.played == 27
    assert found.hours == pytest.approx(found.expected * 100 / 3600), "one at a time, one epoch after another"


@pytest.mark.parametrize("searcher", [Random(), AUTO], ids=["random", "auto"])
def test_a_large_run_is_played_in_part(searcher: Any) -> None:
    found = planned(searcher=searcher, scheduler=AUTO if searcher == AUTO else Asha(), num_samples=1000)
    assert (found.trials, found.epochs) == (1000, 9000)
    assert found.played == (60 if searcher == AUTO else 200)
    assert found.expected is not None
    assert found.hours is not None
    assert 1000 < found.expected < 6000
    assert found.hours == pytest.approx(found.expected * 100 / 3600 / 2, rel=0.1), "two at a time"


def test_executions_multiply_epochs_time_and_disk_and_no_trials() -> None:
    found = planned(executions_per_trial=3)
    assert (found.trials, found.epochs, found.expected) == (6, 162, 162)
    assert found.hours == pytest.approx(3 * 0.75)
    assert found.short.startswith("6 trials, each trained 3 times, 162 epochs")
    told = rows(found)
    assert told["executions"].startswith("3 of each trial")
    assert told["disk"].startswith("54 kB")


def test_points_come_first_and_beside_a_grid() -> None:
    found = planned(searcher=Grid(points=4), num_samples=None, points_to_evaluate=[{"x": 0.3}, {"x": 0.7}])
    assert found.trials == 6
    assert rows(found)["points"] == "2 known configurations are asked first"


def test_total_epochs_limit_all_of_it() -> None:
    found = planned(total_epochs=27)
    assert (found.trials, found.epochs, found.expected) == (6, 27, 27)
    assert found.hours == pytest.approx(0.375)
    alone = planned(total_epochs=27, num_samples=None)
    assert (alone.trials, alone.epochs, alone.expected) == (None, None, 27)
    assert alone.short.startswith("trials until total_epochs=27, about 27 expected; 2 at a time")
    assert rows(alone)["trials"] == "open: until total_epochs=27"


def test_a_time_budget_limits_the_time() -> None:
    assert planned(time_budget_s=360.0).hours == pytest.approx(0.1)
    assert "trials until time_budget_s=360 or stop_at_score=1;" in planned(
        time_budget_s=360.0, stop_at_score=1.0, num_samples=None).short  # fmt: skip


def test_early_stopping_is_played_as_well() -> None:
    found = planned(early_stopping=Plateau(patience=1, min_delta=0.2), max_epochs=20)
    assert found.expected is not None
    assert found.expected < 120
    assert rows(found)["stopping"].startswith("plateau(patience=1, min_delta=0.2")


@pytest.mark.parametrize(
    ("machine", "resources", "limit", "at_a_time", "words"),
    [
        ({"CPU": 8.0}, Resources(cpu=3), None, 2, "CPU is what runs out first: 8 here, 3 a trial"),
        ({"CPU": 0.3}, Resources(cpu=0.1), None, 3, "CPU is what runs out first: 0.3 here, 0.1 a trial"),
        ({"CPU": 8.0, "GPU": 1.0}, Resources(cpu=1, gpu=0.5), None, 2, "GPU is what runs out first: 1 here, 0.5 a"),
        ({"CPU": 8.0, "GPU": 2.0}, Resources(cpu=1, gpu=0.6), None, 2, "GPU is what runs out first: 2 here, 0.6 a"),
        ({"CPU": 8.0}, Resources(), 3, 3, "max_concurrent_trials allows no more"),
        ({"CPU": 2.0}, Resources(), 3, 2, "CPU is what runs out first"),
        ({"CPU": 2.0, "memory": 2.0**42}, Resources(memory=2**40), None, 2, "CPU is what runs out first"),
        (
            {"CPU": 9.0, "memory": 2.0**42},
            Resources(memory=2**40),
            None,
            4,
            "memory is what runs out first: 4096 GiB",
        ),
        ({"CPU": 4.0}, lambda config: Resources(cpu=2 if config["x"] > 0.4 else 1), None, 2, "2 a trial"),
    ],
)
def test_what_runs_out_first(machine: Any, resources: Any, limit: int | None, at_a_time: int, words: str) -> None:
    found = planned(machine, resources=resources, max_concurrent_trials=limit)
    assert found.at_a_time == at_a_time
    assert words in found.bottleneck


def test_what_runs_out_first_on_several_machines() -> None:
    """A trial is on one of them: what is left over on each adds up to nothing."""
    machines = [{"CPU": 3.0}, {"CPU": 3.0, "GPU": 1.0}, {"CPU": 1.0}]
    found = plan(six(resources=Resources(cpu=2)), None, machines)
    assert (found.at_a_time, found.bottleneck) == (2, "CPU is what runs out first: 7 on 3 machines, 2 a trial")
    found = plan(six(resources=Resources(cpu=2, gpu=0.25)), None, machines)
    assert (found.at_a_time, found.bottleneck) == (1, "CPU is what runs out first: 7 on 3 machines, 2 a trial")


def test_memory_of_this_machine_is_not_looked_up() -> None:
    assert plan(six(resources=Resources(memory=2**60, custom={"slot": 1})), None).at_a_time >= 1


def test_more_than_the_machine_has() -> None:
    with pytest.raises(ClusterError, match=r"a trial asks for 4 CPUs, and there are 2: ask for less"):
        planned(resources=Resources(cpu=4))


def test_without_a_timing_no_time_is_told() -> None:
    found = plan(six(), None, [TWO])
    assert found.hours is None
    assert not {"an epoch", "time", "disk"} & set(rows(found))


# ---- a grid that has grown large


def test_a_large_grid_is_told_with_its_sizes() -> None:
    space = {name: tune.uniform(0, 1) for name in "xyzu"}
    grid = six(space=space, searcher=Grid(), num_samples=None, executions_per_trial=2)
    said = grid_mistake(grid)
    assert said
    assert said.startswith("the grid has 625 combinations (5 x 5 x 5 x 5), 11,250 epochs without early stopping.")
    assert "--yes" in said
    assert "--searcher 'grid(points=3)'" in said
    assert grid_mistake(dataclasses.replace(grid, num_samples=600)) is None, "so many were asked for"
    assert grid_mistake(dataclasses.replace(grid, searcher=Grid(points=4))) is None
    assert grid_mistake(six(num_samples=10_000)) is None, "no grid"


def test_five_hundred_are_not_large() -> None:
    def grid(count: int) -> Experiment:
        return six(space={"x": tune.grid_search(list(range(count)))}, searcher=Grid(), num_samples=None)

    assert grid_mistake(grid(500)) is None
    assert grid_mistake(grid(501))


# ---- how long an epoch takes


def past_run(storage: Path, name: str, seconds: float, *, trainable: type = WithTest, age: int = 0, k: int = 1) -> Path:
    """A run of two epochs, with a checkpoint of 30 bytes at each."""
    root = storage / f"{name}-{trainable.__name__}-{age}"
    asked = dataclasses.replace(six(trainable=trainable), executions_per_trial=k).to_json() | {"name": name}
    root.mkdir(parents=True)
    (root / "experiment.json").write_text(json.dumps(asked))
    journal = Journal(root / "events.jsonl")
    leg = {"trial": "0000", "leg": 1}
    journal.append({"event": "question", "t": 0.0, "v": 1, "rev": 1, "question": asked})
    journal.append({"event": "leg", "t": 0.0, **leg, "config": {"x": 0.5}, "from": None, "until": 9, "seed": 1})
    for epoch in (1, 2):
        told = {"epoch": epoch, "score": 0.5, "metrics": {}, "seconds": seconds, "decision": "continue"}
        journal.append({"event": "report", "t": 0.0, **leg, **told, "telemetry": {"checkpoint_s": 1.0}})
        kept = root / "trials" / "0000" / "leg-1" / f"epoch-{epoch:05d}"
        kept.mkdir(parents=True)
        (kept / "state").write_bytes(b"." * 30)
    journal.close()
    os.utime(root / "events.jsonl", (1e9 - age, 1e9 - age))
    return root


def test_the_last_run_of_the_same_question_counts(tmp_path: Path) -> None:
    experiment = six(trainable=WithTest)
    assert last_run(experiment, "toy", tmp_path / "nowhere") is None
    past_run(tmp_path, "toy", 3.0, age=20)
    newest = past_run(tmp_path, "toy", 5.0, age=10)
    past_run(tmp_path, "other", 7.0)
    past_run(tmp_path, "toy", 7.0, trainable=Toy)
    assert last_run(experiment, "toy", tmp_path) == Timing(6.0, 30, str(newest)), "5 seconds, and 1 for the checkpoint"
    (newest / "events.jsonl").write_text("damaged\n")
    os.utime(newest / "events.jsonl", (2e9, 2e9))
    found = last_run(experiment, "toy", tmp_path)
    assert found
    assert found.epoch_s == 4.0, "what cannot be read tells nothing; the one before does"
    (newest / "experiment.json").unlink()
    assert last_run(experiment, "toy", tmp_path) == found


def test_a_checkpoints_size_where_the_others_lie_in_a_bucket(tmp_path: Path) -> None:
    root = past_run(tmp_path, "toy", 5.0)
    (root / "trials").rename(root / "gone")
    (root / "best").mkdir()
    (root / "best" / "state").write_bytes(b"." * 20)
    found = last_run(six(trainable=WithTest), "toy", tmp_path)
    assert found
    assert found.checkpoint_bytes == 20


def test_of_several_executions_one_is_told(tmp_path: Path) -> None:
    past_run(tmp_path, "toy", 5.0, k=2)
    found = last_run(six(trainable=WithTest), "toy", tmp_path)
    assert found
    assert (found.epoch_s, found.checkpoint_bytes) == (3.0, 15)


@pytest.mark.parametrize("trainable", [Tiny, Fresh], ids=lambda cls: cls.__name__)
def test_an_epoch_is_timed_now(trainable: Any) -> None:
    """Also of a class that hands its state to its caller."""
    changes = {"metric": "val_loss", "mode": "min", "space": {"lr": tune.loguniform(1e-3, 1e-1)}}
    found = first_step(six(trainable=trainable, **(changes if trainable is Tiny else {})))
    assert 0 < found.epoch_s < 30
    assert found.checkpoint_bytes > 100
    assert found.source == "an epoch timed now"


def test_bytes_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    (tmp_path / "c").write_bytes(b"123")
    assert size_of(tmp_path) == 8


def test_rays_advice_for_other_loops_is_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ray.tune.trainable import trainable as rays

    monkeypatch.setattr(rays, "SETUP_TIME_THRESHOLD", -1)  # every setup is slow
    with caplog.at_level(logging.INFO, logger=rays.logger.name):
        before = rays.logger.level
        alone(six(), {"x": 0.5}, 1, str(tmp_path)).cleanup()
        assert rays.logger.level == before
    assert not caplog.records


# ---- the commands


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(PROJECT)
    return PROJECT


def test_the_command(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "toy", "--storage", str(tmp_path / "runs"), "--num-samples", "4", "--scheduler", "fifo"]) == 0
    told = capsys.readouterr().out
    for line in ("searcher    hyperopt(", "trials      4\n", "epochs      36 without", "(an epoch timed now)\n"):
        assert line in told
    assert not (tmp_path / "runs").exists(), "nothing is left behind"
    assert main(["plan", "toy", "--storage", str(tmp_path), "--untimed"]) == 0
    assert "timed" not in capsys.readouterr().out
    root = past_run(tmp_path, "toy", 5.0)
    assert main(["plan", "toy", "--storage", str(tmp_path)]) == 0
    assert f"an epoch    6 s ({root})" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scheduler", "multifidelity", "--searcher", "random"], "chooses configurations by its own model"),
        (["--searcher", "sequential", "--scheduler", "hyperband"], "searcher sequential waits until trials have ended"),
        (["--scheduler", "pbt", "--searcher", "random"], "pbt: nothing in the space may change"),
        (["--cpus-per-trial", "100000"], "a trial asks for 100000 CPUs, and there are"),
        (["--early-stopping", "plateau(patients=3)"], "Did you mean 'patience'?"),
        (["--total-epochs", "0"], "total_epochs is 0"),
    ],
)
def test_what_is_refused(words: list[str], said: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "toy", "--untimed", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err


def test_a_large_grid_wants_a_yes(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Started(Exception):
        pass

    def start(*_: Any, **told: Any) -> None:
        raise Started(told["listeners"][0]._expected)

    monkeypatch.setattr("orchestune.running.runner.start", start)
    large = ["toy", "--searcher", "grid(points=501)", "--num-samples", "none", "--storage", str(tmp_path)]
    assert main(["run", *large]) == 2
    assert "the grid has 501 combinations (501), 4,509 epochs" in capsys.readouterr().err
    with pytest.raises(Started, match=r"^501 trials, 4,509 epochs at the most, about .* expected; 1 at a time"):
        main(["run", *large, "--yes"])
    assert main(["plan", *large, "--untimed"]) == 0, "a plan may be looked at"
