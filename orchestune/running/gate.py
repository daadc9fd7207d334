"""The one Ray `TrialScheduler` of a run: every report and every failure passes it before anything else sees them."""

from __future__ import annotations

import json
import re
from typing import Any

import ray.cloudpickle
from ray.exceptions import RayTaskError
from ray.tune.schedulers import FIFOScheduler

from orchestune.durable import NO_ROOM
from orchestune.errors import CheckpointDamaged
from orchestune.running.conductor import Conductor, Failure
from orchestune.running.guard import Guard
from orchestune.schedulers.base import Decision
from orchestune.training.checkpoint import Fenced
from orchestune.training.legs import REPORT, Leg

_COLOR = re.compile(r"\x1b\[[0-9;]*m")


class Gate(FIFOScheduler):  # type: ignore[misc]
    """Pausing is stopping, to Ray: a trial that goes on does so as a new leg."""

    def __init__(self, conductor: Conductor, guard: Guard) -> None:
        super().__init__()
        self._conductor, self._guard = conductor, guard
        self._newest: Any = None  # Ray's trial that was added last, until it has been chosen

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._newest = trial

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """A free actor is for the newest leg: the older ones that wait have actors of their own on the way.

        Ray's own choice, the oldest one, ends the actor on the way and orders another, for the newest. Where legs are
        shorter than an actor's start, that repeats itself for ever: one actor trains, however many slots there are.
        """
        newest, self._newest = self._newest, None
        return newest

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        leg, report = Leg.from_config(trial.config), json.loads(result[REPORT])
        decision = self._guard.call(lambda: self._conductor.report(leg, report), otherwise=Decision.STOP)
        return str(self.CONTINUE if decision is Decision.CONTINUE else self.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        leg, failure = Leg.from_config(trial.config), failure_of(trial)
        self._guard.call(lambda: self._conductor.failed(leg, failure), otherwise=None)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # the Tuner pickles its scheduler at the start; the journal is what counts


def failure_of(trial: Any) -> Failure:
    """Whose fault it was: the machine's where the worker died, the storage's where it is full, the configuration's
    where it asked for too much memory, else the code's."""
    with open(trial.pickled_error_file, "rb") as file:  # noqa: PTH123 - written by this process a moment ago
        error = ray.cloudpickle.load(file)
    cause, text = getattr(error, "cause", None), _COLOR.sub("", str(error))
    in_code = isinstance(error, RayTaskError) or getattr(error, "actor_init_failed", False)
    if not in_code or isinstance(cause, CheckpointDamaged | Fenced):
        return Failure("machine", text)
    if isinstance(cause, OSError) and cause.errno in NO_ROOM:
        return Failure("storage", str(cause))
    last = text.strip().splitlines()[-1]
    if "OutOfMemoryError" in last or "MemoryError" in last:  # torch.cuda's, or the host's
        return Failure("config", text)
    # The kind of error and the lines it passed through, without the values in its message.
    frames = [line.strip() for line in text.splitlines() if line.lstrip().startswith('File "')]
    return Failure("code", text, "\n".join([last.partition(":")[0], *frames]))
