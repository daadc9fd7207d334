"""What the pausing schedulers share: a leg ends at its rung, where its trial waits until `next` names it again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from orchestune.schedulers.base import DONE, WAIT, Decision, Idle, Report, Work


class Pausing(ABC):
    """Who is born, who trains, who is over. A subclass ranks those who wait, and names the next.

    Divergence and the last epoch are decided here, once, so that no rule can keep a trial past either.
    """

    name: str

    def __init__(self, max_epochs: int, num_samples: int | None) -> None:
        self.max_epochs = max_epochs
        self.num_samples = num_samples
        self.born: dict[str, int] = {}  # trial -> how many were born before it
        self.until: dict[str, int] = {}  # trials that train -> the epoch at which they pause
        self.best: dict[str, float] = {}  # trial -> its best score so far
        self.over: dict[str, float | None] = {}  # who never reports again -> the score it leaves; None: lost

    @abstractmethod
    def next(self) -> Work: ...

    @abstractmethod
    def arrived(self, trial: str, until: int, score: float) -> None:
        """`trial` trained to `until`, its rung, and waits; or was over on its way there and leaves its best score."""

    def decide(self, report: Report) -> Decision:
        trial = report.trial
        if report.diverged:
            return Decision.STOP
        self.best[trial] = max(report.score, self.best.get(trial, report.score))
        if report.epoch >= self.max_epochs:
            return Decision.STOP
        if report.epoch < self.until.get(trial, 0):
            return Decision.CONTINUE
        if trial in self.until:
            self.arrived(trial, self.until.pop(trial), report.score)
        return Decision.PAUSE

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        self.born.setdefault(trial, len(self.born))
        self.until[trial] = until

    def ended(self, trial: str, status: str) -> None:
        """One that had enough by itself stays a competitor by its best score; who diverged or failed is lost."""
        self.over[trial] = self.best.get(trial) if status in ("finished", "stopped") else None
        until, score = self.until.pop(trial, None), self.over[trial]
        if until is not None and score is not None:
            self.arrived(trial, until, score)

    def exhausted(self) -> None:
        self.num_samples = len(self.born)

    @property
    def may_start(self) -> bool:
        """Whether there are trials left to begin."""
        return self.num_samples is None or len(self.born) < self.num_samples

    @property
    def idle(self) -> Idle:
        return WAIT if self.until else DONE

    def ranking(self, scores: dict[str, float]) -> list[str]:
        """Trials, the best first, the oldest first of equals."""
        return sorted(scores, key=lambda trial: (-scores[trial], self.born[trial]))
