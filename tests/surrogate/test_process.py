"""The Gaussian process against scikit-learn's, and its gradient against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import check_grad
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from orchestune.surrogate.process import JITTER, Process, expected_improvement

CHANCE = np.random.default_rng(0)
FEATURES, ASKED = CHANCE.random((25, 3)), CHANCE.random((40, 3))
VALUES = np.sin(5 * FEATURES[:, 0]) + FEATURES[:, 1] ** 2
VARIANCES = np.where(np.arange(25) < 10, 0.0, 0.3)


def process() -> Process:
    return Process(np.arange(3))


def test_predictions_are_scikit_learns() -> None:
    own = process()
    own.condition(FEATURES, VARIANCES, VALUES)
    scales, (signal, deviation, factor) = np.exp(own.theta[:3]), np.exp(own.theta[3:])
    peer = GaussianProcessRegressor(
        ConstantKernel(signal, "fixed") * Matern(scales, "fixed", nu=2.5),
        alpha=deviation + factor * VARIANCES + JITTER,
        optimizer=None,
    ).fit(FEATURES, VALUES)
    mean, sd = peer.predict(ASKED, return_std=True)
    found_mean, found_sd = own.predict(ASKED)
    np.testing.assert_allclose(found_mean, mean, atol=1e-8)
    np.testing.assert_allclose(found_sd, sd, atol=1e-6)


def test_the_gradient_is_that_of_the_objective() -> None:
    own = process()
    for theta in (own.prior_mean, own.prior_mean + 0.3, own.prior_mean - 0.5):
        error = check_grad(
            lambda t: own._objective(t, FEATURES, VARIANCES, VALUES)[0],
            lambda t: own._objective(t, FEATURES, VARIANCES, VALUES)[1],
            theta,
        )
        assert error < 1e-3


def test_a_fit_raises_the_posterior_and_repeats_itself() -> None:
    own, again = process(), process()
    before = own._objective(own.prior_mean, FEATURES, VARIANCES, VALUES)[0]
    own.fit(FEATURES, VARIANCES, VALUES, 40)
    assert own._objective(own.theta, FEATURES, VARIANCES, VALUES)[0] < before
    again.fit(FEATURES, VARIANCES, 3 * VALUES, 5)
    again.fit(FEATURES, VARIANCES, VALUES, 40)
    np.testing.assert_array_equal(own.theta, again.theta)


def test_a_noisy_point_says_less() -> None:
    own = process()
    x = np.array([[0.2, 0.2, 0.2], [0.8, 0.8, 0.8]])
    own.condition(x, np.array([0.0, 5.0]), np.array([2.0, 2.0]))
    mean, sd = own.predict(x)
    assert mean[0] > 1.8 > 1 > mean[1]
    assert sd[0] < sd[1]


def test_own_deviations_count_for_known_trials_only() -> None:
    own = process()
    own.theta[4] = np.log(0.5)  # half a variance that the features do not explain
    own.condition(FEATURES, VARIANCES * 0, VALUES)
    known, _ = own.predict(FEATURES, data=True)
    new, _ = own.predict(FEATURES)
    np.testing.assert_allclose(known, VALUES, atol=1e-4)
    assert np.abs(new - VALUES).max() > 0.05


@pytest.mark.parametrize(("mean", "sd", "best"), [(0.0, 1.0, 0.0), (1.0, 0.5, 0.2), (-1.0, 2.0, 0.0)])
def test_expected_improvement_is_the_mean_of_improvements(mean: float, sd: float, best: float) -> None:
    drawn = np.random.default_rng(1).normal(mean, sd, 400_000)
    expected = np.maximum(best - drawn, 0).mean()
    found = float(expected_improvement(np.array([mean]), np.array([sd]), best)[0])
    assert found == pytest.approx(expected, abs=6 * sd / 400_000**0.5)  # six standard errors


def test_what_is_as_good_as_known_promises_a_tenth_and_what_has_run_nothing() -> None:
    own = process()
    own.condition(FEATURES, VARIANCES, VALUES)
    best = float(VALUES.min())

    def whole(features: NDArray[np.float64]) -> NDArray[np.float64]:
        return expected_improvement(*own.predict(features), best)

    np.testing.assert_array_equal(own.improvement(FEATURES, best), 0.0)  # a trial has run just that
    known = FEATURES + 1e-3
    np.testing.assert_allclose(own.improvement(known, best), whole(known) / 10)
    elsewhere = FEATURES + 1.5
    np.testing.assert_allclose(own.improvement(elsewhere, best), whole(elsewhere))
    own.own = 1e-6  # where trials of one configuration are alike, a small step is a new one
    np.testing.assert_allclose(own.improvement(FEATURES + 2e-2, best), whole(FEATURES + 2e-2))
