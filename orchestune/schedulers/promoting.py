"""Asynchronous successive halving as its paper has it: a trial waits at a rung until it is among the best there.

Li et al. 2018, "A System for Massively Parallel Hyperparameter Tuning" (arXiv 1810.05934), Algorithm 2, `get_job`.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import Any

from orchestune.schedulers.base import Continue, Start, Work
from orchestune.schedulers.pausing import Pausing

Place = tuple[float, int, str]  # (-score, birth, trial) of one that arrived at a rung: the best is the least


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
        self.ranked: list[list[Place]] = [[] for _ in self.rungs]  # all who arrived at each, best first
        self.waiting: list[list[Place]] = [[] for _ in self.rungs]  # those of them who may still go on from there
        self._places: dict[str, tuple[int, Place]] = {}  # trial -> the rung where it waits, and how

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        super().started(trial, start, until, config)
        if trial in self._places and self._places[trial][0] < self._level(until):
            self._leave(trial)

    def arrived(self, trial: str, until: int, score: float) -> None:
        level, place = self._level(until), (-score, self.born[trial], trial)
        insort(self.ranked[level], place)
        if trial not in self.over:
            insort(self.waiting[level], place)
            self._places[trial] = level, place

    def ended(self, trial: str, status: str) -> None:
        super().ended(trial, status)
        if trial in self._places:
            self._leave(trial)

    def next(self) -> Work:
        for level in range(len(self.rungs) - 2, -1, -1):  # the highest rung first
            ranked, waiting = self.ranked[level], self.waiting[level]
            best = int(len(ranked) // self.factor)  # |rung| / eta of them, of line 14
            if waiting and bisect_left(ranked, waiting[0]) < best:
                return Continue(waiting[0][2], self.rungs[level + 1])
        return Start(self.rungs[0]) if self.may_start else self.idle

    def _leave(self, trial: str) -> None:
        """It waits nowhere any more."""
        level, place = self._places.pop(trial)
        del self.waiting[level][bisect_left(self.waiting[level], place)]

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
