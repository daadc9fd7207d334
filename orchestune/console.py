"""How a run tells of itself while it goes: a live table on a terminal, a line per ended trial elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Console as Rich
from rich.console import Group
from rich.live import Live
from rich.text import Text

from orchestune.experiment import Experiment
from orchestune.report import table, words
from orchestune.running.journal import Event
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record

ROWS = 10  # of the live table
SHARE = 0.05  # of the driver's time, which the live table may take for itself; it ranks every trial
AHEAD = 0.5  # seconds of that which it may take beforehand, so that a small run's table shows everything at once


class ProgressConsole:
    """Made for one session of one run. `expected`: what it is said to cost, told before anything else."""

    def __init__(self, expected: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._expected, self._clock = expected, clock
        self._live: Live | None = None
        self._newest: Record | None = None  # what the table does not show yet
        self._spent, self._looked = 0.0, clock()  # seconds that the table took, less its share of those since

    def open(self, terminal: TextIO, experiment: Experiment, paths: RunPaths) -> None:
        self._experiment = experiment
        self._rich = Rich(file=terminal, highlight=False, soft_wrap=not terminal.isatty())
        if self._expected:
            self._rich.print(self._expected, markup=False)
        self._rich.print(
            f"{paths.root}: {_of(experiment.pair.searcher)} and {_of(experiment.pair.scheduler)} "
            f"for the {experiment.mode}imum of {experiment.metric}; Ray starts"
        )
        if self._rich.is_terminal:
            self._live = Live(Text("Ray starts ..."), console=self._rich, refresh_per_second=4)
            self._live.start()

    def observe(self, event: Event, record: Record) -> None:
        if self._live:
            if event["event"] in ("leg", "report", "leg_end", "end"):
                self._newest = record
                self._show_in_time()
        elif event["event"] == "end":
            self._rich.print(self._line(event, record), markup=False)

    def say(self, text: str) -> None:
        self._rich.print(text, markup=False)

    def close(self) -> None:
        if self._live:
            self._show()
            self._live.stop()

    def _show_in_time(self) -> None:
        """Shows what is new, unless the table has had its share of the driver's time."""
        now = self._clock()
        self._spent, self._looked = max(0.0, self._spent - SHARE * (now - self._looked)), now
        if self._spent <= AHEAD:
            self._show()
            self._spent += self._clock() - now

    def _show(self) -> None:
        if self._live and self._newest:
            record, self._newest = self._newest, None
            self._live.update(Group(table.trials(record, ROWS), Text(self._progress(record), style="bold")))

    def _line(self, event: Event, record: Record) -> str:
        trial = record.trials[event["trial"]]
        of = f"/{self._experiment.num_samples}" if self._experiment.num_samples else ""
        return (
            f"{record.ended}{of}  trial {trial.id} {trial.state}, {trial.epochs} epochs, {record.metric} "
            f"{words.score(record, trial)} ({trial.why})  {words.config(trial.config)}"
        )

    def _progress(self, record: Record) -> str:
        """`2 running, 5 finished, 9 stopped | best 0.97 (trial 0003) | 120 of 600 epochs | 25 s, about 40 s left`"""
        parts = [", ".join(f"{count} {state}" for state, count in words.counts(record).items())]
        if best := record.best:
            parts.append(f"best {words.score(record, best)} (trial {best.id})")
        samples, epochs = self._experiment.num_samples, str(record.epochs)
        if samples:
            epochs += f" of the {samples * self._experiment.max_epochs} of a full search"
        parts.append(f"{epochs} epochs" if not samples else f"epochs {epochs}")
        left = self._left(record)
        parts.append(
            words.duration(record.elapsed) + (f", about {words.duration(left)} left" if left is not None else "")
        )
        return " | ".join(parts)

    def _left(self, record: Record) -> float | None:
        """Seconds, from the trials that have ended so far; never more than the time budget leaves."""
        budget, samples = self._experiment.time_budget_s, self._experiment.num_samples
        guesses = [] if budget is None else [max(0.0, budget - record.elapsed)]
        if samples and record.ended:
            guesses.append(record.elapsed * (samples - record.ended) / record.ended)
        return min(guesses, default=None)


def _of(declaration: object) -> str:
    return type(declaration).__name__
