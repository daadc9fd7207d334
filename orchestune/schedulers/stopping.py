"""What the stopping schedulers share: every trial may train to the end, and a trial once stopped is over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from orchestune.schedulers.base import DONE, WAIT, Decision, Report, Start, Work


class Stopping(ABC):
    """Hands out `num_samples` trials of `max_epochs` epochs; a subclass says which of them go on.

    Divergence and the last epoch are decided here, once, so that no rule can keep a trial past either.
    """

    name: str

    def __init__(self, max_epochs: int, num_samples: int | None) -> None:
        self.max_epochs = max_epochs
        self.num_samples = num_samples
        self.born: set[str] = set()
        self.alive: set[str] = set()

    @abstractmethod
    def keeps(self, report: Report) -> bool:
        """Whether a trial with this finite score, before its last epoch, trains on."""

    def decide(self, report: Report) -> Decision:
        if report.diverged or report.epoch >= self.max_epochs:
            return Decision.STOP
        return Decision.CONTINUE if self.keeps(report) else Decision.STOP

    def next(self) -> Work:
        if self.num_samples is None or len(self.born) < self.num_samples:
            return Start(until=self.max_epochs)
        return WAIT if self.alive else DONE

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        self.born.add(trial)  # a set: a trial's later legs are no new trials
        self.alive.add(trial)

    def ended(self, trial: str, status: str) -> None:
        self.alive.discard(trial)

    def exhausted(self) -> None:
        self.num_samples = len(self.born)
