"""Early stopping on top of any scheduler: whatever that one says, a trial that no longer gets better ends."""

from __future__ import annotations

from typing import Any

from orchestune.schedulers.base import Decision, Report, Scheduler, Work
from orchestune.schedulers.plateau import Plateau, PlateauScheduler


def early(scheduler: Scheduler, plateau: Plateau | None) -> Scheduler:
    """`scheduler`, whose trials `plateau` may stop as well; itself where there is none."""
    return scheduler if plateau is None else EarlyStopping(scheduler, plateau)


def rule(scheduler: Scheduler, trial: str) -> str:
    """The name of the rule that stopped `trial`, or would: the reason of its end is this with the epoch."""
    named = getattr(scheduler, "rule", None)  # of one that stands before another
    return scheduler.name if named is None else str(named(trial))


class EarlyStopping:
    """Passes everything on to `inner`, and every report by `plateau` as well.

    To `inner`, a trial that was stopped here is one that had enough by itself: it is told of its end, as of any other.
    """

    def __init__(self, inner: Scheduler, plateau: Plateau) -> None:
        self.inner = inner
        self._plateau = PlateauScheduler(plateau, max_epochs=0, num_samples=None)  # asked `keeps`, which knows no end
        self._stopped: set[str] = set()

    @property
    def name(self) -> str:
        return self.inner.name

    def rule(self, trial: str) -> str:
        return Plateau.name if trial in self._stopped else rule(self.inner, trial)

    def decide(self, report: Report) -> Decision:
        decision = self.inner.decide(report)
        if report.diverged or self._plateau.keeps(report) or decision is Decision.STOP:
            return decision
        self._stopped.add(report.trial)
        return Decision.STOP

    def next(self) -> Work:
        return self.inner.next()

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        self._plateau.started(trial, start, until, config)
        self.inner.started(trial, start, until, config)

    def ended(self, trial: str, status: str) -> None:
        self._plateau.ended(trial, status)
        self.inner.ended(trial, status)

    def exhausted(self) -> None:
        self.inner.exhausted()
