"""A run's driver without Ray: its conductor hands legs out, and reports come back as fast as it can answer them.

Its seconds are those of the processor and those in which it waits for the disk: as where nothing else wants the cores.
"""

from __future__ import annotations

import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ray import tune

from benchmarks.noop import NoOp
from orchestune import Asha, Experiment, Random
from orchestune.running.conductor import Conductor
from orchestune.running.journal import VERSION, Event, Journal
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record
from orchestune.running.room import Room
from orchestune.schedulers.base import Decision
from orchestune.training.checkpoint import CheckpointStore
from orchestune.training.legs import Leg

Observer = Callable[[Event, Record], None]

EXPERIMENT = Experiment(
    trainable=NoOp, space={"x": tune.uniform(0, 1)}, metric="score", mode="max", searcher=Random(), scheduler=Asha(),
    num_samples=10**6, max_epochs=64,
)  # fmt: skip


@dataclass
class Pace:
    """So many reports and legs, and the seconds in which the driver answered them."""

    reports: int = 0
    legs: int = 0
    report_s: float = 0.0  # judged, and the leg let go of where it is over
    leg_s: float = 0.0  # of all that Tune asks for one, once a report, and is told that there is no room

    @property
    def results_per_s(self) -> float:
        """Reports a second, with the legs that they make room for."""
        return self.reports / (self.report_s + self.leg_s)

    def to_json(self) -> dict[str, float]:
        return {
            "results_per_s": round(self.results_per_s, 1),
            "report_ms": round(1000 * self.report_s / self.reports, 3),
            "next_leg_ms": round(1000 * self.leg_s / max(1, self.legs), 3),
            "reports": self.reports,
            "legs": self.legs,
        }


class Driver:
    """A session of the run in `folder`, on `workers` machines of one CPU; every score is drawn by chance."""

    def __init__(self, folder: Path, workers: int, experiment: Experiment = EXPERIMENT) -> None:
        folder.mkdir(exist_ok=True)
        self.experiment = experiment
        self._waited = 0.0  # seconds, for the disk
        self.paths = RunPaths(folder)
        if not self.paths.events.exists():
            self._ask()
        began = self._clock()
        self._journal = Journal(self.paths.events)
        self._conductor = Conductor(
            experiment, self._journal, CheckpointStore(self.paths.trials), observe=lambda *told: self.observe(*told)
        )
        self.replay_s = self._clock() - began
        self.observe: Observer = lambda event, record: None
        self._conductor.begin({"host": "here", "processes": []}, Room([{"CPU": 1.0}] * workers))
        self._live: deque[Leg] = deque()
        self._chance = random.Random(0)

    def _ask(self) -> None:
        question = {**self.experiment.to_json(), "name": "scale", "overrides": {}}
        journal = Journal(self.paths.events)
        journal.append({"event": "question", "t": 0.0, "v": VERSION, "rev": 1, "question": question})
        journal.close()

    @property
    def trials(self) -> int:
        return len(self._conductor.record.trials)

    def answer(self, reports: int, *, sync: bool = True) -> Pace:
        """Takes so many reports, each live trial's in turn, and hands out a leg wherever there is room for one.

        Without `sync` nothing waits for the disk: what fsync costs is the difference.
        """
        with self._disk(sync):
            self._fill(Pace())
            return self._answer(reports)

    def _answer(self, reports: int) -> Pace:
        pace = Pace()
        for _ in range(reports):
            leg = self._live.popleft()
            epoch = self._conductor.record.trials[leg.trial].epochs + 1
            report = {"epoch": epoch, "metrics": {"score": self._chance.random()}, "seconds": 1.0, "host": "here"}
            began = self._clock()
            decision = self._conductor.report(leg, report)
            if decision is not Decision.CONTINUE:
                self._conductor.released(leg)
            pace.report_s += self._clock() - began
            pace.reports += 1
            if decision is Decision.CONTINUE:
                self._live.append(leg)
            self._fill(pace)
        return pace

    def _fill(self, pace: Pace) -> None:
        while True:
            began = self._clock()
            leg = self._conductor.next_leg()
            pace.leg_s += self._clock() - began
            if not isinstance(leg, Leg):
                return
            pace.legs += 1
            self._live.append(leg)

    def _clock(self) -> float:
        return time.process_time() + self._waited

    @contextmanager
    def _disk(self, sync: bool) -> Iterator[None]:
        fsync = os.fsync

        def timed(descriptor: int) -> None:
            began = time.perf_counter() - time.process_time()
            if sync:
                fsync(descriptor)
            self._waited += time.perf_counter() - time.process_time() - began

        os.fsync = timed
        try:
            yield
        finally:
            os.fsync = fsync

    def close(self) -> None:
        self._journal.close()
