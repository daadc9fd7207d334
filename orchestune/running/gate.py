"""The one Ray `TrialScheduler` of a run: every report and every failure passes it before anything else sees them."""

from __future__ import annotations

import json
from typing import Any

from ray.tune.schedulers import FIFOScheduler

from orchestune.running.conductor import Conductor
from orchestune.running.failure import failure_of
from orchestune.running.guard import Guard
from orchestune.schedulers.base import Decision
from orchestune.training.legs import REPORT, Leg


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
