"""What every scheduler must pass. A new one is found by its line in SCHEDULERS."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray import tune

from orchestune import HyperBand, Plateau, perturb
from orchestune.errors import UnknownName
from orchestune.schedulers import (
    DONE,
    SCHEDULERS,
    WAIT,
    Asha,
    Decision,
    Declaration,
    Report,
    Scheduler,
    Start,
    early,
    scheduler,
)
from orchestune.space import Space
from tests.schedulers.simulation import Run, replay, simulate

SPACE = Space.parse({"x": perturb(tune.uniform(0, 1))})
MAX_EPOCHS = 16


@dataclass(frozen=True)
class Early:
    """A scheduler with early stopping on top."""

    inner: Declaration
    plateau: Plateau = field(default_factory=lambda: Plateau(patience=2))

    @property
    def pauses(self) -> bool:
        return self.inner.pauses

    def build(self, *run: Any, **seed: Any) -> Scheduler:
        return early(self.inner.build(*run, **seed), self.plateau)


CASES: dict[str, Any] = {
    **{name: declared() for name, declared in SCHEDULERS.items()},
    "asha, promoting": Asha(promote=True, reduction_factor=2),
    "early asha": Early(Asha()),
    "early hyperband": Early(HyperBand(reduction_factor=2)),
}
NAMES = pytest.mark.parametrize("name", SCHEDULERS)
ALL = pytest.mark.parametrize("case", CASES)
STOPPING = pytest.mark.parametrize("case", [case for case in CASES if not CASES[case].pauses])
ALIKE = ["fifo", "plateau", "hyperband", "early hyperband", "pbt"]  # whatever the number of workers
SYNCHRONOUS = pytest.mark.parametrize("case", ALIKE)
# Median averages scores; stopping ASHA, as Ray's, interpolates between two.
RANKED = pytest.mark.parametrize("case", ["fifo", "plateau", "hyperband", "early hyperband", "pbt", "asha, promoting"])
steady = settings(deadline=None, derandomize=True, max_examples=40)  # a busy machine is no failure
SLOW = {"multifidelity": 15}  # examples; it thinks before each answer
# Whole numbers in steps of 4, so that a cutoff between two of them is exact however they are scaled.
score_of = st.integers(-1000, 1000).map(lambda n: 4.0 * n)
curves = st.lists(st.lists(score_of, min_size=MAX_EPOCHS, max_size=MAX_EPOCHS), min_size=1, max_size=12)
seeds = st.integers(0, 2**32)
workers_of = st.sampled_from([1, 2, 3, 8])
Property = Callable[..., None]


def build(case: str, max_epochs: int = MAX_EPOCHS, num_samples: int | None = None) -> Scheduler:
    built: Scheduler = CASES[case].build(SPACE, max_epochs, num_samples, seed=0)
    return built


def run(case: str, scores: list[list[float]], seed: int = 0, workers: int = 4, **more: Any) -> Run:
    judge = build(case, num_samples=more.pop("num_samples", len(scores)))
    chance = random.Random(seed)
    return simulate(judge, lambda n, epoch: scores[n][epoch - 1], workers=workers, chance=chance, **more)


def for_all(**drawn: Any) -> Callable[[Property], Property]:
    """The property for every case, of each as many examples as it has time for."""

    def decorated(holds: Property) -> Property:
        @ALL
        def test(case: str) -> None:
            def holds_of_it(**example: Any) -> None:
                holds(case=case, **example)

            settings(steady, max_examples=SLOW.get(case, steady.max_examples))(given(**drawn)(holds_of_it))()

        return test

    return decorated


@STOPPING
@steady
@given(scores=curves, seed=seeds, spoilt=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_diverged_trial_moves_nobody(case: str, scores: list[list[float]], seed: int, spoilt: float) -> None:
    healthy, spoiled = build(case), build(case)
    for n, (report, decision) in enumerate(run(case, scores, seed).decisions):
        diverged = Report(f"diverged-{n}", report.epoch, spoilt)
        spoiled.started(diverged.trial, 0, MAX_EPOCHS, {})
        assert spoiled.decide(diverged) is Decision.STOP
        for each in (healthy, spoiled):
            each.started(report.trial, 0, MAX_EPOCHS, {})
            assert each.decide(report) is decision


@for_all(scores=curves, seed=seeds, workers=workers_of, spoilt=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_diverged_trial_is_stopped_at_once_and_no_finite_one_waits_for_it(
    case: str, scores: list[list[float]], seed: int, workers: int, spoilt: float
) -> None:
    chance = random.Random(seed)
    for curve in scores[::2]:
        curve[chance.randrange(MAX_EPOCHS)] = spoilt
    done = run(case, scores, seed, workers)
    assert all(decision is Decision.STOP for report, decision in done.decisions if report.diverged)
    assert len(done.epochs) == len(scores)


@for_all(scores=curves, seed=seeds, workers=workers_of)
def test_the_best_goes_on(case: str, scores: list[list[float]], seed: int, workers: int) -> None:
    """One that leads at every epoch, and gets better at each, is never stopped before its last."""
    best = seed % len(scores)
    scores[best] = [5000.0 + epoch for epoch in range(MAX_EPOCHS)]
    done = run(case, scores, seed, workers)
    assert all(
        decision is not Decision.STOP or report.epoch == MAX_EPOCHS
        for report, decision in done.decisions
        if int(report.trial) == best
    )
    if case in ALIKE or not CASES[case].pauses:  # of few trials, those that promote one by one may promote none
        assert done.epochs[f"{best:04d}"] == MAX_EPOCHS


@for_all(scores=curves, seed=seeds, scale=st.integers(1, 1000), shift=st.integers(-1000, 1000))
def test_neither_unit_nor_zero_of_the_scores_matters(
    case: str, scores: list[list[float]], seed: int, scale: int, shift: int
) -> None:
    scaled = [[scale * score + shift for score in curve] for curve in scores]
    plain, other = run(case, scores, seed), run(case, scaled, seed)
    assert [decision for _, decision in plain.decisions] == [decision for _, decision in other.decisions]


@RANKED
@steady
@given(scores=curves, seed=seeds)
def test_only_the_order_of_scores_matters(case: str, scores: list[list[float]], seed: int) -> None:
    plain, other = run(case, scores, seed), run(case, [[score**3 for score in curve] for curve in scores], seed)
    assert plain.legs == other.legs


@for_all(scores=curves, seed=seeds, workers=workers_of)
def test_no_trial_passes_the_last_epoch(case: str, scores: list[list[float]], seed: int, workers: int) -> None:
    done = run(case, scores, seed, workers)
    assert all(start < until <= MAX_EPOCHS for _, start, until in done.legs)
    assert all(report.epoch < MAX_EPOCHS or decision is Decision.STOP for report, decision in done.decisions)
    assert build(case).decide(Report("late", MAX_EPOCHS + 1, 1e9)) is Decision.STOP


@for_all(scores=curves, seed=seeds, workers=workers_of)
def test_a_replayed_run_is_decided_alike(case: str, scores: list[list[float]], seed: int, workers: int) -> None:
    done = run(case, scores, seed, workers)
    assert replay(build(case, num_samples=len(scores)), done) is DONE


@for_all(scores=curves, more=st.integers(0, 5), cut=st.integers(0, 300))
def test_a_resumed_run_learns_anew_that_there_are_no_more_configurations(
    case: str, scores: list[list[float]], more: int, cut: int
) -> None:
    """No journal says so: a replay is not told before its end, and must then hand out what was due."""
    done = run(case, scores, workers=1, supply=len(scores), num_samples=len(scores) + more)
    events = [event for event in done.events if event[0] != "exhausted"]
    judge = build(case, num_samples=len(scores) + more)
    for kind, *what in events[:cut]:
        if kind == "report":
            assert judge.decide(what[0]) is what[1]
        else:
            judge.started(*what[1:]) if kind == "started" else judge.ended(*what)
    left = events[cut:]
    if all(kind != "started" or not isinstance(what[0], Start) for kind, *what in left):
        judge.exhausted()
        if left and left[0][0] == "started":
            assert judge.next() == left[0][1]


@for_all(
    scores=curves, seed=seeds, workers=workers_of, failing=st.sets(st.tuples(st.integers(0, 11), st.integers(1, 16)))
)
def test_nobody_waits_for_a_failed_trial(
    case: str, scores: list[list[float]], seed: int, workers: int, failing: set[tuple[int, int]]
) -> None:
    done = run(case, scores, seed, workers, failures=failing)
    assert len(done.epochs) == len(scores)


@for_all(scores=curves, seed=seeds, workers=workers_of, more=st.integers(1, 100))
def test_without_more_configurations_it_makes_do_with_those_there_are(
    case: str, scores: list[list[float]], seed: int, workers: int, more: int
) -> None:
    done = run(case, scores, seed, workers, supply=len(scores), num_samples=len(scores) + more)
    assert len(done.epochs) == len(scores)


@SYNCHRONOUS
@steady
@given(scores=curves, seed=seeds, workers=workers_of)
def test_how_many_train_at_a_time_changes_nothing(
    case: str, scores: list[list[float]], seed: int, workers: int
) -> None:
    alone, together = run(case, scores, seed, workers=1), run(case, scores, seed, workers)
    assert sorted(alone.legs) == sorted(together.legs)
    assert alone.configs == together.configs


@ALL
def test_next_changes_nothing(case: str) -> None:
    judge = build(case, num_samples=2)
    first = judge.next()
    assert isinstance(first, Start)
    assert first.until <= MAX_EPOCHS
    assert [judge.next() for _ in range(5)] == [first] * 5


@ALL
@pytest.mark.parametrize("status", ["finished", "stopped", "diverged", "failed"])
def test_num_samples_counts_trials_however_they_end(case: str, status: str) -> None:
    judge = build(case, num_samples=3)
    for trial in ("0000", "0001", "0002"):
        work = judge.next()
        assert isinstance(work, Start)
        judge.started(trial, 0, work.until, work.config or {"x": 0.5})
    assert judge.next() is WAIT
    for trial in ("0001", "0000"):
        judge.ended(trial, status)
        assert judge.next() is WAIT, "0002 is alive"
    judge.ended("0002", status)
    assert judge.next() is DONE


@ALL
def test_a_lost_leg_that_begins_again_is_no_new_trial(case: str) -> None:
    judge = build(case, num_samples=2)
    work = judge.next()
    assert isinstance(work, Start)
    for _ in range(2):
        judge.started("0000", 0, work.until, work.config or {"x": 0.5})
    assert isinstance(judge.next(), Start)


@pytest.mark.parametrize("case", [case for case in CASES if "hyperband" not in case])
def test_without_num_samples_there_is_always_another(case: str) -> None:
    judge = build(case)
    for n in range(100):
        work = judge.next()
        assert isinstance(work, Start)
        judge.started(f"{n:04d}", 0, work.until, work.config or {"x": 0.5})


@NAMES
def test_its_name_is_what_the_command_line_calls_it(name: str) -> None:
    assert scheduler(name) is SCHEDULERS[name]
    assert scheduler(name)().name == build(name).name == name
    assert scheduler(name)().refuse(SPACE, 16, 8) == []


def test_a_misspelled_name_is_corrected() -> None:
    with pytest.raises(UnknownName, match=r"no scheduler named 'ahsa'\. Did you mean 'asha'\?"):
        scheduler("ahsa")
