"""A run in words: the same few spellings of numbers, configurations and trials wherever one is printed."""

from __future__ import annotations

import json
import math
import shutil
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestune.running.paths import RunPaths
from orchestune.running.record import Record, Trial


def number(value: Any) -> str:
    """Four significant digits; whole numbers whole."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def config(values: Mapping[str, Any]) -> str:
    """`lr=0.001 hidden=[64, 32]`"""
    return " ".join(f"{name}={_value(value)}" for name, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + config(value) + "}"
    return number(value)


def duration(seconds: float) -> str:
    """`48 s`, `3 min 20 s`, `2 h 05 min`"""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def score(record: Record, trial: Trial) -> str:
    return number(trial.best[1]) if trial.best else "-"


def counts(record: Record) -> dict[str, int]:
    """How many trials are in each state, those that occur, in the order of a trial's life."""
    order = ("running", "waiting", "paused", "finished", "stopped", "diverged", "failed")
    states = [trial.state for trial in record.trials.values()]
    return {state: states.count(state) for state in order if state in states}


def program(name: str = "orchestune") -> str:
    """A command as this shell finds it: by its name, or else where the one lies that was started by its path."""
    started = sys.argv[0]
    if started.endswith("orchestune") and shutil.which(name) is None:
        return started.removesuffix("orchestune") + name
    return name


def summary(record: Record, root: Path) -> list[str]:
    """The last lines of a run: the answer, its score on data the search never saw, and where to look further."""
    lines = answer(record)
    winner = record.best
    if winner is None or winner.best is None:
        lines.append("best        none: no trial reported a finite score")
    else:
        epoch, value = winner.best
        lines.append(f"best        trial {winner.id}: {record.metric} {number(value)} at epoch {epoch}")
        lines.append(f"            {config(winner.best_config)}")
    end = record.run_end or {}
    if end.get("test"):
        numbers = {name: value for name, value in end["test"].items() if not isinstance(value, str)}  # texts: --json
        told = ", ".join(f"{name} {number(value)}" for name, value in numbers.items())
        lines.append(f"test        {told} (data that the search never saw, looked at once)")
    if end.get("test_error"):
        lines.append(f"test        could not be scored: {end['test_error'].strip().splitlines()[-1]}")
    if record.run_end and winner:
        lines.append(f"checkpoint  {root / 'best'}")
    states = ", ".join(f"{count} {state}" for state, count in counts(record).items())
    lines.append(f"trials      {states or 'none'}; {record.epochs} epochs in {duration(record.elapsed)}")
    lines.append(f"look        {program()} show {root}")
    if winner:
        lines.append(f"            {program()} best {root} --json")
    if RunPaths(root).tensorboard.exists():
        lines.append(f"            {program('tensorboard')} --logdir {root}")
    return lines


def answer(record: Record) -> list[str]:
    """What the experiment answers, folded at 100 columns; nothing where it says nothing."""
    end = record.run_end or {}
    if "answer_error" in end:
        return [f"answer      cannot be given: {end['answer_error'].strip().splitlines()[-1]}"]
    return textwrap.wrap(f"answer      {end['answer']}", 100, subsequent_indent=" " * 12) if "answer" in end else []


def failures(record: Record, root: Path, most: int = 3) -> list[str]:
    """For the newest trials that failed by the code's or the machine's fault: what, where, and how to see it again."""
    lines = []
    name = record.question["name"]
    for trial in record.faulty[-most:]:
        lines += [
            f"trial {trial.id} failed at epoch {trial.epochs + 1}: {trial.why}",
            f"  config  {config(trial.config)}",
            f"  log     {program()} show {root} --trial {trial.id}",
            f"  again   {program()} run {name} --debug --storage {root.parent} --run-name {root.name} "
            f"--trial {trial.id}",
        ]
    return lines


def as_json(record: Record) -> dict[str, Any]:
    """The run as one object: `metric`, `mode`, `best` (a trial's id, or None), `trials`, how it ended, its answer."""
    return {
        "metric": record.metric,
        "mode": record.question["mode"],
        "best": record.best.id if record.best else None,
        "trials": [trial_json(trial) for trial in record.trials.values()],
        "end": record.run_end["why"] if record.run_end else None,
        "test": record.run_end["test"] if record.run_end else None,
        "answer": record.run_end.get("answer") if record.run_end else None,
    }


def trial_json(trial: Trial) -> dict[str, Any]:
    return {
        "id": trial.id,
        "config": trial.config,
        "status": trial.state,
        "why": trial.why,
        "epochs": trial.epochs,
        "score": trial.best[1] if trial.best else None,
        "seed": trial.seed,
        "seconds": {name: round(value, 3) for name, value in trial.spent.items()},
        "hosts": trial.hosts,
    }


def curve(trial: Trial) -> dict[str, float | None]:
    """Epoch -> score as reported; None where it was not finite."""
    return {str(epoch): value if math.isfinite(value) else None for epoch, value in sorted(trial.scores.items())}


def trial_lines(record: Record, trial: Trial) -> list[str]:
    """One trial: its configuration, its curve, why it ended, and the error if there was one."""
    lines = [f"trial {trial.id}: {trial.state}" + (f" ({trial.why})" if trial.why else ""), f"  {config(trial.config)}"]
    lines += [f"  epoch {epoch:>4}  {record.metric} {number(value)}" for epoch, value in sorted(trial.scores.items())]
    lines += time_lines(trial)
    return lines + ([trial.error] if trial.error else [])


def time_lines(trial: Trial) -> list[str]:
    """Where a trial's seconds went, over all its epochs, and what its chance was drawn from."""
    parts = {"train_s": "training", "data_s": "of it waiting for data", "evaluate_s": "evaluation",
             "checkpoint_s": "checkpoints"}  # fmt: skip
    told = [f"{word} {trial.spent[part]:.2f} s" for part, word in parts.items() if part in trial.spent]
    lines = ["  time  " + ", ".join(told)] if told else []
    if trial.examples:
        lines[0] += f"; {trial.examples / trial.spent['train_s']:,.0f} examples per second"
    lines += [f"  seed  {trial.seed}"] if trial.seed is not None else []
    return lines + ([f"  host  {', then '.join(trial.hosts)}"] if trial.hosts else [])


def dumps(value: Any) -> str:
    return json.dumps(value, indent=2, allow_nan=False)
