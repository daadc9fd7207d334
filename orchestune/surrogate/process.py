"""A Gaussian process over configurations whose values are known to different precision.

value_i = f(x_i) + own_i + error_i: f smooth (Matern 5/2, one length scale a parameter), `own` what the features do not
explain of a configuration, `error` of known variance up to one fitted factor. Fitted to the maximum a posteriori
(Rasmussen and Williams 2006, chapters 2 and 5); the tight prior on length scales keeps few points from collapsing them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack, solve_triangular
from scipy.optimize import minimize
from scipy.special import ndtr

Array = NDArray[np.float64]
JITTER = 1e-6
SAME, KNOWN = 1e-6, 0.02  # short of a correlation of 1: one configuration, up to rounding; as good as known, at most
AGAIN = 0.1  # what a known one promises of its expected improvement


class Process:
    """n data points, m asked ones, f features; `group` of shape (f,) joins features that share a length scale."""

    def __init__(self, group: NDArray[np.int64]) -> None:
        self.group = group
        self.groups = g = int(group.max()) + 1 if len(group) else 0
        # logarithms of: length scales, variance of f, variance of `own`, factor on the given variances
        self.prior_mean = np.r_[np.full(g, np.log(0.3 * np.sqrt(max(g, 1)))), np.log([1.0, 0.02, 1.0])]
        self.prior_sd = np.r_[np.full(g, 0.4), 0.7, 1.2, 0.4]
        self.theta = self.prior_mean.copy()

    def fit(self, features: Array, variances: Array, values: Array, iterations: int) -> None:
        """From the prior's mean, not from the last fit: the same data, the same fit."""
        bounds = list(zip(self.prior_mean - 3 * self.prior_sd, self.prior_mean + 3 * self.prior_sd, strict=True))
        found = minimize(
            self._objective, self.prior_mean, (features, variances, values), "L-BFGS-B",
            jac=True, bounds=bounds, options={"maxiter": iterations},
        )  # fmt: skip
        self.theta = found.x

    def _objective(self, theta: Array, features: Array, variances: Array, values: Array) -> tuple[float, Array]:
        """Minus the log posterior, and its gradient."""
        scales, (signal, own, factor) = np.exp(theta[: self.groups]), np.exp(theta[self.groups :])
        scaled = features / scales[self.group]
        kernel, slope = matern(scaled, scaled)
        covariance = signal * kernel
        covariance[np.diag_indices(len(values))] += own + factor * variances + JITTER
        lower, failed = lapack.dpotrf(covariance, lower=1)
        if failed:
            return 1e10, np.zeros_like(theta)
        inverse = np.tril(lapack.dpotri(lower, lower=1)[0])
        inverse += np.tril(inverse, -1).T
        alpha = inverse @ values
        weight = 0.5 * (inverse - np.outer(alpha, alpha))  # d objective / d covariance
        pull = signal * weight * slope  # every length scale's gradient in one product
        column = 2 * (pull.sum(1)[:, None] * scaled * scaled - scaled * (pull @ scaled)).sum(0)
        diagonal = np.diag(weight)
        off = (theta - self.prior_mean) / self.prior_sd
        gradient = np.r_[
            np.bincount(self.group, column, self.groups),
            signal * (weight * kernel).sum(),
            own * diagonal.sum(),
            factor * (diagonal * variances).sum(),
        ]
        value = 0.5 * values @ alpha + np.log(np.diag(lower)).sum() + 0.5 * off @ off
        return float(value), gradient + off / self.prior_sd

    def condition(self, features: Array, variances: Array, values: Array) -> None:
        """Takes the data in, at the fitted parameters."""
        self.scales = np.exp(self.theta[: self.groups])[self.group]
        self.signal, self.own = np.exp(self.theta[self.groups : -1])
        self.scaled = features / self.scales
        covariance = self.signal * matern(self.scaled, self.scaled)[0]
        covariance[np.diag_indices(len(values))] += self.own + self.factor * variances + JITTER
        lower = np.linalg.cholesky(covariance)
        self.inverse_lower = solve_triangular(lower, np.eye(len(values)), lower=True)
        self.alpha = self.inverse_lower.T @ (self.inverse_lower @ values)

    def predict(self, features: Array, *, data: bool = False) -> tuple[Array, Array]:
        """Mean and standard deviation of the values, each of shape (m,).

        `data`: the features are the data's own rows, and their `own` part counts. For new configurations it does not,
        or repeating the best one would look like an improvement.
        """
        cross = self.signal * self._correlation(features)
        if data:
            cross[np.diag_indices(len(features))] += self.own
        return self._given(cross, self.signal + (self.own if data else 0.0))

    def improvement(self, features: Array, best: float) -> Array:
        """Expected below `best`, of new configurations, of shape (m,): nothing where a trial has run just that, and a
        tenth where they are as good as known.

        As good as known is what differs from a trial by less than two trials of one configuration do. At its full
        value, a best configuration in a corner of the space would be asked again and again: its own deviation keeps the
        model unsure of it, however often it was trained.
        """
        correlation = self._correlation(features)
        mean, sd = self._given(self.signal * correlation, self.signal)
        nearest = correlation.max(1)
        known = 1 - nearest < min(self.own / self.signal, KNOWN)
        share = np.where(1 - nearest < SAME, 0.0, np.where(known, AGAIN, 1.0))
        return share * expected_improvement(mean, sd, best)

    @property
    def factor(self) -> float:
        """On the given variances: the less of them is noise, and not a matter of the configuration, the smaller."""
        return float(np.exp(self.theta[-1]))

    def _correlation(self, features: Array) -> Array:
        """With the data, of shape (m, n)."""
        return matern(features / self.scales, self.scaled)[0]

    def _given(self, cross: Array, prior: float) -> tuple[Array, Array]:
        """Mean and standard deviation given the data, of what has the variance `prior` and the covariance `cross`."""
        solved = cross @ self.inverse_lower.T
        return cross @ self.alpha, np.sqrt(np.maximum(prior - (solved * solved).sum(1), 1e-10))


def matern(a: Array, b: Array) -> tuple[Array, Array]:
    """The kernel at nu = 5/2 between rows, and -2 times its derivative by the squared distance."""
    squared = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    r = np.sqrt(5 * np.maximum(squared, 1e-16))
    decay = np.exp(-r)
    return (1 + r + r * r / 3) * decay, 5 / 3 * (1 + r) * decay


def expected_improvement(mean: Array, sd: Array, best: float) -> Array:
    """How far below `best` a value is expected to fall (Jones et al. 1998, eq. 15); lower values are better."""
    z = (best - mean) / sd
    return np.asarray(sd * (z * ndtr(z) + np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)))
