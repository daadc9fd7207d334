"""Promoting ASHA by hand: who goes on, in which order, and when nobody does."""

from __future__ import annotations

from typing import Any, cast

import pytest

from orchestune.schedulers import DONE, WAIT, Asha, Continue, Report, Start
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
