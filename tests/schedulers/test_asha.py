"""ASHA against Ray's own on what both define, by hand on small tables, and where it leaves Ray's."""

from __future__ import annotations

import math
import random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import AsyncHyperBandScheduler

from orchestune.schedulers import Asha, Decision, Report
from orchestune.schedulers.asha import AshaScheduler

CONTINUE, STOP = Decision.CONTINUE, Decision.STOP


def build(max_epochs: int = 16, **fields: Any) -> AshaScheduler:
    return Asha(**fields).build(cast(Any, None), max_epochs, None, seed=0)


def decide(asha: AshaScheduler, epoch: int, *scores: float) -> list[Decision]:
    """One trial a score, in this order, all at the same epoch."""
    return [asha.decide(Report(f"{n:04d}", epoch, score)) for n, score in enumerate(scores)]


steady = settings(deadline=None, derandomize=True)  # a busy machine is no failure
finite = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.floats(0.9, 1.0))


@steady
@given(
    scores=st.lists(st.lists(finite, min_size=30, max_size=30), min_size=1, max_size=30),
    seed=st.integers(0, 2**32),
    grace=st.integers(1, 9),
    factor=st.sampled_from([2, 2.5, 3, 4]),
    max_epochs=st.integers(9, 30),
)
def test_decides_like_ray_on_finite_scores_at_every_epoch(
    scores: list[list[float]], seed: int, grace: int, factor: float, max_epochs: int
) -> None:
    ours = build(max_epochs, grace_period=grace, reduction_factor=factor)
    ray = AsyncHyperBandScheduler(
        metric="score", mode="max", max_t=max_epochs, grace_period=grace, reduction_factor=factor
    )
    trials = [SimpleNamespace(trial_id=f"{n:04d}") for n in range(len(scores))]
    chance, epochs = random.Random(seed), [0] * len(trials)
    for trial in trials:
        ray.on_trial_add(None, trial)
    live = list(range(len(trials)))
    while live:
        n = chance.choice(live)
        epochs[n] += 1
        score = scores[n][epochs[n] - 1]
        # Ray is asked at the rungs alone: in between it writes into the rungs below.
        rung = epochs[n] >= max_epochs or any(epochs[n] - 1 < r <= epochs[n] for r in ours.rungs)
        result = {"training_iteration": epochs[n], "score": score}
        expected = ray.on_trial_result(None, trials[n], result) if rung else "CONTINUE"
        assert ours.decide(Report(trials[n].trial_id, epochs[n], score)).name == expected
        if expected == "STOP":
            live.remove(n)


@pytest.mark.parametrize(
    ("grace", "factor", "max_epochs", "rungs"),
    [
        (1, 4, 16, [1, 4]),
        (1, 4, 17, [1, 4, 16]),
        (1, 3, 81, [1, 3, 9, 27]),
        (5, 2, 30, [5, 10, 20]),
        (10, 4, 10, []),
        (1, 1.5, 3, [1, 1.5, 2.25]),
    ],
)
def test_rungs(grace: int, factor: float, max_epochs: int, rungs: list[float]) -> None:
    assert list(build(max_epochs, grace_period=grace, reduction_factor=factor).rungs) == rungs


def test_by_hand() -> None:
    # Three quarters of the way through those before lie: nothing, 4, 3.5, 5, 5.25, 6.
    expected = [CONTINUE, STOP, CONTINUE, CONTINUE, CONTINUE, STOP]
    assert decide(build(), 1, 4, 2, 6, 5, 9, 5) == expected


def test_a_score_at_the_cutoff_goes_on() -> None:
    assert decide(build(), 1, 5, 5, 5, 5) == [CONTINUE] * 4


def test_each_rung_has_its_own_cutoff() -> None:
    asha = build()
    assert decide(asha, 1, 100, 200) == [CONTINUE, CONTINUE]
    assert decide(asha, 4, 2, 1) == [CONTINUE, STOP]


@pytest.mark.parametrize("spoilt", [math.nan, math.inf, -math.inf])
def test_a_diverged_trial_enters_no_rung(spoilt: float) -> None:
    asha = build()
    assert asha.decide(Report("diverged", 1, spoilt)) is STOP
    assert asha.rungs == {1: [], 4: []}
    assert decide(asha, 1, 5, 4, 6) == [CONTINUE, STOP, CONTINUE]


def test_between_rungs_nothing_is_recorded() -> None:
    asha = build()
    asha.decide(Report("0000", 1, 5.0))
    for epoch in (2, 3):
        assert asha.decide(Report("0000", epoch, -1e9)) is CONTINUE
    assert asha.rungs == {1: [5.0], 4: []}


def test_an_epoch_reported_again_counts_once() -> None:
    asha = build()
    for epoch in (1, 2, 3, 4, 3, 4, 1):  # a retry from the checkpoint of epoch 2
        assert asha.decide(Report("0000", epoch, float(epoch))) is CONTINUE
    assert asha.rungs == {1: [1.0], 4: [4.0]}


def test_whoever_skips_epochs_is_recorded_at_the_highest_rung_reached() -> None:
    asha = build(max_epochs=100)
    for epoch in (6, 12, 18):  # past rungs 1 and 4, none, past 16
        asha.decide(Report("0000", epoch, float(epoch)))
    assert asha.rungs == {1: [], 4: [6.0], 16: [18.0], 64: []}


def test_a_trial_that_comes_from_elsewhere_fills_no_rung_behind_it() -> None:
    asha = build(max_epochs=100)
    asha.started("0000", 9, 100, {})
    for epoch in (10, 16):
        asha.decide(Report("0000", epoch, float(epoch)))
    assert asha.rungs == {1: [], 4: [], 16: [16.0], 64: []}


def test_a_later_leg_forgets_nothing() -> None:
    asha = build()
    asha.decide(Report("0000", 4, 4.0))
    asha.started("0000", 2, 16, {})
    asha.decide(Report("0000", 4, 5.0))
    assert asha.rungs[4] == [4.0]


@pytest.mark.parametrize("period", [0, -1, 1.5, "1", True])
def test_refuses_a_grace_period(period: Any) -> None:
    with pytest.raises(ValueError, match=rf"grace_period={period!r}\): epochs, an int of at least 1"):
        Asha(grace_period=period)


@pytest.mark.parametrize("factor", [1, 0.5, -2, math.inf, math.nan, "4", True])
def test_refuses_a_reduction_factor(factor: Any) -> None:
    with pytest.raises(ValueError, match=rf"reduction_factor={factor!r}\): a finite number above 1"):
        Asha(reduction_factor=factor)


def test_refuses_a_run_that_is_over_before_its_first_rung() -> None:
    assert Asha(grace_period=10).refuse(None, 10, None) == []
    (sentence,) = Asha(grace_period=10).refuse(None, 9, None)
    assert "grace_period=10" in sentence
    assert "at most 9" in sentence
