"""A run without Ray: what Tune and a worker do, in this process, a leg at a time, so that every crash can be tried."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from models.toy import WithTest
from ray import tune

from orchestune import Asha, Experiment, HyperBand, Plateau, Random
from orchestune.running.conductor import Conductor, Observer
from orchestune.running.journal import Journal
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record
from orchestune.running.room import Room
from orchestune.schedulers import early
from orchestune.schedulers.base import DONE, WAIT, Continue, Decision, Report, Scheduler, Start, Work
from orchestune.searchers.base import FINISHED
from orchestune.storage.folder import Folder
from orchestune.training.checkpoint import CheckpointStore
from orchestune.training.copies import copies
from orchestune.training.legs import REPORT, Leg, with_legs


class Crash(BaseException):
    """Stands for kill -9: no handler of ours may catch it."""


@contextmanager
def crash_at(nth: int, moment: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Crashes at the nth time that anything is made durable: just `before` it, just `after` it, or, at the nth write
    of the journal, with the write `torn`: only its first line and a little more, or half of its only line, got there.
    """
    fsync, write, calls = os.fsync, os.write, itertools.count(1)

    def dying_fsync(descriptor: int) -> None:
        call = next(calls)
        if call == nth and moment == "before":
            raise Crash
        fsync(descriptor)
        if call == nth:
            raise Crash

    def dying_write(descriptor: int, data: bytes) -> int:
        if next(calls) < nth:
            return write(descriptor, data)
        first = data.index(b"\n") + 1
        write(descriptor, data[: first + 9] if first < len(data) else data[: len(data) // 2])
        raise Crash

    with monkeypatch.context() as patched:
        if moment == "torn":
            patched.setattr(os, "write", dying_write)
        else:
            patched.setattr(os, "fsync", dying_fsync)
        yield


def execute(conductor: Conductor, trainable: type[tune.Trainable] = WithTest) -> None:
    """Trains every leg there is, an epoch of each in turn, on actors that are used again."""
    cls, idle, live = with_legs(trainable), deque[tune.Trainable](), deque[tuple[Leg, tune.Trainable]]()
    while True:
        while isinstance(leg := conductor.next_leg(), Leg):
            live.append((leg, _actor(cls, idle, {**conductor.config_of(leg), **leg.to_config()})))
        if leg == FINISHED:
            return
        assert live, "nothing is live, so a leg or the end is due"
        leg, actor = live.popleft()
        if conductor.report(leg, json.loads(actor.train()[REPORT])) is Decision.CONTINUE:
            live.append((leg, actor))
        else:
            conductor.released(leg)
            idle.append(actor)


def _actor(cls: type[tune.Trainable], idle: deque[tune.Trainable], config: dict[str, Any]) -> tune.Trainable:
    if not idle:
        return cls(config)
    actor = idle.popleft()
    assert actor.reset(config)
    return actor


def session(
    experiment: Experiment,
    root: Path,
    said: Callable[[str], None] = lambda text: None,
    observe: Observer = lambda event, record: None,
    cpus: float = 1,
    store: CheckpointStore | None = None,
    name: str = "toy",
    overrides: Mapping[str, str] | None = None,
) -> Record:
    """Starts the run in `root`, or goes on with it, until its end."""
    paths = RunPaths(root)
    root.mkdir(exist_ok=True)
    try:
        journal = Journal(paths.events)
        if journal.is_empty:
            question = experiment.to_json() | {"name": name, "overrides": dict(overrides or {})}
            journal.append({"event": "question", "t": 0.0, "v": 1, "rev": 1, "question": question})
            journal.close()
            journal = Journal(paths.events)
        store = store or CheckpointStore(Folder(paths.trials))
        conductor = Conductor(experiment, journal, store, say=said, observe=observe)
        conductor.begin({"host": "here", "processes": []}, Room([{"CPU": cpus}], experiment.max_concurrent_trials))
        execute(conductor, copies(experiment.trainable, experiment.executions_per_trial))
        return conductor.record
    finally:
        _forget(paths.events)


def _forget(path: Path) -> None:
    """What the kernel does at a process's death: closes its files, and so lets go of its locks."""
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # another thread's, closed meanwhile
            if descriptor.readlink() == path:
                os.close(int(descriptor.name))


def toy(**changes: Any) -> Experiment:
    base = Experiment(
        trainable=WithTest,
        space={"x": tune.uniform(0, 1)},
        metric="score",
        mode="max",
        searcher=Random(),
        scheduler=Asha(reduction_factor=3),
        num_samples=5,
        max_epochs=4,
    )
    return dataclasses.replace(base, **changes)


@dataclass(frozen=True, kw_only=True)
class Halving:
    """Synchronous successive halving, for tests: pauses every trial at a rung until the rung is full."""

    name: ClassVar[str] = "halving"
    rungs: tuple[int, ...] = (1, 2, 4)
    factor: int = 2

    pauses: ClassVar[bool] = True
    chooses: ClassVar[bool] = False

    def refuse(self, space: Any, max_epochs: int, num_samples: int | None) -> list[str]:
        return []

    def build(self, space: Any, max_epochs: int, num_samples: int | None, seed: int) -> _Halving:
        return _Halving(self, num_samples or 0)


@dataclass(frozen=True, kw_only=True)
class Early:
    """Any scheduler with early stopping on top, as a declaration."""

    name: ClassVar[str] = "early"
    inner: Any = field(default_factory=lambda: HyperBand(reduction_factor=2))
    plateau: Plateau = field(default_factory=lambda: Plateau(patience=1, min_delta=0.2))

    pauses: ClassVar[bool] = True
    chooses: ClassVar[bool] = False

    def refuse(self, space: Any, max_epochs: int, num_samples: int | None) -> list[str]:
        return []

    def build(self, space: Any, max_epochs: int, num_samples: int | None, seed: int) -> Scheduler:
        return early(self.inner.build(space, max_epochs, num_samples, seed), self.plateau)


class _Halving:
    name = Halving.name

    def __init__(self, plan: Halving, samples: int) -> None:
        self.plan, self.samples = plan, samples
        self.scores: dict[int, dict[str, float]] = {rung: {} for rung in plan.rungs}
        self.born: set[str] = set()
        self.busy: set[str] = set()

    def decide(self, report: Report) -> Decision:
        if report.epoch not in self.scores:
            return Decision.CONTINUE
        self.scores[report.epoch][report.trial] = report.score
        self.busy.discard(report.trial)
        return Decision.PAUSE

    def next(self) -> Work:
        for level in range(len(self.plan.rungs) - 1, 0, -1):
            below, here = self.scores[self.plan.rungs[level - 1]], self.scores[self.plan.rungs[level]]
            if len(below) == max(1, self.samples // self.plan.factor ** (level - 1)):
                best = sorted(below, key=lambda trial: (-below[trial], trial))
                for trial in best[: max(1, self.samples // self.plan.factor**level)]:
                    if trial not in here and trial not in self.busy:
                        return Continue(trial, self.plan.rungs[level])
        if len(self.born) < self.samples:
            return Start(self.plan.rungs[0])
        return WAIT if self.busy else DONE

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        self.born.add(trial)
        self.busy.add(trial)

    def ended(self, trial: str, status: str) -> None:
        self.busy.discard(trial)

    def exhausted(self) -> None:
        self.samples = len(self.born)
