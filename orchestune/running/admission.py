"""Which legs may begin: what each one needs, whether that is free now, and whether this cluster has it at all."""

from __future__ import annotations

import traceback
from typing import Any

from orchestune.errors import ClusterError, ResourcesError
from orchestune.experiment import Experiment
from orchestune.running.agenda import Due
from orchestune.running.failure import Failure
from orchestune.running.record import Trial
from orchestune.running.room import Room
from orchestune.training.resources import LEAST, Resources


class Refused(Exception):
    """A leg that can never begin here, and why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.why)
        self.failure = failure


class Admission:
    """Asks the experiment what legs need, and the room whether they fit."""

    def __init__(self, experiment: Experiment, room: Room) -> None:
        self.room = room
        self._experiment = experiment
        fixed = isinstance(experiment.resources, Resources)
        self._least = experiment.resources_for({}) if fixed else Resources(cpu=LEAST)
        self._newest: tuple[dict[str, Any] | None, Resources] = (None, self._least)  # a leg may be waiting for room

    @property
    def is_open(self) -> bool:
        """Whether there is room for any leg at all, as far as that is known before its configuration is."""
        return self.room.is_empty or self.room.fits(self._least)

    def needs(self, due: Due) -> Resources:
        """What the leg that is due occupies. Raises Refused where that cannot be told or had."""
        try:
            needs = self._needs(due.config)
        except ResourcesError as wrong:
            raise Refused(Failure("code", "".join(traceback.format_exception(wrong)), "resources")) from wrong
        if lacking := self.room.lacking(needs):
            raise Refused(Failure("config", f"the configuration {lacking}"))
        return needs

    def needs_again(self, trial: Trial) -> Resources:
        """What a trial occupies that has trained before: it is not to fail for the machines that it now finds.

        Raises ClusterError where they have less.
        """
        needs = self._needs(trial.config)
        if lacking := self.room.lacking(needs):
            raise ClusterError(f"trial {trial.id} has trained where there was more: it {lacking}. Resume there.")
        return needs

    def _needs(self, config: dict[str, Any]) -> Resources:
        if self._newest[0] != config:
            self._newest = (config, self._experiment.resources_for(config))
        return self._newest[1]
