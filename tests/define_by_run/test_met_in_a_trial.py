"""A name that no discovery met: drawn by the trial that meets it, recorded, and from then on a parameter of the run."""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune.search import Searcher as RaySearcher
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader

from orchestune import Asha, Experiment, Fifo, Grid, HyperOpt, Plateau, Random
from orchestune.report.tensorboard import TensorBoardLog
from orchestune.running.agenda import Agenda, Due
from orchestune.running.growing import GrowingScheduler, GrowingSearcher, scheduler_of, searcher_of
from orchestune.running.journal import read_events
from orchestune.running.memory import Memory
from orchestune.running.record import Record
from orchestune.running.seeds import trial_seed
from orchestune.schedulers.base import Report
from orchestune.space import Choice, Condition, Float, Int, Space
from orchestune.space.growth import drawn, grown, known, parameter_of
from orchestune.training.copies import copies
from tests.define_by_run.models import Late, build_late
from tests.running.conftest import tmp_path as tmp_path
from tests.running.simulation import Crash, crash_at, session

MET = ("units", "more/lr", "lr")


def late(**changes: Any) -> Experiment:
    base = Experiment(
        trainable=Late,
        space=build_late,
        metric="val_loss",
        mode="min",
        searcher=Random(),
        scheduler=Fifo(),
        num_samples=6,
        max_epochs=2,
        seed=20,
    )
    return dataclasses.replace(base, **changes)


def journal(root: Path) -> list[dict[str, Any]]:
    return read_events(root / "events.jsonl")


def test_discovery_missed_it() -> None:
    assert late().typed_space.names == ("x",)


def test_it_is_drawn_recorded_and_searched_from_then_on(tmp_path: Path) -> None:
    record = session(late(), tmp_path / "run")
    events = journal(tmp_path / "run")
    first = next(trial for trial in record.trials.values() if trial.config["x"] > 0.3)
    assert first.number > 0, "the seed is chosen so that trials without the name come before and after"
    reports = [event for event in events if event["event"] == "report" and event["trial"] == first.id]
    assert set(reports[0]["new"]) == set(MET)
    assert reports[0]["new"]["units"] == {
        "parameter": Int(name="units", low=4, high=16, step=4).to_json(),
        "value": first.config["units"],
    }
    assert not any("new" in event for event in events if event is not reports[0]), "told once"
    units = drawn(Int(name="units", low=4, high=16, step=4), trial_seed(20, first.number))
    assert first.config["units"] == units
    assert first.config["more"] == {"lr": reports[0]["new"]["more/lr"]["value"]}
    for trial in record.trials.values():
        assert set(trial.config) == ({"x"} if trial.number < first.number else {"x", "units", "more", "lr"})
    assert [trial.status for trial in record.trials.values()] == ["finished"] * 6
    asked = [event["config"] for event in events if event["event"] == "leg" and int(event["trial"]) > first.number]
    assert all("units" in config for config in asked), "the searcher was asked for it"
    assert len({config["lr"] for config in asked}) == len(asked)
    best = json.loads((tmp_path / "run" / "best" / "config.json").read_text())
    assert best == (record.best and record.best.config)


def essence(record: Record) -> object:
    assert record.run_end
    return [(t.id, t.config, t.scores, t.status, t.why) for t in record.trials.values()], record.run_end["why"]


STEPS = {"before": 3, "after": 2, "torn": 1}  # after the nth durable step is nearly before the next


@pytest.mark.parametrize("searcher", [Random(), HyperOpt(n_initial_points=2)], ids=["random", "hyperopt"])
@pytest.mark.parametrize("moment", STEPS)
def test_a_resume_in_the_middle(moment: str, searcher: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = late(searcher=searcher, scheduler=Asha(reduction_factor=2), num_samples=4)
    expected = essence(session(experiment, tmp_path / "unbroken"))
    nth, crashed = 0, True
    while crashed:
        nth, root = nth + STEPS[moment], tmp_path / f"run-{nth}"
        try:
            with crash_at(nth, moment, monkeypatch):
                record = session(experiment, root)
            crashed = False
        except Crash:
            over = root.joinpath("events.jsonl").exists() and journal(root) and journal(root)[-1]["event"] == "run_end"
            record = Record.of(journal(root)) if over else session(experiment, root)
        assert essence(record) == expected, f"after a crash at durable step {nth}"
        assert not any(trial.turns for trial in record.trials.values()), "one configuration, whatever was lost"
    assert nth > 8


@pytest.mark.parametrize("searcher", [Random(), HyperOpt(n_initial_points=2)], ids=["random", "hyperopt"])
def test_a_journal_replays_to_the_same_knowledge(searcher: Any, tmp_path: Path) -> None:
    experiment = late(searcher=searcher)
    session(experiment, tmp_path / "run")
    asked = {}
    events = journal(tmp_path / "run")
    for n, event in enumerate(events):
        if event["event"] == "leg":
            memory = Memory(searcher_of(experiment), scheduler_of(experiment), "min")
            memory.replay(events[:n])
            asked[event["trial"]] = (memory.searcher.ask(int(event["trial"])), event["config"])
    assert len(asked) == 6
    assert all(ours == theirs for ours, theirs in asked.values())


def test_earlier_trials_are_known_with_what_they_would_have_drawn() -> None:
    searcher = searcher_of(late(searcher=HyperOpt()))
    assert isinstance(searcher, GrowingSearcher)
    searcher.born(0, {"x": 0.1})
    searcher.tell(0, {1: 0.5}, ended=True)
    searcher.born(1, {"x": 0.9})
    units = Int(name="units", low=4, high=16, step=4)
    before = searcher.space
    searcher.met(1, {"units": {"parameter": units.to_json(), "value": 12}})
    assert searcher.space.names == ("x", "units")
    assert searcher.space is not before, "which is how the agenda knows that its question is old"
    inner = searcher.inner
    assert inner.configs == {0: {"x": 0.1, "units": drawn(units, trial_seed(20, 0))}, 1: {"x": 0.9, "units": 12}}
    assert (inner.scores, inner.ended) == ({0: {1: 0.5}}, {0})
    searcher.born(2, {"x": 0.2})  # asked before, or chosen by the scheduler
    assert searcher.inner.configs[2]["units"] == drawn(units, trial_seed(20, 2))


def test_a_question_that_waits_for_room_is_asked_again() -> None:
    searcher = searcher_of(late())
    assert isinstance(searcher, GrowingSearcher)
    agenda, record = Agenda(searcher, late().build_scheduler()), Record(question={"mode": "min"})
    waiting = agenda.due(record)
    assert isinstance(waiting, Due)
    assert set(waiting.config) == {"x"}
    searcher.born(0, {"x": 0.9})
    searcher.met(0, {"units": {"parameter": Int(name="units", low=4, high=16, step=4).to_json(), "value": 12}})
    again = agenda.due(record)
    assert isinstance(again, Due)
    assert set(again.config) == {"x", "units"}
    assert agenda.due(record) == again


AUTO = {"searcher": "auto", "scheduler": "auto", "num_samples": 6, "max_epochs": 9}  # one model that does both


def test_a_scheduler_that_chooses_grows_too(tmp_path: Path) -> None:
    record = session(late(**AUTO), tmp_path / "run")
    events = journal(tmp_path / "run")
    met = next(place for place, event in enumerate(events) if "new" in event)
    born = [event["config"] for event in events[met:] if event["event"] == "leg" and event["leg"] == 1]
    assert born
    assert all("units" in config for config in born)
    assert {event["trial"] for event in events if "new" in event} == {events[met]["trial"]}
    assert all(trial.status for trial in record.trials.values())
    scheduler = scheduler_of(late(**AUTO, early_stopping=Plateau()))
    assert isinstance(scheduler, GrowingScheduler)
    assert scheduler.rule("0000") == scheduler.name == "multifidelity"


def test_a_scheduler_is_told_whole_configurations() -> None:
    scheduler = scheduler_of(late(**AUTO))
    assert isinstance(scheduler, GrowingScheduler)
    scheduler.started("0000", 0, 1, {"x": 0.1})
    scheduler.started("0001", 0, 1, {"x": 0.9})
    scheduler.decide(Report("0000", 1, 0.5))
    units = Int(name="units", low=4, high=16, step=4)
    scheduler.met(1, {"units": {"parameter": units.to_json(), "value": 12}})
    scheduler.started("0002", 0, 1, {"x": 0.2})
    inner: Any = scheduler.inner
    assert inner.outside == set()
    assert inner.names == ["0000", "0001", "0002"]
    whole = [inner.encoding.config(point) for point in inner.observed.points]
    others = [drawn(units, trial_seed(20, n)) for n in (0, 2)]
    assert [config["units"] for config in whole] == [others[0], 12, others[1]]
    assert inner.spent == 1, "what it was told before, it was told again"


def test_several_trainings_of_a_configuration_draw_the_same(tmp_path: Path) -> None:
    record = session(late(executions_per_trial=2, num_samples=3), tmp_path / "run")
    first = next(trial for trial in record.trials.values() if "units" in trial.config)
    assert first.status == "finished"
    trial = copies(Late, 2)({"x": 0.9})
    drawn = [made.hp.values for made in trial._copies]
    trial.train()
    assert drawn[0] == drawn[1]
    assert trial.met["units"]["value"] == drawn[0]["units"]


def test_a_grid_stays_the_grid_that_it_is(tmp_path: Path) -> None:
    record = session(late(searcher=Grid(points=3), num_samples=None), tmp_path / "run")
    assert [trial.config["x"] for trial in record.trials.values()] == [0.0, 0.5, 1.0]
    assert [set(trial.config) >= {"units"} for trial in record.trials.values()] == [False, True, True]


def test_other_trainables_keep_their_searcher() -> None:
    from tests.running.simulation import toy

    assert not isinstance(searcher_of(toy()), GrowingSearcher)
    assert isinstance(searcher_of(toy()), RaySearcher)


def test_tensorboard_shows_what_its_columns_hold(tmp_path: Path) -> None:
    log, root = TensorBoardLog(), tmp_path / "run"
    from orchestune.running.paths import RunPaths

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the loader's own
        log.open(None, late(), RunPaths(root))  # type: ignore[arg-type]
        record = session(late(), root, observe=log.observe)
        for trial in record.trials:
            files = list((root / "tensorboard" / trial).iterdir())
            assert files
            assert len(list(RawEventFileLoader(str(files[0])).Load())) > 4


def test_a_space_grows() -> None:
    space = Space.parse({"kind": tune.choice(["a", "b"]), "model": {"rate": tune.uniform(0, 1)}})
    larger = grown(space, Float(name="model/size", low=0, high=1, condition=Condition("kind", ("a",))))
    assert larger.config({"kind": "a", "model/rate": 1.0, "model/size": 0.5}) == {
        "kind": "a",
        "model": {"rate": 1.0, "size": 0.5},
    }
    assert larger.config({"kind": "b", "model/rate": 1.0}) == {"kind": "b", "model": {"rate": 1.0}}
    always = grown(larger, Float(name="model/size", low=0, high=1))
    assert always["model/size"].condition is None
    config = {"kind": "b", "model": {"rate": 1.0, "size": 0.5}}
    assert always.contains(config)
    assert known(larger, config) == {"kind": "b", "model": {"rate": 1.0}}
    assert known(space, {**config, "more": {"deep": 3}}) == {"kind": "b", "model": {"rate": 1.0}}
    assert grown(space, Float(name="z", low=0, high=1, condition=Condition("gone", (1,))))["z"].condition is None


@pytest.mark.parametrize(
    "parameter",
    [
        Int(name="a", low=2, high=8, step=2, condition=Condition("b", (True, "x"))),
        Float(name="a/b", low=0.1, high=1, log=True),
        Choice(name="c", values=(1, "a", None, [1, 2])),
    ],
)
def test_a_parameter_comes_back_from_its_json(parameter: Any) -> None:
    assert parameter_of(json.loads(json.dumps(parameter.to_json()))) == parameter
