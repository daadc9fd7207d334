"""Trials of unequal training become comparable, by order alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from orchestune.surrogate.observed import Observed, design, rungs_of
from orchestune.surrogate.projection import normal_scores, project

NAN = math.nan


def test_only_the_order_of_losses_counts() -> None:
    losses = np.random.default_rng(0).random((30, 3))
    losses[10:, 2] = NAN
    losses[20:, 1] = NAN
    one, other = project(losses), project(np.exp(5 * losses))
    np.testing.assert_allclose(one.values, other.values)
    np.testing.assert_allclose(one.variances, other.variances)


def test_ties_do_not_fill_the_top() -> None:
    scores = normal_scores(np.array([[1.0], [1.0], [1.0], [2.0]]))
    assert scores[0] == scores[1] == scores[2] == -scores[3]


def test_what_diverged_is_as_bad_as_the_worst() -> None:
    scores = normal_scores(np.array([[1.0], [2.0], [math.inf], [NAN]]))
    assert scores[2] == scores[1] > scores[0]
    assert math.isnan(scores[3, 0])


def test_a_younger_trial_is_less_certain_and_a_full_one_is_certain() -> None:
    losses = np.array([[3.0, 2.0, 1.0], [4.0, 3.0, NAN], [5.0, NAN, NAN], [NAN, NAN, NAN]])
    found = project(losses)
    assert found.rows.tolist() == [0, 1, 2]
    assert 0 == found.variances[0] < found.variances[1] < found.variances[2]


def test_a_common_rise_is_learnt_and_carried_on() -> None:
    """All that went on halved their loss: so will the others."""
    first = np.linspace(1, 2, 40)
    losses = np.c_[first, np.where(np.arange(40) < 30, first / 2, NAN)]
    found = project(losses)
    known, expected = found.values[:30], found.values[30:]
    slope = (known[-1] - known[0]) / (first[29] - first[0])
    straight = known[0] + slope * (first[30:] - first[0])
    assert np.abs(expected - straight).mean() < 0.5 * np.abs(normal_scores(losses)[30:, 0] - straight).mean()


def test_nothing_seen_is_nothing_projected() -> None:
    assert project(np.full((3, 2), NAN)).rows.tolist() == []


@pytest.mark.parametrize(
    ("max_epochs", "rungs"), [(81, [1, 3, 9, 27, 81]), (50, [1, 2, 6, 17, 50]), (10, [1, 3, 10]), (2, [1, 2]), (1, [1])]
)
def test_rungs(max_epochs: int, rungs: list[int]) -> None:
    assert rungs_of(max_epochs) == rungs


def test_a_trial_is_judged_by_its_best_epoch_at_every_rung_passed() -> None:
    seen = Observed(2, [1, 3, 9])
    for _ in range(70):  # more than one block of rows
        seen.add(np.array([0.1, 0.2]))
    seen.report(69, 1, 5.0)
    seen.report(69, 2, 1.0)
    seen.report(69, 4, 2.0)  # a report each second epoch: rung 3 is passed with it
    assert seen.losses[69, :2].tolist() == [5.0, 1.0]
    assert seen.rung.tolist() == [-1] * 69 + [1]
    seen.close(69, bad=False)
    assert seen.losses[69, 2] == 1.0
    seen.close(3, bad=True)
    assert seen.losses[3, 2] == math.inf


def test_the_first_points_are_spread_and_begin_in_the_centre() -> None:
    points = design(3, 12, seed=4)
    assert points.shape == (12, 3)
    assert points[0].tolist() == [0.5, 0.5, 0.5]
    np.testing.assert_array_equal(points, design(3, 12, seed=4))
    assert not np.array_equal(points, design(3, 12, seed=5))
    assert design(0, 4, 1).shape == (4, 0)
    counts = np.histogram(design(1, 16, seed=0)[1:, 0], bins=4, range=(0, 1))[0]
    assert counts.min() >= 3, "a quarter of the points in each quarter"
