"""What an experiment may ask for beyond its searcher and its scheduler, on real Ray, with models that really train."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from ray import tune

from orchestune import Asha, Experiment, Fifo, HyperBand, Pbt, Plateau, Random, perturb
from orchestune.pairs import AUTO
from orchestune.running.journal import Event, read_events
from orchestune.running.runner import Outcome
from orchestune.storage.folder import Folder
from orchestune.training.checkpoint import CheckpointStore
from tests.conftest import Plan
from tests.define_by_run.models import Late, build_late
from tests.end_to_end.test_on_ray import Listener, run
from tests.running.simulation import toy
from tests.training.tiny import Tiny

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


def tiny(**changes: Any) -> Experiment:
    base = Experiment(
        trainable=Tiny,
        space={"lr": tune.loguniform(1e-4, 1e-1)},
        metric="val_loss",
        mode="min",
        searcher=Random(),
        scheduler=Fifo(),
        num_samples=2,
        max_epochs=3,
    )
    return dataclasses.replace(base, **changes)


def events(outcome: Outcome, kind: str) -> list[Event]:
    return [event for event in read_events(outcome.paths.events) if event["event"] == kind]


def whys(outcome: Outcome) -> set[str]:
    return {trial.why for trial in outcome.record.trials.values()}


def test_population_based_training_takes_over_weights_and_rates(tmp_path: Path) -> None:
    space = {"lr": perturb(tune.loguniform(1e-5, 1e-1)), "batch_size": tune.choice([16, 32])}
    experiment = tiny(space=space, scheduler=Pbt(perturbation_interval=2), num_samples=4, max_epochs=6, seed=3)
    outcome = run(experiment, tmp_path)
    assert outcome.exit_code == 0
    trials, legs = outcome.record.trials, events(outcome, "leg")
    taken = [leg for leg in legs if leg["from"] and leg["from"][0] != leg["trial"]]
    assert [leg["from"][2] for leg in taken] == [2, 4], "one of four goes on from another's weights, each generation"
    for leg in taken:
        source = trials[leg["from"][0]].config_at(leg["from"][2])
        assert leg["config"]["batch_size"] == source["batch_size"], "what is not marked comes with the weights"
        assert leg["config"]["lr"] != source["lr"]
        assert experiment.typed_space.contains(leg["config"])
        told = [r for r in events(outcome, "report") if (r["trial"], r["leg"]) == (leg["trial"], leg["leg"])]
        rates = {report["epoch"]: report["telemetry"]["lr"] for report in told}
        halved = {3: 0.5, 4: 0.25, 5: 0.25, 6: 0.25}  # after epochs 2 and 3, by the model's own schedule
        start = leg["from"][2]
        new = {epoch: leg["config"]["lr"] * halved[epoch] for epoch in (start + 1, start + 2)}
        assert rates == pytest.approx(new, rel=1e-4), "it trains at the new rate, as far along the schedule as it is"
    taker = trials[taken[-1]["trial"]]
    born = next(leg["config"] for leg in legs if leg["trial"] == taker.id)
    assert taker.config == taken[-1]["config"] != born
    assert taker.config_at(4) != taker.config == taker.config_at(5), "an epoch's configuration is the one it had"
    best = outcome.record.best
    assert best
    assert best.best
    aside = json.loads((outcome.paths.root / "best" / "config.json").read_text())
    assert aside == best.config_at(best.best[0])


def test_a_name_that_only_a_trial_meets(tmp_path: Path) -> None:
    """With the seed at which trials without the name come before and after the first that has it."""
    experiment = tiny(trainable=Late, space=build_late, num_samples=6, max_epochs=2, seed=20)
    assert experiment.typed_space.names == ("x",)
    outcome = run(experiment, tmp_path)
    assert outcome.exit_code == 0
    first = next(report for report in events(outcome, "report") if "new" in report)
    assert set(first["new"]) == {"units", "more/lr", "lr"}
    met = outcome.record.trials[first["trial"]]
    assert met.config["units"] == first["new"]["units"]["value"]
    later = [leg for leg in events(outcome, "leg") if leg["trial"] > "0003"]
    assert all("units" in leg["config"] for leg in later), "the searcher is asked for it from then on"


def test_executions_are_judged_by_their_mean(tmp_path: Path) -> None:
    experiment = tiny(executions_per_trial=2, scheduler=Asha(), num_samples=3, max_epochs=4, max_concurrent_trials=1)
    outcome = run(experiment, tmp_path)
    assert outcome.exit_code == 0
    reports = events(outcome, "report")
    assert {report["trial"] for report in reports} == {"0000", "0001", "0002"}
    for report in reports:
        metrics = report["metrics"]
        copies = [metrics["val_loss_0"], metrics["val_loss_1"]]
        assert copies[0] != copies[1], "they have different seeds"
        assert report["score"] == metrics["val_loss"] == fmean(copies)
        assert metrics["val_loss_sd"] == stdev(copies)
    assert outcome.record.run_end
    assert set(outcome.record.run_end["test"]) >= {"test_loss", "test_loss_0", "test_loss_1", "test_loss_sd"}
    kept = CheckpointStore(Folder(outcome.paths.trials)).places("0000")[-1]
    assert kept.epoch == outcome.record.trials["0000"].epochs


@pytest.mark.parametrize("scheduler", [AUTO, Fifo()], ids=["which chooses by itself", "fifo"])
def test_known_points_are_asked_first(scheduler: Any, tmp_path: Path, plan: Plan) -> None:
    """Also of a scheduler that fills configurations in."""
    points = [{"x": 0.25}, {"x": 0.75}]
    experiment = toy(searcher=AUTO, scheduler=scheduler, points_to_evaluate=points, num_samples=4, max_epochs=3)
    assert experiment.pair.scheduler.chooses is (scheduler == AUTO)
    trials = [trial.config for trial in run(experiment, tmp_path).record.trials.values()]
    assert trials[:2] == points
    assert len(trials) == 4
    assert all(config not in points for config in trials[2:])


def test_total_epochs_end_a_run(tmp_path: Path, plan: Plan) -> None:
    """With two at a time the second one is told at its own next report."""
    outcome = run(toy(scheduler=Fifo(), num_samples=None, total_epochs=10, max_epochs=4), tmp_path)
    assert outcome.record.run_end
    assert outcome.record.run_end["why"] == "total_epochs"
    assert 10 <= outcome.record.reports <= 11
    assert {why.split(",")[0] for why in whys(outcome)} <= {"max_epochs", "total_epochs"}


def test_early_stopping_beside_a_scheduler(tmp_path: Path, plan: Plan) -> None:
    """A toy nears its end by halves, so that sooner or later it gains less than a tenth an epoch."""
    early = Plateau(patience=1, min_delta=0.1)
    outcome = run(toy(scheduler=Fifo(), early_stopping=early, num_samples=4, max_epochs=9), tmp_path)
    assert outcome.exit_code == 0
    for trial in outcome.record.trials.values():
        gained = next(epoch for epoch in range(2, 10) if trial.config["x"] * 0.5**epoch <= 0.1)
        assert (trial.status, trial.why) == ("stopped", f"plateau, epoch {gained}")


def test_hyperband_knows_how_many_trials_it_has(tmp_path: Path, plan: Plan) -> None:
    scheduler = HyperBand(reduction_factor=2)
    listener = Listener()
    outcome = run(toy(scheduler=scheduler, num_samples=None, max_epochs=4), tmp_path, "run", listener)
    assert len(outcome.record.trials) == scheduler.trials(4) == 10
    assert outcome.record.reports == scheduler.epochs(4)
    assert outcome.record.run_end
    assert outcome.record.run_end["why"] == "done"
    assert listener.said == []
    passed_over = {trial.why for trial in outcome.record.trials.values() if trial.status == "stopped"}
    assert passed_over == {"hyperband, epoch 1", "hyperband, epoch 2"}
