"""The table of a run's trials, best first."""

from __future__ import annotations

import math

from rich.table import Table

from orchestune.report import words
from orchestune.running.record import Record, Trial


def ranked(record: Record) -> list[Trial]:
    """Best first; those without a score, and those that may not win, last."""
    sign = 1 if record.maximize else -1

    def key(trial: Trial) -> tuple[bool, float, int]:
        best = trial.best  # once: a live table asks this of every trial
        value = sign * best[1] if best else -math.inf
        return (not trial.may_win, -value, trial.number)

    return sorted(record.trials.values(), key=key)


def trials(record: Record, most: int | None = None) -> Table:
    """Why each trial ended is in every row; only the configuration folds where the terminal is narrow."""
    table = Table(box=None, pad_edge=False)
    for name in ("trial", "status"):
        table.add_column(name, no_wrap=True)
    table.add_column("epochs", justify="right", no_wrap=True)
    table.add_column(record.metric, justify="right", no_wrap=True)
    table.add_column("why", no_wrap=True)
    table.add_column("config", overflow="fold")
    for trial in ranked(record)[:most]:
        best = trial.best
        shown = f"{words.number(best[1])} @{best[0]}" if best else "-"
        table.add_row(trial.id, trial.state, str(trial.epochs), shown, trial.why, words.config(trial.config))
    return table
