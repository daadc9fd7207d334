"""A trial that goes on from another's weights, with other settings: what the journal, the store and the winner say."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from orchestune import HyperBand, Pbt, perturb
from orchestune.running.journal import read_events
from orchestune.running.record import Record
from orchestune.storage.folder import Folder
from orchestune.training.checkpoint import CheckpointStore, Place
from tests.conftest import Plan
from tests.running.simulation import Early, session, toy
from tests.running.test_crashes import EXPERIMENTS, essence
from tests.training.stores import opened
from tests.training.test_exact_resume import Open


@pytest.fixture(autouse=True)
def witness(plan: Plan) -> Path:
    return plan()


@pytest.mark.parametrize("name", ["pbt", "hyperband"])
def test_any_number_at_a_time_comes_to_the_same_end(name: str, tmp_path: Path) -> None:
    alone, together = (session(EXPERIMENTS[name], tmp_path / f"{cpus}", cpus=cpus) for cpus in (1, 4))
    assert essence(alone) == essence(together)


@pytest.mark.parametrize("cpus", [1, 4])
def test_the_leg_starts_from_the_other_trials_weights_with_its_own_settings(tmp_path: Path, cpus: int) -> None:
    record = session(EXPERIMENTS["pbt"], tmp_path / "run", cpus=cpus)
    legs = [event for event in read_events(tmp_path / "run" / "events.jsonl") if event["event"] == "leg"]
    taken = [leg for leg in legs if leg["from"] and leg["from"][0] != leg["trial"]]
    assert len(taken) == 2, "one of four, in each of two generations"
    for leg in taken:
        source, _, epoch = leg["from"]
        before = record.trials[source].scores[epoch]
        after = record.trials[leg["trial"]].scores[epoch + 1]
        assert after == before + (leg["config"]["x"] - before) / 2, "the toy goes half the way to its x"


def test_a_networks_weights_go_on_with_another_rate(tmp_path: Path) -> None:
    network = toy(
        trainable=Open,
        space={"lr": perturb(tune.loguniform(1e-4, 1e-1)), "optimizer": "sgd", "schedule": "cosine"},
        metric="val_loss",
        mode="min",
        scheduler=Pbt(perturbation_interval=1),
        num_samples=4,
        max_epochs=3,
    )
    record = session(network, tmp_path / "run", cpus=4)
    assert sum(len(trial.turns) for trial in record.trials.values()) == 2
    config: dict[tuple[str, int], dict[str, Any]] = {}
    for event in read_events(tmp_path / "run" / "events.jsonl"):
        if event["event"] == "leg":
            config[event["trial"], event["leg"]] = event["config"]
        elif event["event"] == "report":
            share = (1 + math.cos(math.pi * (event["epoch"] - 1) / 3)) / 2  # of the rate, at an epoch's begin
            assert event["telemetry"]["lr"] == pytest.approx(
                config[event["trial"], event["leg"]]["lr"] * share, rel=1e-4
            )


def test_a_trials_settings_are_its_newest_legs_and_its_best_epochs_are_kept(tmp_path: Path) -> None:
    question = {"event": "question", "t": 0.0, "question": {"metric": "score", "mode": "max"}}
    common: dict[str, Any] = {"t": 0.0, "trial": "0001"}
    record = Record.of([
        question,
        {**common, "event": "leg", "leg": 1, "config": {"x": 1}, "from": None, "until": 2},
        *({**common, "event": "report", "leg": 1, "epoch": e, "score": 9.0 - e, "seconds": 0, "decision": "pause"}
          for e in (1, 2)),
        {**common, "event": "leg", "leg": 2, "config": {"x": 2}, "from": ["0000", 1, 2], "until": 4},
        {**common, "event": "report", "leg": 2, "epoch": 3, "score": 5.0, "seconds": 0, "decision": "continue"},
    ])  # fmt: skip
    trial = record.trials["0001"]
    assert trial.config == {"x": 2}
    assert trial.best_config == trial.config_at(2) == {"x": 1}
    assert trial.config_at(3) == {"x": 2}
    assert trial.trained(leg=1, epoch=2)
    assert trial.trained(leg=2, epoch=3)
    assert not trial.trained(leg=2, epoch=2), "that is the other's, at its start"


def test_a_copy_has_no_reports_and_outlives_its_source(tmp_path: Path) -> None:
    store = CheckpointStore(Folder(tmp_path))
    theirs = Place(3, 1, "0000")

    def fill(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "inner" / "weights").write_text("1 2 3")

    store.fence("0000", 1)
    store.write(theirs, [{"epoch": 3, "metrics": {}}], fill)
    for _ in range(2):  # again, after a crash
        mine = store.adopt(theirs, "0001", 2, pytest.fail)
    assert store.adopt(theirs, "0000", 2, pytest.fail) == theirs, "its own needs no copy"
    store.keep_only("0000", set())
    assert mine == Place(3, 2, "0001")
    assert (opened(store, mine) / "inner" / "weights").read_text() == "1 2 3"
    assert store.manifest(mine).reports == []


def test_the_winners_settings_are_those_of_its_best_epoch(tmp_path: Path) -> None:
    record = session(EXPERIMENTS["pbt"], tmp_path / "run")
    assert record.best
    kept = json.loads((tmp_path / "run" / "best" / "config.json").read_text())
    assert kept == record.best.best_config


def test_the_rule_that_stopped_a_trial_is_named(tmp_path: Path) -> None:
    record = session(toy(scheduler=Early(), num_samples=4), tmp_path / "run")
    ends = {trial.config["x"]: trial.why for trial in record.trials.values()}
    # Two of four go on after an epoch; the first's scores are then x / 2, 3 x / 4: better by less than 0.2 below 0.8.
    ranked = [ends[x] for x in sorted(ends)]
    assert ranked[:2] == ["hyperband, epoch 1"] * 2
    assert ranked[2:] == [f"plateau, epoch {2 if x < 0.8 else 3}" for x in sorted(ends)[2:]]


def test_who_was_passed_over_was_so_by_the_scheduler(tmp_path: Path) -> None:
    record = session(toy(scheduler=HyperBand(reduction_factor=2), num_samples=4), tmp_path / "run")
    ends = sorted(trial.why for trial in record.trials.values())
    assert ends == ["hyperband, epoch 1", "hyperband, epoch 1", "hyperband, epoch 2", "max_epochs, epoch 4"]
