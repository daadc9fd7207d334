"""One look at all trials through the model, and the configuration that promises most by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestune.surrogate.encoding import Encoding
from orchestune.surrogate.process import Process, expected_improvement
from orchestune.surrogate.projection import project

Array = NDArray[np.float64]

MOST = 300  # trials in the model: its cost grows with their third power
POOL = 400  # configurations looked at before the best of them are improved
TOP = 6  # trials whose neighbourhood is looked at
STEPS = (0.1, 0.05, 0.02)  # of the improvement, in the unit cube
CLIMBERS, TRIES = 5, 12  # how many are improved at each step, and how often each


@dataclass(frozen=True)
class Belief:
    """Of the trials in the model: their rows, and the mean and standard deviation of their final value.

    Values are in standard deviations of the projected ones, lower is better. `best` is what has to be improved upon:
    the best final value there is, or else the best that is expected.
    """

    rows: NDArray[np.int64]
    mean: Array
    sd: Array
    best: float
    process: Process

    def improvement(self) -> Array:
        """Expected, of each of these trials, if it were trained to the end."""
        return expected_improvement(self.mean, self.sd, self.best)


@dataclass(frozen=True)
class Data:
    """What a process is fitted to."""

    rows: NDArray[np.int64]
    features: Array
    variances: Array
    values: Array


def data_of(features: Array, losses: Array, chance: np.random.Generator, most: int = MOST) -> Data | None:
    """Of `losses` (trials, rungs) and `features` (trials, f); None where fewer than three trials have a score.

    Of more than `most` trials the better half is kept and a random sample of the others.
    """
    projected = project(losses)
    rows, values, variances = projected.rows, projected.values, projected.variances
    if len(rows) < 3:
        return None
    spread = values.std() + 1e-9
    values, variances = (values - values.mean()) / spread, variances / spread**2
    if len(rows) > most:
        order, half = np.argsort(values, kind="stable"), most // 2
        keep = np.r_[order[:half], chance.permutation(order[half:])[:half]]
        rows, values, variances = rows[keep], values[keep], variances[keep]
    return Data(rows, features[rows], variances, values)


def believe(process: Process, data: Data, blind: Array, final: NDArray[np.bool_]) -> Belief:
    """`blind`: features of trials under way that have no score yet; they count as what the model expects of them
    (kriging believer, Ginsbourger et al. 2010), or the same would be asked again. `final`: by row, whether it is over.
    """
    features, variances, values = data.features, data.variances, data.values
    process.condition(features, variances, values)
    if len(blind):
        expected = process.predict(blind)[0]
        features = np.vstack([features, blind])
        variances, values = np.r_[variances, np.zeros(len(blind))], np.r_[values, expected]
        process.condition(features, variances, values)
    mean, sd = (found[: len(data.rows)] for found in process.predict(features, data=True))
    over = final[data.rows]
    best = data.values[over].min() if over.any() else mean.min()
    return Belief(data.rows, mean, sd, float(best), process)


def propose(belief: Belief, encoding: Encoding, points: Array, chance: np.random.Generator) -> tuple[Array, float]:
    """The point with the largest expected improvement that was found, and that improvement.

    Among random points and the neighbours of the best trials (their `points`, by row), the best of which are moved on
    in smaller and smaller steps.
    """
    top = belief.rows[np.argsort(belief.mean, kind="stable")[:TOP]]
    each = POOL // 2 // len(top)
    near = [encoding.neighbours(points[row], each, chance) for row in top]
    found = np.vstack([chance.random((POOL // 2, encoding.dimensions)), *near])

    def gain(candidates: Array) -> Array:
        return belief.process.improvement(encoding.features(candidates), belief.best)

    gains = gain(found)
    for step in STEPS:
        climbers = found[np.argsort(-gains, kind="stable")[:CLIMBERS]]
        moved = np.vstack([encoding.neighbours(point, TRIES, chance, step) for point in climbers])
        found, gains = np.vstack([climbers, moved]), np.r_[np.sort(gains)[::-1][:CLIMBERS], gain(moved)]
    winner = int(np.argmax(gains))
    return found[winner], float(gains[winner])
