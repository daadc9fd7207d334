"""What reruns say: against scipy's own tests, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from orchestune.winner.judged import Candidate, Judgement, interval


def one(trial: str, scores: list[float], parameters: int | None = None) -> Candidate:
    return Candidate(trial=trial, config={}, epochs=1, scores=dict(enumerate(scores)), parameters=parameters)


def of(*candidates: Candidate, maximize: bool = True) -> Judgement:
    return Judgement.of(candidates, metric="test_accuracy", seeds=3, maximize=maximize)


def test_the_interval_is_students() -> None:
    values = [0.91, 0.93, 0.90, 0.97, 0.92]
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval(values) == pytest.approx((wanted.low, wanted.high))
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0.5)
    assert interval([0.5]) == (-math.inf, math.inf)


def test_it_holds_the_true_mean_as_often_as_it_says() -> None:
    chance = np.random.default_rng(0)
    draws = chance.normal(3.0, 2.0, (2000, 5))
    held = sum(low <= 3.0 <= high for low, high in (interval([*draw]) for draw in draws.tolist()))
    assert 0.93 < held / 2000 < 0.97  # four standard deviations to either side


def test_differences_are_paired_over_the_seeds() -> None:
    """Two that always differ by the same are told apart, however far the seeds scatter both."""
    best, next_ = one("0001", [0.2, 0.5, 0.9]), one("0002", [0.19, 0.492, 0.889])
    judgement = of(next_, best)
    wanted = stats.ttest_rel([*best.scores.values()], [*next_.scores.values()]).confidence_interval(0.95)
    assert judgement.difference(next_) == pytest.approx((wanted.low, wanted.high))
    assert judgement.ties == [best]
    assert best.interval[0] < next_.mean, "unpaired, they would tie"


def test_the_smaller_model_is_preferred_among_those_that_tie() -> None:
    large, small, bad = one("0001", [0.9, 0.8, 0.9], 900), one("0002", [0.8, 0.9, 0.85], 90), one("0003", [0.1] * 3, 9)
    judgement = of(bad, small, large)
    assert judgement.ranked == [large, small, bad]
    assert judgement.ties == [large, small]
    assert judgement.choice is small


def test_without_sizes_the_better_mean_is() -> None:
    assert of(one("0002", [0.8, 0.9, 0.85]), one("0001", [0.9, 0.8, 0.9])).choice.trial == "0001"


def test_a_loss_is_better_where_it_is_lower() -> None:
    judgement = of(one("0001", [0.3, 0.31, 0.29]), one("0002", [0.1, 0.11, 0.09]), maximize=False)
    assert [candidate.trial for candidate in judgement.ranked] == ["0002", "0001"]
    assert judgement.choice.trial == "0002"


def test_one_that_did_not_come_to_its_end_is_not_ranked() -> None:
    broken = one("0001", [0.99, 0.99])
    judgement = of(broken, one("0002", [0.5, 0.6, 0.7]))
    assert (judgement.ranked, judgement.broken) == ([judgement.choice], [broken])
