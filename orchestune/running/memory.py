"""All that is known of a run, and nothing but what its journal says: the record, the searcher's and the scheduler's
knowledge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from orchestune.running.growing import GrowingScheduler, GrowingSearcher
from orchestune.running.journal import Event
from orchestune.running.record import Record, Trial
from orchestune.schedulers.base import Decision, Report, Scheduler
from orchestune.searchers.base import Searcher


class Memory:
    """Takes events in; the same events, the same memory, whether they happen now or are read again."""

    def __init__(
        self,
        searcher: Searcher,
        scheduler: Scheduler,
        mode: str,
        reaches: Callable[[float], bool] = lambda score: False,
    ) -> None:
        """`reaches`: whether a score, in the metric's own terms, ends the run."""
        self.record = Record()
        self.searcher, self.scheduler = searcher, scheduler
        self.reached = False  # the score at which the run is to end
        self._sign, self._reaches = 1 if mode == "max" else -1, reaches

    def replay(self, events: Iterable[Event]) -> None:
        """Takes the journal in as if it happened again; its word is final."""
        for event in events:
            if event["event"] == "report":
                self.decide(event)
            self.take(event)

    def decide(self, event: Event) -> Decision:
        """The scheduler's word on a report, which it is told by this."""
        score = math.nan if event["score"] is None else self._sign * event["score"]
        return self.scheduler.decide(Report(event["trial"], event["epoch"], score))

    def take(self, event: Event) -> None:
        """Tells all who keep a memory. The scheduler has decided on a report before."""
        self.record.apply(event)
        kind = event["event"]
        if kind not in ("leg", "report", "end"):
            return
        trial = self.record.trials[event["trial"]]
        if kind == "leg":
            if event["leg"] == 1:
                self.searcher.born(trial.number, trial.config)
            start = event["from"][2] if event["from"] else 0
            self.scheduler.started(trial.id, start, event["until"], event["config"])
            return
        ended = kind == "end"
        for one in (self.searcher, self.scheduler):
            if event.get("new") and isinstance(one, GrowingSearcher | GrowingScheduler):
                one.met(trial.number, event["new"])
        self.searcher.tell(trial.number, self._lesson(trial), ended)
        if ended:
            self.scheduler.ended(trial.id, event["status"])
        elif event["score"] is not None and self._reaches(event["score"]):
            self.reached = True

    def _lesson(self, trial: Trial) -> dict[int, float]:
        """What the searcher is to learn: nothing good of a configuration that made its trial fail."""
        if trial.fault in ("config", "code"):
            return {}
        return {epoch: self._sign * score for epoch, score in trial.scores.items()}
