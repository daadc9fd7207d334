"""The one Ray `Searcher` of a run: each Ray trial it suggests is a leg that the conductor handed out."""

from __future__ import annotations

from typing import Any

from ray.tune.search import Searcher

from orchestune.running.conductor import Conductor
from orchestune.running.guard import Guard
from orchestune.searchers.base import FINISHED
from orchestune.training.legs import Leg


class Feed(Searcher):  # type: ignore[misc]
    """Counts what is live through the conductor: no limiter of Tune's is wanted in front of it."""

    def __init__(self, conductor: Conductor, guard: Guard) -> None:
        super().__init__(metric=conductor.experiment.metric, mode=conductor.experiment.mode)
        self._conductor, self._guard = conductor, guard
        self._legs: dict[str, Leg] = {}  # by Ray's trial id

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        leg: Leg | str | None = self._guard.call(self._conductor.next_leg, otherwise=FINISHED)
        if not isinstance(leg, Leg):
            return leg
        self._legs[trial_id] = leg
        return {**self._conductor.config_of(leg), **leg.to_config()}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        leg = self._legs.pop(trial_id)
        if not error:  # the gate has told the conductor of an error, with its cause
            self._conductor.released(leg)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # the Tuner pickles its searcher at the start; the journal is what counts

    def save(self, checkpoint_path: str) -> None:
        """Tune's snapshots hold nothing of ours."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a run is resumed from its journal")
