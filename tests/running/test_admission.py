"""Legs of different sizes: handed out when they fit, held while they do not, refused where they never will."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ray import tune

from orchestune import Asha, Experiment, Fifo, Grid, Resources
from orchestune.errors import ClusterError, RunAborted
from orchestune.running.conductor import REFUSALS, Conductor
from orchestune.running.failure import Failure
from orchestune.running.journal import Journal, read_events
from orchestune.running.room import Room
from orchestune.schedulers.base import Decision
from orchestune.searchers.base import FINISHED, Searcher
from orchestune.storage.folder import Folder
from orchestune.training.checkpoint import CheckpointStore
from orchestune.training.legs import Leg
from tests.conftest import Plan
from tests.running.simulation import Halving, _forget, session, toy


class Told(Searcher):
    """Asks the sizes that it was given, and keeps what it is told."""

    sizes: ClassVar[list[float]] = []
    asked_for: ClassVar[list[int]] = []

    def ask(self, n: int) -> dict[str, Any] | str:
        self.asked_for.append(n)
        return {"x": float(self.sizes[n])} if n < len(self.sizes) else FINISHED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    name: ClassVar[str] = "sizes"
    finite: ClassVar[bool] = True
    waits: ClassVar[bool] = False
    adapts: ClassVar[bool] = False

    def refuse(self, space: Any) -> list[str]:
        return []

    def build(self, space: Any, **common: Any) -> Told:
        return Told(space, **common)


def x_cpus(config: dict[str, Any]) -> Resources:
    return Resources(cpu=config["x"])


def sized(*sizes: float, **changes: Any) -> Experiment:
    """Trials of so many CPUs, one after the other."""
    Told.sizes, Told.asked_for = [*sizes], []
    asked = {"space": {"x": tune.uniform(0.1, 9)}, "searcher": Sizes(), "scheduler": Fifo(), "max_epochs": 2}
    return toy(**{**asked, "num_samples": len(sizes), "resources": x_cpus, **changes})


def begun(experiment: Experiment, root: Path, machine: Mapping[str, float] | float = 2.0, **more: Any) -> Conductor:
    """A conductor in its first or its next session; `machine`: what it has, or how many CPUs."""
    root.mkdir(exist_ok=True)
    _forget(root / "events.jsonl")
    journal = Journal(root / "events.jsonl")
    if journal.is_empty:
        question = {"event": "question", "t": 0.0, "v": 1, "rev": 1, "question": experiment.to_json()}
        journal.append(question)
        journal.events = [question]
    conductor = Conductor(experiment, journal, CheckpointStore(Folder(root / "trials")), **more)
    has = {"CPU": machine} if isinstance(machine, float) else machine
    conductor.begin({"host": "here", "processes": []}, Room([has], experiment.max_concurrent_trials))
    return conductor


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "run"
    _forget(tmp_path / "run" / "events.jsonl")


def handed_out(conductor: Conductor) -> list[Leg]:
    legs = []
    while isinstance(leg := conductor.next_leg(), Leg):
        legs.append(leg)
    assert leg is None
    return legs


def trials(legs: list[Leg]) -> list[str]:
    return [leg.trial for leg in legs]


def finish(conductor: Conductor, leg: Leg, epochs: int = 2) -> None:
    for epoch in range(1, epochs + 1):
        decision = conductor.report(leg, {"epoch": epoch, "metrics": {"score": leg.resources.cpu}, "seconds": 0.0})
    assert decision is not Decision.CONTINUE
    conductor.released(leg)


def kinds(root: Path, trial: str) -> list[str]:
    return [event["event"] for event in read_events(root / "events.jsonl") if event.get("trial") == trial]


def test_a_leg_is_handed_out_when_it_fits_beside_the_others(root: Path) -> None:
    conductor = begun(sized(1, 0.5, 2, 0.5, 1), root)
    one, half = handed_out(conductor)
    assert (one.resources, half.resources) == (Resources(cpu=1), Resources(cpu=0.5))
    finish(conductor, one)
    assert handed_out(conductor) == [], "1.5 CPUs are free, and the next one wants 2"
    assert Told.asked_for == [0, 1, 2], "it waits; it is not asked again, and nobody overtakes it"
    assert kinds(root, "0002") == [], "it is not born before it can train"
    finish(conductor, half)
    (two,) = handed_out(conductor)
    assert two.resources == Resources(cpu=2)
    assert Told.asked_for == [0, 1, 2], "nothing is free, so that no question is due"
    finish(conductor, two)
    assert trials(handed_out(conductor)) == ["0003", "0004"]


def test_never_more_is_live_than_there_is(root: Path) -> None:
    experiment = sized(*[(n * 7 % 20 + 1) / 10 for n in range(60)])
    conductor, live = begun(experiment, root), list[Leg]()
    while (leg := conductor.next_leg()) != FINISHED:
        if isinstance(leg, Leg):
            live.append(leg)
            assert sum(one.resources.cpu for one in live) <= 2 + 1e-9
        else:
            assert live, "nothing is live, so a leg or the end is due"
            finish(conductor, live.pop(len(live) // 2))
    assert {trial.status for trial in conductor.record.trials.values()} == {"finished"}


def test_max_concurrent_trials_still_limits(root: Path) -> None:
    conductor = begun(sized(0.1, 0.1, 0.1, 0.1, max_concurrent_trials=3), root)
    assert len(handed_out(conductor)) == 3
    assert Told.asked_for == [0, 1, 2]


def test_what_the_cluster_has_not_is_refused_and_the_run_goes_on(root: Path) -> None:
    conductor = begun(sized(1, 3, 1), root)
    assert trials(handed_out(conductor)) == ["0000", "0002"]
    refused = conductor.record.trials["0001"]
    assert (refused.status, refused.fault, refused.epochs) == ("failed", "config", 0)
    assert refused.why == "the configuration asks for 3 CPUs, and there are 2"
    assert refused.error is None
    assert kinds(root, "0001") == ["leg", "end"]
    searcher = conductor._memory.searcher
    assert 1 in searcher.ended
    assert searcher.scores[1] == {}, "nothing good is to be learnt of it"
    assert conductor.record.faulty == []


@pytest.mark.parametrize("num_samples", [5, 2 * REFUSALS + 7])
def test_a_run_that_refuses_every_question_ends(root: Path, num_samples: int) -> None:
    conductor = begun(sized(*[3] * num_samples), root)
    asked = []
    while not asked or asked[-1] != FINISHED:
        asked.append(conductor.next_leg())
    assert asked == [None] * (num_samples // REFUSALS) + [FINISHED]
    assert {trial.fault for trial in conductor.record.trials.values()} == {"config"}
    assert len(conductor.record.trials) == num_samples
    assert conductor.record.run_end
    assert conductor.record.run_end["why"] == "done"


def test_a_searcher_that_refuses_nothing_less_than_all_ends(root: Path) -> None:
    space = {"x": tune.grid_search([3.0, 4.0])}
    conductor = begun(sized(space=space, searcher=Grid(), num_samples=None), root)
    assert conductor.next_leg() == FINISHED
    assert [trial.fault for trial in conductor.record.trials.values()] == ["config"] * 2


def test_a_time_budget_ends_a_run_of_refusals(root: Path) -> None:
    experiment = sized(*[3] * 1000, num_samples=None, time_budget_s=20.0)
    conductor = begun(experiment, root, clock=itertools.count(1.0).__next__)  # a second passes whenever it is asked
    assert conductor.next_leg() == FINISHED
    assert conductor.record.run_end
    assert conductor.record.run_end["why"] == "time_budget"
    assert len(conductor.record.trials) < 20


def test_what_waits_for_room_is_not_born_once_the_run_ends(root: Path) -> None:
    conductor = begun(sized(1, 2, stop_at_score=0.5), root)
    (leg,) = handed_out(conductor)
    conductor.report(leg, {"epoch": 1, "metrics": {"score": 1.0}, "seconds": 0.0})
    conductor.released(leg)
    assert conductor.next_leg() == FINISHED
    assert [*conductor.record.trials] == ["0000"]


# ---- out of memory

NO_MEMORY = Failure("config", 'Traceback\n  File "toy.py", line 1, in step\n    f()\nMemoryError\n')


def test_out_of_memory_is_told_as_bad_whatever_was_reported_before(root: Path) -> None:
    conductor = begun(sized(1, 1), root)
    leg, other = handed_out(conductor)
    conductor.report(leg, {"epoch": 1, "metrics": {"score": 99.0}, "seconds": 0.0})
    searcher = conductor._memory.searcher
    assert searcher.scores[0] == {1: 99.0}
    conductor.failed(leg, NO_MEMORY)
    finish(conductor, other)
    assert searcher.scores[0] == {}
    failed = conductor.record.trials["0000"]
    assert (failed.status, failed.fault, failed.why) == ("failed", "config", "MemoryError")
    assert failed.error == NO_MEMORY.error
    assert conductor.record.faulty == []


def test_out_of_memory_does_not_count_as_the_same_error_again(root: Path) -> None:
    conductor = begun(sized(*[1] * 9), root)
    code = Failure("code", "ValueError: x", "the same place")
    for failure in (NO_MEMORY, NO_MEMORY, NO_MEMORY, NO_MEMORY, code, NO_MEMORY, code):
        conductor.failed(handed_out(conductor)[0], failure)
    with pytest.raises(RunAborted):
        conductor.failed(handed_out(conductor)[0], code)


# ---- a function that cannot say


def broken_at_1(config: dict[str, Any]) -> Resources:
    if config["x"] == 1:
        raise KeyError("width")
    return Resources()


def test_a_function_that_cannot_say_is_the_codes_fault(root: Path) -> None:
    conductor = begun(sized(0.5, 1, 0.5, 1, 0.5, resources=broken_at_1), root)
    assert trials(handed_out(conductor)) == ["0000", "0002"]
    failed = conductor.record.trials["0001"]
    assert (failed.status, failed.fault) == ("failed", "code")
    assert failed.why.endswith(f"{__name__}:broken_at_1 raised KeyError: 'width'; for {{'x': 1.0}}")
    assert failed.error
    assert 'raise KeyError("width")' in failed.error


def test_it_stops_the_run_when_it_never_can(root: Path) -> None:
    conductor = begun(sized(1, 1, 1, 1, resources=broken_at_1), root)
    with pytest.raises(RunAborted, match=r"3 trials in a row failed at the same place(.|\n)*broken_at_1 raised Key"):
        conductor.next_leg()
    assert len(conductor.record.trials) == 3


CALLS: list[float] = []


def noted(config: dict[str, Any]) -> Resources:
    CALLS.append(config["x"])
    return Resources(cpu=config["x"])


def test_it_is_asked_once_however_long_a_leg_waits(root: Path) -> None:
    experiment = sized(1, 2, resources=noted)
    CALLS.clear()
    conductor = begun(experiment, root)
    (leg,) = handed_out(conductor)
    for _ in range(10):
        assert conductor.next_leg() is None
    finish(conductor, leg)
    assert len(handed_out(conductor)) == 1
    assert CALLS == [1, 2]


# ---- later legs, and other machines


def test_a_lost_leg_waits_for_room_too_and_goes_first(root: Path) -> None:
    conductor = begun(sized(1, 1, 1), root)
    one, two = handed_out(conductor)
    conductor.failed(one, Failure("machine", "the worker died"))
    again = conductor.next_leg()
    assert isinstance(again, Leg)
    assert (again.trial, again.leg, again.resources) == ("0000", 2, Resources(cpu=1))
    finish(conductor, two)
    assert trials(handed_out(conductor)) == ["0002"]


def test_a_promotion_waits_for_room(root: Path) -> None:
    experiment = sized(2, 1, 1, 1, scheduler=Halving(rungs=(1, 2)))
    conductor = begun(experiment, root)
    (two,) = handed_out(conductor)
    finish(conductor, two, epochs=1)
    one, other = handed_out(conductor)
    finish(conductor, one, epochs=1)
    (last,) = handed_out(conductor)
    finish(conductor, other, epochs=1)
    assert handed_out(conductor) == []
    finish(conductor, last, epochs=1)
    assert [(leg.trial, leg.leg) for leg in handed_out(conductor)] == [("0000", 2)], "the best, and it wants everything"


def test_a_driver_that_died_resumes_every_leg_that_was_live(root: Path) -> None:
    conductor = begun(sized(1, 1, 2), root)
    assert len(handed_out(conductor)) == 2
    conductor = begun(conductor.experiment, root)
    legs = handed_out(conductor)
    assert [(leg.trial, leg.leg) for leg in legs] == [("0000", 2), ("0001", 2)]
    for leg in legs:
        finish(conductor, leg)
    assert trials(handed_out(conductor)) == ["0002"]


def test_a_trial_that_has_trained_is_not_lost_on_a_smaller_cluster(root: Path) -> None:
    experiment = sized(2, 1)
    conductor = begun(experiment, root)
    (leg,) = handed_out(conductor)
    conductor.report(leg, {"epoch": 1, "metrics": {"score": 1.0}, "seconds": 0.0})
    before = read_events(root / "events.jsonl")
    words = "trial 0000 has trained where there was more: it asks for 2 CPUs, and there is 1"
    with pytest.raises(ClusterError, match=words):
        begun(experiment, root, 1.0)
    assert read_events(root / "events.jsonl") == before, "nothing has happened"
    conductor = begun(experiment, root, 4.0)
    assert trials(handed_out(conductor)) == ["0000", "0001"]


def test_one_that_has_not_trained_yet_is_refused_there(root: Path) -> None:
    experiment = sized(2, 1)
    handed_out(begun(experiment, root))
    conductor = begun(experiment, root, 1.0)
    assert trials(handed_out(conductor)) == ["0001"]
    assert kinds(root, "0000") == ["leg", "leg_end", "end"]
    assert conductor.record.trials["0000"].fault == "config"


def test_the_test_split_is_scored_where_the_winner_fits(root: Path, plan: Plan) -> None:
    experiment = sized(2, 1, max_epochs=1)
    record = session(experiment, root, cpus=2)
    assert record.best
    assert record.best.id == "0000"
    lines = (root / "events.jsonl").read_text().splitlines(keepends=True)
    (root / "events.jsonl").write_text("".join(lines[:-1]))  # as if killed before the run's end
    with pytest.raises(ClusterError, match="trial 0000 has trained where there was more"):
        session(experiment, root, cpus=1)
    assert session(experiment, root, cpus=2).run_end


def test_asha_with_sizes(root: Path, plan: Plan) -> None:
    """Whoever waits for room is not forgotten by a scheduler that stops."""
    experiment = sized(*[1, 2, 0.5, 1.5] * 5, scheduler=Asha(reduction_factor=2), max_epochs=4)
    record = session(experiment, root, cpus=2)
    assert len(record.trials) == 20
    assert {trial.status for trial in record.trials.values()} <= {"finished", "stopped"}
