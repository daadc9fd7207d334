"""The median stopping rule by hand."""

from __future__ import annotations

from typing import Any, cast

import pytest

from orchestune.schedulers import Decision, Median, Report
from orchestune.schedulers.median import MedianScheduler

SPACE = cast(Any, None)
CONTINUE, STOP = Decision.CONTINUE, Decision.STOP


def build(max_epochs: int = 16, **fields: Any) -> MedianScheduler:
    return Median(**fields).build(SPACE, max_epochs, None, seed=0)


def tell(judge: MedianScheduler, trial: str, *scores: float) -> list[Decision]:
    return [judge.decide(Report(trial, epoch, score)) for epoch, score in enumerate(scores, start=1)]


def test_by_hand() -> None:
    judge = build()
    assert tell(judge, "a", 1, 3, 5) == [CONTINUE] * 3  # running averages 1, 2, 3
    assert tell(judge, "b", 2, 2, 2) == [CONTINUE] * 3  # 2, 2, 2
    assert tell(judge, "c", 0, 6, 9) == [CONTINUE] * 3  # 0, 3, 5
    # Medians of the others: 1, 2, 3. The best so far: 1, 2, 2.
    assert tell(judge, "d", 1, 2, 1) == [CONTINUE, CONTINUE, STOP]  # adds 1, 1.5, 1.33
    # Of four: 1, 2, (2 + 3) / 2. One good epoch lasts.
    assert tell(judge, "e", 2.5, 0, 0) == [CONTINUE] * 3


def test_between_the_two_in_the_middle() -> None:
    judge = build()
    for trial, score in (("a", 0), ("b", 1), ("c", 2), ("d", 3)):
        tell(judge, trial, score)
    assert tell(judge, "e", 1.4) == [STOP]
    judge = build()
    for trial, score in (("a", 0), ("b", 1), ("c", 2), ("d", 3)):
        tell(judge, trial, score)
    assert tell(judge, "e", 1.5) == [CONTINUE]


@pytest.mark.parametrize(("fields", "stopped"), [({}, 1), ({"grace_period": 3}, 3), ({"min_samples": 4}, None)])
def test_grace(fields: dict[str, Any], stopped: int | None) -> None:
    judge = build(**fields)
    for trial in "abc":
        tell(judge, trial, *[1.0] * 5)
    decisions = tell(judge, "d", *[0.0] * 5)
    assert (decisions.index(STOP) + 1 if STOP in decisions else None) == stopped


def test_whoever_skips_epochs_has_the_average_before() -> None:
    judge = build()
    for epoch, score in ((2, 4.0), (5, 7.0)):
        judge.decide(Report("a", epoch, score))
    assert {epoch: [float(a) for a in averages] for epoch, averages in judge.averages.items()} == {
        2: [4.0], 3: [4.0], 4: [4.0], 5: [5.5],
    }  # fmt: skip


def test_what_a_retry_reports_again_counts_once() -> None:
    judge = build()
    for epoch in (1, 2, 1, 2):
        assert judge.decide(Report("a", epoch, float(epoch))) is CONTINUE
    assert {epoch: len(averages) for epoch, averages in judge.averages.items()} == {1: 1, 2: 1}


def test_refuses() -> None:
    assert "grace_period=16" in Median(grace_period=16).refuse(SPACE, 16, None)[0]
    assert "num_samples=3" in Median().refuse(SPACE, 16, 3)[0]
    assert Median().refuse(SPACE, 16, 4) == []
    for field in ("grace_period", "min_samples"):
        with pytest.raises(ValueError, match=field):
            Median(**{field: 0})
