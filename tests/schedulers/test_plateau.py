"""Early stopping by a trial's own curve: alone, and on top of another scheduler."""

from __future__ import annotations

from typing import Any, cast

import pytest

from orchestune.schedulers import Asha, Decision, Fifo, HyperBand, Plateau, Report, early, rule
from tests.schedulers.simulation import simulate

SPACE = cast(Any, None)
CONTINUE, PAUSE, STOP = Decision.CONTINUE, Decision.PAUSE, Decision.STOP


@pytest.mark.parametrize(
    ("fields", "scores", "stopped"),
    [
        ({"patience": 2}, [1, 2, 2, 2, 3], 4),  # not better at 3 and at 4
        ({"patience": 2}, [1, 0, 2, 1, 3, 2, 2], 7),
        ({"patience": 1}, [3, 2], 2),
        ({"patience": 2, "min_delta": 0.5}, [1, 1.4, 1.5, 9], 3),  # by 0.5 is not by more
        ({"patience": 2, "min_delta": 0.5}, [1, 1.4, 1.6, 2], None),  # measured from the best, 1
        ({"patience": 2, "grace_period": 5}, [3, 2, 2, 2, 2], 5),
        ({}, [5, 4, 3, 2, 1, 0], 6),
    ],
)
def test_by_hand(fields: dict[str, Any], scores: list[float], stopped: int | None) -> None:
    judge = Plateau(**fields).build(SPACE, 16, None, seed=0)
    decisions = [judge.decide(Report("a", epoch, score)) for epoch, score in enumerate(scores, start=1)]
    assert (decisions.index(STOP) + 1 if STOP in decisions else None) == stopped


def test_on_top_of_another() -> None:
    judge = early(Asha(reduction_factor=2).build(SPACE, 16, None, seed=0), Plateau(patience=2))
    assert [judge.decide(Report("a", epoch, 5.0)) for epoch in (1, 2, 3)] == [CONTINUE, CONTINUE, STOP]
    assert judge.decide(Report("b", 1, 4.0)) is STOP
    assert judge.decide(Report("c", 1, float("nan"))) is STOP
    assert (judge.name, rule(judge, "a"), rule(judge, "b"), rule(judge, "c")) == ("asha", "plateau", "asha", "asha")


def test_a_rung_does_not_wait_for_one_that_was_stopped_on_its_way() -> None:
    """HyperBand's first bracket, 9 trials at 1, 3, 9 epochs: 8 stops at its second epoch, keeps its place, wins it."""
    judge = early(HyperBand().build(SPACE, 9, 9, seed=0), Plateau(patience=1))
    done = simulate(judge, lambda n, epoch: 100.0 if n == 8 else n + epoch / 10)
    assert {trial: epochs for trial, epochs in done.epochs.items() if epochs > 1} == {"0006": 3, "0007": 3, "0008": 2}
    assert rule(judge, "0008") == "plateau"
    assert rule(judge, "0007") == "hyperband"


def test_a_trial_that_goes_on_with_other_settings_begins_anew() -> None:
    judge = Plateau(patience=2).build(SPACE, 16, None, seed=0)
    judge.started("a", 0, 2, {"lr": 1})
    for epoch, score in ((1, 5.0), (2, 4.0)):
        assert judge.decide(Report("a", epoch, score)) is CONTINUE
    judge.started("a", 2, 4, {"lr": 2})
    assert judge.decide(Report("a", 3, 3.0)) is CONTINUE
    judge.started("a", 3, 5, {"lr": 2})
    assert [judge.decide(Report("a", epoch, 3.0)) for epoch in (4, 5)] == [CONTINUE, STOP]


def test_none_is_no_early_stopping() -> None:
    judge = Fifo().build(SPACE, 16, None, seed=0)
    assert early(judge, None) is judge


@pytest.mark.parametrize(
    "fields", [{"patience": 0}, {"min_delta": -1}, {"min_delta": float("nan")}, {"grace_period": 0}]
)
def test_refuses(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        Plateau(**fields)


def test_refuses_a_run_in_which_nothing_would_be_stopped() -> None:
    assert "epoch 6" in Plateau().refuse(SPACE, 6, None)[0]
    assert "epoch 9" in Plateau(grace_period=9).refuse(SPACE, 9, None)[0]
    assert Plateau().refuse(SPACE, 7, None) == []
