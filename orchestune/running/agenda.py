"""What a run does next: who lost a leg first, then whom the scheduler continues, then a new question."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from orchestune.running.record import Record, Trial
from orchestune.schedulers.base import DONE, WAIT, Continue, Idle, Scheduler, Start
from orchestune.searchers.base import FINISHED, Searcher


@dataclass(frozen=True)
class Due:
    """A leg to hand out as soon as there is room for it. Nothing of it is in the journal yet."""

    trial: Trial
    config: dict[str, Any]
    until: int
    source: str | None = None  # the trial whose newest checkpoint it starts from; None at birth
    lost: bool = False  # the trial's leg before broke off: its checkpoint may be ahead of the journal


class Agenda:
    """Says what is due. The answer stays the same until it is acted on, or a report changes the scheduler's mind."""

    def __init__(self, searcher: Searcher, scheduler: Scheduler) -> None:
        self._searcher, self._scheduler = searcher, scheduler
        self._lost: deque[Trial] = deque()
        self._exhausted = False  # the searcher has no more questions
        # The newest question and its number. It is asked once, however long it has to wait for room: asked again with
        # what was learnt meanwhile, large configurations would be passed over for small ones, which fit sooner.
        # Unless a trial has enlarged the searcher's space meanwhile.
        self._question: tuple[int, Any, Any] = (-1, None, None)  # number, space, configuration

    def lost(self, trial: Trial) -> None:
        """The trial's leg broke off by nobody's fault: it goes on before anything else."""
        self._lost.append(trial)

    def settled(self, due: Due) -> None:
        """It was handed out, or is not to be."""
        if due.lost:
            self._lost.popleft()

    def due(self, record: Record) -> Due | Idle:
        """The next leg; WAIT while a report is to be waited for, DONE where there will be none."""
        if self._lost:
            trial = self._lost[0]
            return Due(trial, trial.config, trial.until, trial.id, lost=True)
        work = self._scheduler.next()
        if isinstance(work, Start) and (birth := self._birth(work, record)) is not None:
            return birth
        if self._exhausted:  # it was just told so, and may have other work
            work = self._scheduler.next()
        if isinstance(work, Continue):
            trial = record.trials[work.trial]
            return Due(trial, work.config or trial.config, work.until, work.source or trial.id)
        return DONE if isinstance(work, Start) else work

    def _birth(self, work: Start, record: Record) -> Due | Idle | None:
        """A new trial, WAIT until the searcher has a question, None once it has none any more."""
        if self._exhausted:
            return None
        number = len(record.trials)
        asked = work.config is None or number < self._searcher.given  # the user's own points come first
        config = self._ask(number) if asked else work.config
        if isinstance(config, dict):
            return Due(Trial(f"{number:04d}", config, record.maximize), config, work.until)
        if config != FINISHED:
            return WAIT
        self._exhausted = True
        self._scheduler.exhausted()
        return None

    def _ask(self, number: int) -> Any:
        known, space, config = self._question
        if known != number or space is not self._searcher.space or not isinstance(config, dict):
            self._question = (number, self._searcher.space, self._searcher.ask(number))
        return self._question[2]
