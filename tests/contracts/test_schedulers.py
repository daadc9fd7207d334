"""What every scheduler must pass. A new one is found by its line in SCHEDULERS."""

from __future__ import annotations

import math
import random
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestune.errors import UnknownName
from orchestune.schedulers import (
    DONE,
    SCHEDULERS,
    WAIT,
    Continue,
    Decision,
    Report,
    Scheduler,
    Start,
    scheduler,
)

SPACE = cast(Any, None)  # a stopping scheduler does not look at it
MAX_EPOCHS = 16
NAMES = pytest.mark.parametrize("name", SCHEDULERS)
steady = settings(deadline=None, derandomize=True)  # a busy machine is no failure
# Whole numbers in steps of 4, so that a cutoff between two of them is exact however they are scaled.
score_of = st.integers(-1000, 1000).map(lambda n: 4.0 * n)
curves = st.lists(st.lists(score_of, min_size=MAX_EPOCHS, max_size=MAX_EPOCHS), min_size=1, max_size=12)
chances = st.integers(0, 2**32).map(random.Random)


def build(name: str, max_epochs: int = MAX_EPOCHS, num_samples: int | None = None) -> Scheduler:
    return SCHEDULERS[name]().build(SPACE, max_epochs, num_samples, seed=0)


Recorded = list[tuple[Report, Decision]]


def run(judge: Scheduler, scores: list[list[float]], chance: random.Random, workers: int = 4) -> Recorded:
    """A whole run at `workers` trials at a time, whose reports arrive in an order drawn from `chance`."""
    recorded: Recorded = []
    live: dict[str, tuple[int, int]] = {}  # trial -> epochs done, epochs of its leg
    reached: dict[str, int] = {}
    while True:
        work = judge.next()
        if work is DONE:
            assert not live
            return recorded
        if isinstance(work, Start | Continue) and len(live) < workers:
            trial = work.trial if isinstance(work, Continue) else f"{len(reached):04d}"
            live[trial] = (reached.setdefault(trial, 0), work.until)
            judge.started(trial, reached[trial], work.until, {})
            continue
        assert live, "nothing is alive, and nothing is handed out"
        trial = chance.choice(sorted(live))
        epoch, until = live[trial][0] + 1, live[trial][1]
        report = Report(trial, epoch, scores[int(trial)][epoch - 1])
        decision = judge.decide(report)
        recorded.append((report, decision))
        live[trial], reached[trial] = (epoch, until), epoch
        if decision is not Decision.CONTINUE:
            del live[trial]
            if decision is Decision.STOP:
                judge.ended(trial, "stopped")


@NAMES
@steady
@given(scores=curves, chance=chances, spoilt=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_diverged_trial_is_stopped_at_once_and_moves_nobody(
    name: str, scores: list[list[float]], chance: random.Random, spoilt: float
) -> None:
    worse = run(build(name, num_samples=len(scores)), scores, chance)
    healthy, spoiled = build(name), build(name)
    for n, (report, decision) in enumerate(worse):
        diverged = Report(f"diverged-{n}", report.epoch, spoilt)
        spoiled.started(diverged.trial, 0, MAX_EPOCHS, {})
        assert spoiled.decide(diverged) is Decision.STOP
        for each in (healthy, spoiled):
            each.started(report.trial, 0, MAX_EPOCHS, {})
            assert each.decide(report) is decision


@NAMES
@steady
@given(scores=curves, chance=chances)
def test_the_best_so_far_goes_on(name: str, scores: list[list[float]], chance: random.Random) -> None:
    best: dict[int, float] = {}
    for report, decision in run(build(name, num_samples=len(scores)), scores, chance):
        if report.epoch < MAX_EPOCHS and report.score >= best.get(report.epoch, -math.inf):
            assert decision is not Decision.STOP
        best[report.epoch] = max(best.get(report.epoch, -math.inf), report.score)


@NAMES
@steady
@given(scores=curves, seed=st.integers(0, 2**32), scale=st.integers(1, 1000), shift=st.integers(-1000, 1000))
def test_neither_unit_nor_zero_of_the_scores_matters(
    name: str, scores: list[list[float]], seed: int, scale: int, shift: int
) -> None:
    scaled = [[scale * score + shift for score in curve] for curve in scores]
    plain = run(build(name, num_samples=len(scores)), scores, random.Random(seed))
    other = run(build(name, num_samples=len(scores)), scaled, random.Random(seed))
    assert [decision for _, decision in plain] == [decision for _, decision in other]


@NAMES
@steady
@given(scores=curves, chance=chances)
def test_no_trial_passes_the_last_epoch(name: str, scores: list[list[float]], chance: random.Random) -> None:
    judge = build(name, num_samples=len(scores))
    for report, decision in run(judge, scores, chance):
        assert report.epoch < MAX_EPOCHS or decision is Decision.STOP
    assert judge.decide(Report("late", MAX_EPOCHS + 1, 1e9)) is Decision.STOP


@NAMES
@steady
@given(scores=curves, chance=chances)
def test_a_replayed_run_is_decided_alike(name: str, scores: list[list[float]], chance: random.Random) -> None:
    first, again = (build(name, num_samples=len(scores)) for _ in range(2))
    for report, decision in run(first, scores, chance):
        if report.epoch == 1:
            again.started(report.trial, 0, MAX_EPOCHS, {})
        assert again.decide(report) is decision
        if decision is Decision.STOP:
            again.ended(report.trial, "stopped")
    assert again.next() == first.next() == DONE


@NAMES
def test_next_changes_nothing(name: str) -> None:
    judge = build(name, num_samples=2)
    assert [judge.next() for _ in range(5)] == [Start(until=MAX_EPOCHS)] * 5


@NAMES
@pytest.mark.parametrize("status", ["finished", "stopped", "diverged", "failed"])
def test_num_samples_counts_trials_however_they_end(name: str, status: str) -> None:
    judge = build(name, num_samples=3)
    for trial in ("0000", "0001", "0002"):
        assert isinstance(judge.next(), Start)
        judge.started(trial, 0, MAX_EPOCHS, {})
    assert judge.next() is WAIT
    for trial in ("0001", "0000"):
        judge.ended(trial, status)
        assert judge.next() is WAIT, "0002 is alive"
    judge.ended("0002", status)
    assert judge.next() is DONE


@NAMES
def test_a_later_leg_is_no_new_trial(name: str) -> None:
    judge = build(name, num_samples=2)
    judge.started("0000", 0, MAX_EPOCHS, {})
    judge.started("0000", 5, MAX_EPOCHS, {})
    assert isinstance(judge.next(), Start)


@NAMES
def test_without_num_samples_there_is_always_another(name: str) -> None:
    judge = build(name)
    for n in range(100):
        assert isinstance(judge.next(), Start)
        judge.started(f"{n:04d}", 0, MAX_EPOCHS, {})


@NAMES
def test_its_name_is_what_the_command_line_calls_it(name: str) -> None:
    assert scheduler(name) is SCHEDULERS[name]
    assert scheduler(name)().name == build(name).name == name
    assert scheduler(name)().refuse(SPACE, 16, None) == []


def test_a_misspelled_name_is_corrected() -> None:
    with pytest.raises(UnknownName, match=r"no scheduler named 'ahsa'\. Did you mean 'asha'\?"):
        scheduler("ahsa")
