"""A run of a scheduler alone: workers that train given curves, reports in an order drawn by chance, what happened."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from orchestune.schedulers import DONE, Continue, Decision, Report, Scheduler, Start, Work

Event = tuple[Any, ...]


@dataclass
class Run:
    """Everything that happened, in order: what `next` said before each leg, legs, reports and ends."""

    events: list[Event] = field(default_factory=list)
    epochs: dict[str, int] = field(default_factory=dict)  # trial -> completed ones
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    legs: list[tuple[str, int, int]] = field(default_factory=list)  # trial, start, until
    continued: list[Continue] = field(default_factory=list)

    @property
    def decisions(self) -> list[tuple[Report, Decision]]:
        return [(event[1], event[2]) for event in self.events if event[0] == "report"]

    @property
    def total(self) -> int:
        """Epochs trained."""
        return sum(self.epochs.values())


def simulate(
    judge: Scheduler,
    score: Callable[[int, int], float],
    *,
    workers: int = 1,
    chance: random.Random | None = None,
    supply: int | None = None,
    failures: Collection[tuple[int, int]] = (),
    config: Callable[[int], dict[str, Any]] = lambda n: {"x": 0.5},
) -> Run:
    """Until the scheduler is done. `score(trial, epoch)`; `supply`: so many configurations there are; `failures`: the
    (trial, epoch) at which one breaks off. Without `chance` the oldest leg always reports next."""
    run, live = Run(), {}
    while (work := judge.next()) is not DONE:
        if isinstance(work, Start) and supply is not None and len(run.epochs) >= supply:
            judge.exhausted()
            run.events.append(("exhausted",))
            continue
        if isinstance(work, Start | Continue) and len(live) < workers:
            trial, until = _begin(run, judge, work, config)
            live[trial] = until
            continue
        assert live, f"nothing trains, and {work} is no leg"
        trial = chance.choice(sorted(live)) if chance else next(iter(live))
        until = live.pop(trial)
        epoch = run.epochs[trial] + 1
        assert epoch <= until, "a leg ends at its `until`"
        if (int(trial), epoch) in failures:
            judge.ended(trial, "failed")
            run.events.append(("ended", trial, "failed"))
            continue
        report = Report(trial, epoch, score(int(trial), epoch))
        decision = judge.decide(report)
        run.epochs[trial] = epoch
        run.events.append(("report", report, decision))
        if decision is Decision.CONTINUE:
            live[trial] = until
        elif decision is Decision.STOP:
            judge.ended(trial, "diverged" if report.diverged else "stopped")
            run.events.append(("ended", trial, "diverged" if report.diverged else "stopped"))
    assert not live, "done, although trials train"
    return run


def _begin(
    run: Run, judge: Scheduler, work: Start | Continue, config: Callable[[int], dict[str, Any]]
) -> tuple[str, int]:
    if isinstance(work, Start):
        trial, given = f"{len(run.epochs):04d}", work.config or config(len(run.epochs))
    else:
        trial, given = work.trial, work.config or run.configs[work.trial]
        run.continued.append(work)
    start = run.epochs.setdefault(trial, 0)
    run.configs[trial] = given
    run.legs.append((trial, start, work.until))
    run.events.append(("started", work, trial, start, work.until, given))
    judge.started(trial, start, work.until, given)
    return trial, work.until


def replay(judge: Scheduler, run: Run) -> Work:
    """Lets the same happen again to a fresh scheduler, which must say the same at each; what it says then."""
    for kind, *what in run.events:
        if kind == "started":
            assert judge.next() == what[0]
            judge.started(*what[1:])
        elif kind == "report":
            assert judge.decide(what[0]) is what[1]
        elif kind == "ended":
            judge.ended(*what)
        else:
            judge.exhausted()
    return judge.next()
