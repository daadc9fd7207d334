"""Asynchronous successive halving as its paper has it: a trial waits at a rung until it is among the best there.

Li et al. 2018, "A System for Massively Parallel Hyperparameter Tuning" (arXiv 1810.05934), Algorithm 2, `get_job`.
"""

from __future__ import annotations

import math
from bisect import insort
from itertools import islice
from typing import Any

from orchestune.schedulers.base import Continue, Start, Work
from orchestune.schedulers.pausing import Pausing


class PromotingScheduler(Pausing):
    """The rungs, who arrived at each, and who has gone on from there.

    Diverged and failed trials count at no rung. One that ended by itself counts at the rung it was on its way to, and
    takes a place among the best there, but cannot go on.
    """

    name = "asha"

    def __init__(self, grace_period: int, reduction_factor: float, max_epochs: int, num_samples: int | None) -> None:
        super().__init__(max_epochs, num_samples)
        self.factor = reduction_factor
        self.rungs = rungs(grace_period, reduction_factor, max_epochs)
        self.ranked: list[list[tuple[float, int, str]]] = [[] for _ in self.rungs]  # (-score, birth, trial), best first
        self.promoted: list[set[str]] = [set() for _ in self.rungs]

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        super().started(trial, start, until, config)
        for below in range(self._level(until)):
            self.promoted[below].add(trial)

    def arrived(self, trial: str, until: int, score: float) -> None:
        insort(self.ranked[self._level(until)], (-score, self.born[trial], trial))

    def next(self) -> Work:
        for level in range(len(self.rungs) - 2, -1, -1):  # the highest rung first
            best = int(len(self.ranked[level]) // self.factor)  # |rung| / eta of them, of line 14
            for _, _, trial in islice(self.ranked[level], best):
                if trial not in self.promoted[level] and trial not in self.over:
                    return Continue(trial, self.rungs[level + 1])
        return Start(self.rungs[0]) if self.may_start else self.idle

    def _level(self, until: int) -> int:
        return next(level for level, rung in enumerate(self.rungs) if rung >= until)


def rungs(grace_period: int, reduction_factor: float, max_epochs: int) -> list[int]:
    """The epochs at which trials wait, whole and each larger than the one before, and `max_epochs` as the last."""
    found: list[int] = []
    rung: float = grace_period
    while math.ceil(rung) < max_epochs:
        if not found or math.ceil(rung) > found[-1]:
            found.append(math.ceil(rung))
        rung *= reduction_factor
    return [*found, max_epochs]
