"""What trials have shown so far: where each lies, and its best loss by each rung."""

from __future__ import annotations

import bisect
import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

Array = NDArray[np.float64]


def rungs_of(max_epochs: int, reduction_factor: float = 3, levels: int = 4) -> list[int]:
    """`max_epochs` and up to `levels` rungs below it, each `reduction_factor` times lower, in ascending order."""
    return sorted({max(1, round(max_epochs / reduction_factor**k)) for k in range(levels + 1)})


def design(dimensions: int, n: int, seed: int) -> Array:
    """The first `n` points to look at, of shape (n, dimensions): the centre, then a scrambled Sobol sequence."""
    if not dimensions or not n:
        return np.zeros((n, dimensions))
    exponent = (n - 1).bit_length()  # a whole power of two is drawn: less of it is less even
    points = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed)).random_base2(exponent)
    points[0] = 0.5  # the centre of a space is usually sane
    return np.asarray(points[:n])


class Observed:
    """One row a trial, in the order of their births. Lower losses are better; only the order of losses counts."""

    def __init__(self, dimensions: int, rungs: list[int]) -> None:
        self.rungs = rungs
        self._points = np.zeros((0, dimensions))
        self._losses = np.zeros((0, len(rungs)))
        self.best: list[float] = []
        self.epoch: list[int] = []

    def __len__(self) -> int:
        return len(self.best)

    @property
    def points(self) -> Array:
        """Of shape (trials, dimensions), in the unit cube."""
        return self._points[: len(self)]

    @property
    def losses(self) -> Array:
        """Of shape (trials, rungs): NaN where a trial has not been, infinite where it diverged or failed."""
        return self._losses[: len(self)]

    @property
    def rung(self) -> NDArray[np.int64]:
        """Of each trial the highest rung it has reached, -1 before the first."""
        seen = ~np.isnan(self.losses)
        top = seen.shape[1] - 1
        return np.where(seen.any(1), top - np.argmax(seen[:, ::-1], axis=1), -1)

    def add(self, point: Array) -> int:
        """A new trial's row."""
        n = len(self)
        if n == len(self._points):  # doubled, so that adding costs nothing on average
            more = max(n, 64)
            self._points = np.vstack([self._points, np.zeros((more, self._points.shape[1]))])
            self._losses = np.vstack([self._losses, np.full((more, len(self.rungs)), np.nan)])
        self._points[n] = point
        self.best.append(math.inf)
        self.epoch.append(0)
        return n

    def report(self, row: int, epoch: int, loss: float) -> None:
        """The trial has completed `epoch`: judged by its best loss so far, at every rung it has passed just now."""
        before, self.epoch[row] = self.epoch[row], max(epoch, self.epoch[row])
        self.best[row] = min(self.best[row], loss)
        reached = bisect.bisect_right(self.rungs, self.epoch[row])
        for k in range(bisect.bisect_right(self.rungs, before), reached):
            self._losses[row, k] = self.best[row]

    def close(self, row: int, *, bad: bool) -> None:
        """It will not be trained on: what it has reached is its final value, the worst of all where it is `bad`."""
        self._losses[row, -1] = math.inf if bad else self.best[row]
