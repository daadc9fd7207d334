"""How long an epoch takes and how large a checkpoint is: from the last run of the same question, or from one step."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestune.debugging import alone
from orchestune.errors import OrchestuneError
from orchestune.experiment import Experiment
from orchestune.running.journal import read_events
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record
from orchestune.running.seeds import trial_seed
from orchestune.training import state


@dataclass(frozen=True)
class Timing:
    """Of one execution of one trial."""

    epoch_s: float  # seconds of an epoch, its evaluation and its checkpoint
    checkpoint_bytes: int
    source: str  # where this is known from


def last_run(experiment: Experiment, name: str, storage: Path) -> Timing | None:
    """From the newest run in `storage` that asked `name` of the same trainable; None where there is none."""
    trainable = f"{experiment.trainable.__module__}:{experiment.trainable.__qualname__}"
    for paths in _newest_first(storage):
        told = _question(paths)
        if (told.get("name"), told.get("trainable")) != (name, trainable):
            continue
        try:
            record = Record.of(read_events(paths.events))
        except OrchestuneError:  # a damaged or unreadable run tells nothing; the next one may
            continue
        if not record.reports:
            continue
        executions = int(told.get("executions_per_trial", 1))
        spent = sum(trial.seconds + trial.spent.get("checkpoint_s", 0.0) for trial in record.trials.values())
        seconds = spent / record.reports / executions
        sizes = [size_of(folder) for folder in paths.trials.glob("*/*/*") if folder.is_dir()]  # trial, leg, epoch
        sizes = sizes or [size_of(paths.best)]  # the others lie in a bucket
        return Timing(seconds, max(sizes, default=0) // executions, str(paths.root))
    return None


def first_step(experiment: Experiment) -> Timing:
    """Trains the configuration in the middle of the space for two epochs, in this process, and saves each.

    The second epoch is what counts: the first one loads what the others have.
    """
    experiment.get_ready()
    config = experiment.typed_space.from_unit([0.5] * experiment.typed_space.dimensions)
    with tempfile.TemporaryDirectory(prefix="orchestune-") as folder:
        trial = alone(experiment, config, trial_seed(experiment.seed, 0), folder)
        try:
            for name in ("first", "second"):
                saved = Path(folder, name)
                saved.mkdir()
                started = time.monotonic()
                trial.step()
                state.save(trial, saved)
                seconds = time.monotonic() - started
            return Timing(seconds, size_of(saved), "an epoch timed now")
        finally:
            trial.cleanup()


def _question(paths: RunPaths) -> dict[str, Any]:
    """What the run was asked, from the file that repeats it: a journal may be long. Empty where that cannot be read."""
    try:
        told = json.loads(paths.question.read_text())
    except (OSError, ValueError):  # a run that died at its birth, or a damaged file
        return {}
    return told if isinstance(told, dict) else {}


def _newest_first(storage: Path) -> Iterator[RunPaths]:
    journals = [path for path in storage.glob("*/events.jsonl") if path.is_file()]
    for path in sorted(journals, key=lambda found: found.stat().st_mtime, reverse=True):
        yield RunPaths(path.parent)


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
