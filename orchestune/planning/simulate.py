"""A search on recorded curves: the real searcher and scheduler under a simulated clock; no training, no Ray."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestune.running.agenda import Agenda, Due
from orchestune.running.memory import Memory
from orchestune.schedulers import Plateau, early
from orchestune.schedulers.base import WAIT, Decision
from orchestune.schedulers.base import Declaration as SchedulerDeclaration
from orchestune.searchers.base import Declaration as SearcherDeclaration
from orchestune.space import Space

# A configuration in; its score after each epoch and the seconds until then from the start of its training out.
Curve = Callable[[dict[str, Any]], tuple[Sequence[float], Sequence[float]]]


@dataclass(frozen=True, slots=True)
class SimulatedReport:
    """One epoch's end. `time`: seconds from the search's start; `score` as the curve has it."""

    time: float
    trial: str
    epoch: int
    score: float


@dataclass(frozen=True)
class Simulation:
    """What a simulated search saw, in the order of its time."""

    reports: list[SimulatedReport]
    configs: dict[str, dict[str, Any]]  # trial -> its configuration
    mode: str

    def best_at(self, epochs_spent: int) -> float:
        """The best finite score of the first `epochs_spent` epochs trained; NaN where there is none."""
        scores = [report.score for report in self.reports[:epochs_spent] if math.isfinite(report.score)]
        return (max if self.mode == "max" else min)(scores, default=math.nan)


def simulate(
    curve: Curve,
    *,
    space: Mapping[str, Any] | Space,
    searcher: SearcherDeclaration,
    scheduler: SchedulerDeclaration,
    mode: str,
    max_epochs: int,
    budget_epochs: int,
    workers: int | Sequence[float] = 1,
    seed: int = 0,
    num_samples: int | None = None,
    early_stopping: Plateau | None = None,
) -> Simulation:
    """Searches until `budget_epochs` epochs are trained, or nothing is left to do, `workers` trials at a time.

    Where some workers are slower than others, `workers` says of each how many times as long an epoch lasts there:
    `(1, 1, 5)`. A leg goes to the one that has been free for longest.

    `curve(config)` returns `(scores, seconds)`, one entry an epoch, the seconds cumulative; a curve shorter than
    `max_epochs` is a trial of its own length. A paused trial goes on from where it was: only new epochs are charged.
    """
    slowness = [1.0] * workers if isinstance(workers, int) else list(workers)
    if not slowness or not all(0 < times < math.inf for times in slowness):
        raise ValueError(f"workers={workers!r}: how many, at least 1, or of each how many times as long it takes")
    typed = Space.parse(space)
    common = {"seed": seed, "metric": "score", "mode": mode, "max_epochs": max_epochs, "pauses": scheduler.pauses}
    judge = scheduler.build(typed, max_epochs, num_samples, seed)
    return _Clock(
        curve,
        Memory(searcher.build(typed, **common), early(judge, early_stopping), mode),
        mode=mode,
        max_epochs=max_epochs,
        slowness=slowness,
    ).run(budget_epochs)


@dataclass
class _Live:
    """A leg under way."""

    trial: str
    leg: int
    epoch: int  # the one that is being trained
    scores: Sequence[float]
    seconds: Sequence[float]
    slowness: float  # of its worker


class _Clock:
    """Ends one epoch after the other, whichever is due next, and hands out legs to the workers that are free."""

    def __init__(self, curve: Curve, memory: Memory, *, mode: str, max_epochs: int, slowness: Sequence[float]) -> None:
        self.curve, self.memory, self.mode = curve, memory, mode
        self.max_epochs = max_epochs
        self.free = deque(slowness)  # of the workers that train nothing
        self.agenda = Agenda(memory.searcher, memory.scheduler)
        self.now = 0.0
        self.due: list[tuple[float, int, _Live]] = []  # when an epoch ends; the number only breaks ties
        self.started = 0
        self.reports: list[SimulatedReport] = []
        self._curves: dict[str, tuple[Sequence[float], Sequence[float]]] = {}

    def run(self, budget_epochs: int) -> Simulation:
        self._take(event="question", question={"metric": "score", "mode": self.mode})
        self._hand_out()
        while self.due and len(self.reports) < budget_epochs:
            self.now, _, live = heapq.heappop(self.due)
            if self._report(live):
                self._train(live)
            else:
                self.free.append(live.slowness)
            self._hand_out()
        configs = {name: trial.config for name, trial in self.memory.record.trials.items()}
        return Simulation(self.reports, configs, self.mode)

    def _hand_out(self) -> None:
        while self.free and isinstance(due := self.agenda.due(self.memory.record), Due):
            self.agenda.settled(due)
            self._start(due)
        if not self.due and self.agenda.due(self.memory.record) is WAIT:
            raise RuntimeError(f"{self.memory.scheduler.name} waits although nothing is live")

    def _start(self, due: Due) -> None:
        trial, source = due.trial, due.source
        epoch = self.memory.record.trials[source].epochs if source else 0
        leg = trial.leg + 1
        start = [source, 1, epoch] if source else None
        self._take(event="leg", trial=trial.id, leg=leg, config=due.config, until=due.until, **{"from": start})
        if leg == 1 or due.config != trial.config or trial.id not in self._curves:
            self._curves[trial.id] = self.curve(due.config)
        scores, seconds = self._curves[trial.id]
        self._train(_Live(trial.id, leg, epoch, scores, seconds, self.free.popleft()))

    def _train(self, live: _Live) -> None:
        before = live.seconds[live.epoch - 1] if live.epoch else 0.0
        live.epoch += 1
        self.started += 1
        took = (live.seconds[live.epoch - 1] - before) * live.slowness
        heapq.heappush(self.due, (self.now + took, self.started, live))

    def _report(self, live: _Live) -> bool:
        """Whether the leg goes on."""
        score = float(live.scores[live.epoch - 1])
        self.reports.append(SimulatedReport(self.now, live.trial, live.epoch, score))
        event = {"event": "report", "trial": live.trial, "leg": live.leg, "epoch": live.epoch,
                 "score": score if math.isfinite(score) else None, "metrics": {}, "seconds": 0.0}  # fmt: skip
        decision = self.memory.decide(event)
        over = live.epoch >= min(self.max_epochs, len(live.scores))
        status = "diverged" if event["score"] is None else "finished" if over else "stopped"
        if status != "stopped" or decision is Decision.STOP:
            self._take(**event, decision="stop")
            self._take(event="end", trial=live.trial, status=status, why=status, fault=None)
            return False
        self._take(**event, decision=decision.value)
        if decision is Decision.PAUSE:
            self._take(event="leg_end", trial=live.trial, why="pause", error=None)
            return False
        return True

    def _take(self, **event: Any) -> None:
        self.memory.take({**event, "t": self.now})
