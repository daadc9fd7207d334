"""Promoting ASHA by hand: who goes on, in which order, and when nobody does."""

from __future__ import annotations

import math
import random
from typing import Any, cast

import pytest

from orchestune.schedulers import DONE, WAIT, Asha, Continue, Report, Start, Work
from orchestune.schedulers.promoting import PromotingScheduler, rungs
from tests.schedulers.simulation import simulate

SPACE = cast(Any, None)


def build(max_epochs: int = 9, num_samples: int | None = 9, **fields: Any) -> PromotingScheduler:
    built = Asha(**{"reduction_factor": 3, "promote": True, **fields}).build(SPACE, max_epochs, num_samples, seed=0)
    assert isinstance(built, PromotingScheduler)
    return built


def test_by_hand() -> None:
    """eta 3, rungs 1, 3, 9. A third of three is promoted at once, and so is another of six, of nine; then of three."""
    scores = [5, 1, 9, 2, 3, 4, 8, 7, 6]
    done = simulate(build(), lambda n, epoch: float(scores[n]))
    assert [(int(trial), start, until) for trial, start, until in done.legs] == [
        (0, 0, 1), (1, 0, 1), (2, 0, 1), (2, 1, 3),  # 9 is the best of three
        (3, 0, 1), (4, 0, 1), (5, 0, 1), (0, 1, 3),  # 9, 5 of six
        (6, 0, 1), (6, 1, 3), (2, 3, 9),  # 9, 8 of seven; then 9 is the best of three at the second rung
        (7, 0, 1), (8, 0, 1), (7, 1, 3),  # 9, 8, 7 of nine
    ]  # fmt: skip
    assert done.total == 9 * 1 + 4 * 2 + 1 * 6


def test_the_highest_rung_comes_first() -> None:
    judge = build(num_samples=12)
    for n in range(12):
        judge.started(f"{n:04d}", 0, 1, {})
    for n in range(9):
        judge.decide(Report(f"{n:04d}", 1, float(n)))
    for n in (8, 7, 6):
        assert judge.next() == Continue(f"{n:04d}", 3)
        judge.started(f"{n:04d}", 1, 3, {})
    assert judge.next() is WAIT
    for n in (6, 7, 8):
        judge.decide(Report(f"{n:04d}", 3, float(-n)))
    for n in (9, 10, 11):  # the best of the lowest rung
        judge.decide(Report(f"{n:04d}", 1, float(n)))
    assert judge.next() == Continue("0006", 9)
    judge.started("0006", 3, 9, {})
    assert judge.next() == Continue("0011", 3)


def test_without_num_samples_the_lowest_rung_grows() -> None:
    judge = build(num_samples=None)
    for n in range(20):
        judge.started(f"{n:04d}", 0, 1, {})
        judge.ended(f"{n:04d}", "failed")
    assert judge.next() == Start(1), "failed trials count at no rung"


def test_one_that_had_enough_takes_a_place() -> None:
    judge = build(num_samples=3)
    for n in range(3):
        judge.started(f"{n:04d}", 0, 1, {})
    judge.best["0002"] = 9.0
    judge.ended("0002", "finished")
    for n in range(2):
        judge.decide(Report(f"{n:04d}", 1, float(n)))
    assert judge.next() is DONE, "of three only the best could go on, and it is over"


def test_one_that_ends_where_it_waits_goes_on_no_more() -> None:
    """Early stopping ends a trial at the report with which it came to a rung."""
    judge = build(num_samples=6)
    for n in range(6):
        judge.started(f"{n:04d}", 0, 1, {})
        judge.decide(Report(f"{n:04d}", 1, float(n)))
    assert judge.next() == Continue("0005", 3)
    judge.ended("0005", "stopped")
    assert judge.next() == Continue("0004", 3)


class EveryPlace(PromotingScheduler):
    """The paper's `get_job` as it is written: all the best of each rung are looked at, one after the other."""

    def next(self) -> Work:
        for level in range(len(self.rungs) - 2, -1, -1):
            best = int(len(self.ranked[level]) // self.factor)
            for _, _, trial in self.ranked[level][:best]:
                gone_on = any(trial in {name for *_, name in ranked} for ranked in self.ranked[level + 1 :])
                trains = self.until.get(trial, 0) > self.rungs[level]
                if not gone_on and not trains and trial not in self.over:
                    return Continue(trial, self.rungs[level + 1])
        return Start(self.rungs[0]) if self.may_start else self.idle


@pytest.mark.parametrize("seed", range(8))
def test_the_first_that_waits_is_the_first_of_all(seed: int) -> None:
    """Ties, failures and trials that diverge among them."""
    chance = random.Random(seed)
    scores = [[float(chance.choice([*range(8), math.nan])) for _ in range(10)] for _ in range(120)]
    failures = {(chance.randrange(120), chance.choice([1, 2, 3, 5])) for _ in range(20)}
    plain, quick = EveryPlace(1, 3, 9, 120), build(num_samples=120)
    runs = [
        simulate(judge, lambda n, epoch: scores[n][epoch], workers=7, chance=random.Random(seed), failures=failures)
        for judge in (plain, quick)
    ]
    assert runs[0].events == runs[1].events
    assert len(runs[0].continued) > 20


@pytest.mark.parametrize(
    ("grace", "factor", "max_epochs", "expected"),
    [(1, 4, 16, [1, 4, 16]), (1, 3, 20, [1, 3, 9, 20]), (10, 4, 10, [10]), (1, 1.5, 4, [1, 2, 3, 4])],
)
def test_rungs(grace: int, factor: float, max_epochs: int, expected: list[int]) -> None:
    assert rungs(grace, factor, max_epochs) == expected


def test_pauses_where_it_promotes() -> None:
    assert Asha(promote=True).pauses
    assert not Asha().pauses
    with pytest.raises(ValueError, match="promote=1"):
        Asha(promote=cast(Any, 1))


def test_refuses_to_promote_none() -> None:
    (sentence,) = Asha(promote=True).refuse(SPACE, 16, 3)
    assert "num_samples=3" in sentence
    assert Asha(promote=True).refuse(SPACE, 16, 4) == Asha().refuse(SPACE, 16, 3) == []
