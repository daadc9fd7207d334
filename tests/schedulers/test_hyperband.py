"""HyperBand against its paper's table, and by hand on small runs."""

from __future__ import annotations

import math
import random
from typing import Any, cast

import pytest

from orchestune.schedulers import DONE, HyperBand, Work
from orchestune.schedulers.hyperband import HyperBandScheduler
from tests.schedulers.simulation import Run, simulate

SPACE = cast(Any, None)
# Li et al. 2018, Table 1: R = 81, eta = 3.
PAPER = [
    [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
    [(34, 3), (11, 9), (3, 27), (1, 81)],
    [(15, 9), (5, 27), (1, 81)],
    [(8, 27), (2, 81)],
    [(5, 81)],
]


def build(max_epochs: int, num_samples: int | None = None, **fields: Any) -> HyperBandScheduler:
    return HyperBand(**fields).build(SPACE, max_epochs, num_samples, seed=0)


def run(max_epochs: int, num_samples: int | None = None, workers: int = 1, **fields: Any) -> Run:
    """Trial n scores n, so that the youngest of a bracket win."""
    return simulate(build(max_epochs, num_samples, **fields), lambda n, epoch: float(n), workers=workers)


@pytest.mark.parametrize(
    ("fields", "max_epochs", "expected"),
    [
        ({}, 81, PAPER),
        ({}, 20, [[(9, 2), (3, 7), (1, 20)], [(5, 7), (1, 20)], [(3, 20)]]),
        ({}, 3, [[(3, 1), (1, 3)], [(2, 3)]]),
        ({"reduction_factor": 4, "grace_period": 2}, 40, [[(16, 3), (4, 10), (1, 40)], [(6, 10), (1, 40)], [(3, 40)]]),
        ({"reduction_factor": 1.5}, 3, [[(3, 1), (2, 2), (1, 3)], [(3, 2), (2, 3)], [(3, 3)]]),
    ],
)
def test_brackets(fields: dict[str, Any], max_epochs: int, expected: list[list[tuple[int, int]]]) -> None:
    assert HyperBand(**fields).brackets(max_epochs) == expected


def test_rungs_at_the_same_epoch_are_one() -> None:
    # 2 epochs, eta 1.2: r = 1.16, 1.39, 1.67, 2 are the epochs 1, 1, 2, 2.
    assert HyperBand(reduction_factor=1.2).brackets(2)[0] == [(2, 1), (1, 2)]


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_the_papers_iteration(workers: int) -> None:
    """297 + 276 + 279 + 324 + 405 epochs, each trial going on from where it waited."""
    done = run(81, workers=workers)
    assert done.total == 1581 == HyperBand().epochs(81)
    assert len(done.epochs) == 143 == HyperBand().trials(81)
    # Of 0..80 the best third is 54..80, and so on: whoever reached an epoch, by bracket.
    for first, rungs in zip([0, 81, 115, 130, 138], PAPER, strict=True):
        size = rungs[0][0]
        for count, epochs in rungs:
            best = range(first + size - count, first + size)
            reached = {n for n in range(first, first + size) if done.epochs[f"{n:04d}"] >= epochs}
            assert reached == set(best)


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_twenty_epochs(workers: int) -> None:
    # 9 x 2 + 3 x 5 + 1 x 13, 5 x 7 + 1 x 13, 3 x 20
    assert run(20, workers=workers).total == 46 + 48 + 60 == HyperBand().epochs(20)


def test_more_trials_are_more_iterations_and_the_last_bracket_is_cut() -> None:
    done = run(20, num_samples=17 + 9 + 2)
    assert len(done.epochs) == 28
    assert done.total == 154 + 46 + (2 * 7 + 13)


def test_fewer_trials_cut_the_first_bracket() -> None:
    done = run(20, num_samples=4)  # 4 x 2, then floor(4 / 3) = 1
    assert sorted(done.epochs.values()) == [2, 2, 2, 20]


def test_without_more_configurations_a_bracket_makes_do() -> None:
    done = simulate(build(20, num_samples=100), lambda n, epoch: float(n), supply=4)
    assert sorted(done.epochs.values()) == [2, 2, 2, 20]


class EveryBracket(HyperBandScheduler):
    """Looks at the brackets that are done as well."""

    def next(self) -> Work:
        self._going = list(self.brackets)
        return super().next()


@pytest.mark.parametrize("seed", range(6))
def test_brackets_that_are_done_have_nothing_to_say(seed: int) -> None:
    """Ties, failures and trials that diverge among them, and the configurations end within a bracket."""
    chance = random.Random(seed)
    scores = [[float(chance.choice([*range(8), math.nan])) for _ in range(10)] for _ in range(300)]
    failures = {(chance.randrange(200), chance.choice([1, 2, 3, 5])) for _ in range(30)}
    every, quick = EveryBracket(HyperBand(), 9, 300), build(9, num_samples=300)
    runs = [
        simulate(judge, lambda n, epoch: scores[n][epoch], workers=9, chance=random.Random(seed), supply=190,
                 failures=failures)
        for judge in (every, quick)
    ]  # fmt: skip
    assert runs[0].events == runs[1].events
    assert len(quick.brackets) > 20
    assert not quick._going, "the last ones are done as well"


def test_idle_workers_begin_the_next_bracket() -> None:
    legs = run(9, workers=4).legs
    assert [until for _, _, until in legs[:13]] == [1] * 9 + [3] * 4  # 8 of 9 are there, and 3 workers free
    assert HyperBand().brackets(9)[1][0] == (5, 3)


def test_a_failed_trial_arrived_and_lost() -> None:
    """8, the best of the first nine, fails at its second rung: 6 and 7 are promoted with it, and 7 goes on."""
    done = simulate(build(9), lambda n, epoch: float(n), failures={(8, 2)})
    first = [(trial, epochs) for trial, epochs in done.epochs.items() if trial < "0009"]
    assert first == [*((f"{n:04d}", 1) for n in range(6)), ("0006", 3), ("0007", 9), ("0008", 1)]


def test_a_trial_that_had_enough_keeps_its_place_but_does_not_go_on() -> None:
    judge = build(9, num_samples=9)
    for n in range(9):
        judge.started(f"{n:04d}", 0, 1, {})
    judge.best["0008"] = 100.0
    judge.ended("0008", "finished")
    done = simulate_rest(judge)
    assert done == {"0006": 3, "0007": 3}, "8 would have been the one to train to the end"


def simulate_rest(judge: HyperBandScheduler) -> dict[str, int]:
    """The legs that follow once trials 0 to 7 have scored their number."""
    from orchestune.schedulers import Continue, Report

    for n in range(8):
        judge.decide(Report(f"{n:04d}", 1, float(n)))
    legs = {}
    while (work := judge.next()) is not DONE:
        assert isinstance(work, Continue)
        legs[work.trial] = work.until
        judge.started(work.trial, 1, work.until, {})
        judge.decide(Report(work.trial, work.until, float(int(work.trial))))
    return legs


def test_equals_are_ranked_by_age() -> None:
    done = simulate(build(9, num_samples=9), lambda n, epoch: 0.0)
    assert [trial for trial, epochs in done.epochs.items() if epochs > 1] == ["0000", "0001", "0002"]


@pytest.mark.parametrize(("fields", "max_epochs"), [({}, 2), ({"grace_period": 4}, 11)])
def test_refuses_a_run_in_which_nothing_would_be_stopped(fields: dict[str, Any], max_epochs: int) -> None:
    (sentence,) = HyperBand(**fields).refuse(SPACE, max_epochs, None)
    assert f"max_epochs to at least {max_epochs + 1}" in sentence
    assert HyperBand(**fields).refuse(SPACE, max_epochs + 1, None) == []


@pytest.mark.parametrize("fields", [{"grace_period": 0}, {"grace_period": True}, {"reduction_factor": 1}])
def test_refuses(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        HyperBand(**fields)
