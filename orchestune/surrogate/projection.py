"""Where trials of unequal training would end: every newest score carried up to the last rung, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[np.float64]

SHIFT, SLOPE = 4.0, 11.0  # precisions of the prior that a score stays as it is from rung to rung
GUESS, WEIGHT = 0.09, 4.0  # the residual variance believed beforehand, and how many trials that belief is worth


@dataclass(frozen=True)
class Projected:
    """Of each trial that has a score: its row, the projected value (lower is better), that value's variance."""

    rows: NDArray[np.int64]
    values: Array
    variances: Array


def project(losses: Array) -> Projected:
    """`losses` of shape (trials, rungs): NaN where a trial has not been, infinite where it diverged or failed.

    Each loss becomes its normal score among all different ones, so that only their order counts. From rung to rung a
    Bayesian linear regression of the rise, learnt from the trials that passed both, carries the others up; the
    residual variances of the rungs skipped add up to a trial's own. A trial's variance at the last rung is 0.
    """
    seen = ~np.isnan(losses)
    scores = normal_scores(losses)
    top = losses.shape[1] - 1
    rung = np.where(seen.any(1), top - np.argmax(seen[:, ::-1], axis=1), -1)
    values, variances = scores.copy(), np.zeros_like(scores)
    unit = scores[seen].std() + 1e-9 if seen.any() else 1.0
    for k in range(top):
        both, below = seen[:, k] & seen[:, k + 1], (rung >= 0) & (rung <= k)
        centre = scores[seen[:, k], k].mean() if seen[:, k].any() else 0.0
        shift, slope, residual = _rise(
            (scores[both, k] - centre) / unit, (scores[both, k + 1] - scores[both, k]) / unit
        )
        values[below, k + 1] = values[below, k] + unit * (shift + slope * (values[below, k] - centre) / unit)
        variances[below, k + 1] = (1 + slope) ** 2 * variances[below, k] + unit**2 * residual
    rows = np.flatnonzero(rung >= 0)
    return Projected(rows, values[rows, top], variances[rows, top])


def _rise(x: Array, rise: Array) -> tuple[float, float, float]:
    """Shift, slope and residual variance of `rise` over `x`, at the maximum a posteriori."""
    design, prior, residual = np.c_[np.ones(len(x)), x], np.diag([SHIFT, SLOPE]), GUESS
    found = np.zeros(2)
    for _ in range(3):  # residual variance and coefficients in turn
        found = np.linalg.solve(design.T @ design / residual + prior, design.T @ rise / residual)
        residual = (WEIGHT * GUESS + float(((rise - design @ found) ** 2).sum())) / (WEIGHT + len(rise))
    return float(found[0]), float(found[1]), residual


def normal_scores(losses: Array) -> Array:
    """Each loss as the normal quantile of its place among all different finite ones; an infinite one as the worst."""
    seen = ~np.isnan(losses)
    different = np.unique(losses[seen & np.isfinite(losses)])
    if not len(different):
        different = np.zeros(1)
    quantiles = ndtri((np.arange(len(different)) + 0.5) / len(different))
    found = np.full(losses.shape, np.nan)
    found[seen] = np.interp(np.where(np.isfinite(losses[seen]), losses[seen], different[-1]), different, quantiles)
    return found
