"""The end of a run: the winner's checkpoint put aside as `best/`, and scored once on data the search never saw."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestune.errors import CheckpointDamaged
from orchestune.running.journal import Event
from orchestune.running.record import Record
from orchestune.training.checkpoint import CheckpointStore, Place


class Finale:
    """What is still to be done once no trial can go on."""

    def __init__(self, store: CheckpointStore, target: Path, max_retries: int, say: Callable[[str], None]) -> None:
        self._store, self._target, self._say = store, target, say
        self._tries_left = 1 + max_retries
        self.test: dict[str, Any] | None = None
        self.error: str | None = None

    def place(self, record: Record) -> Place | None:
        """The winner's best checkpoint that verifies; None where there is no winner or nothing of it is left."""
        winner = record.best
        if winner is None:
            return None
        sign = 1 if record.maximize else -1
        for place in sorted(
            (place for place in self._store.places(winner.id) if winner.trained(place.leg, place.epoch)),
            key=lambda kept: (
                (kept.epoch,)
                if winner.refines
                else (sign * winner.scores.get(kept.epoch, -sign * float("inf")), -kept.epoch)
            ),
            reverse=True,
        ):
            try:
                self._store.verified(place)
                return place
            except CheckpointDamaged as damage:
                self._say(f"checkpoint damaged, using the next best: {damage}")
        return None

    def wants_test(self) -> bool:
        return self.test is None and self.error is None

    def failed(self, error: str, *, retry: bool) -> None:
        """The attempt to score the test split broke off."""
        self._tries_left -= 1
        if not retry or self._tries_left == 0:
            self.error = error
            self._say(f"the test split could not be scored:\n{error}")

    def put_aside(self, record: Record) -> None:
        """The winner's best checkpoint that can be opened."""
        winner = record.best
        while winner and (place := self.place(record)):
            try:
                return self._store.copy(place, self._target, winner.config_at(place.epoch))
            except CheckpointDamaged as damage:  # in a bucket it shows only now, and is not chosen again
                self._say(f"checkpoint damaged, using the next best: {damage}")

    def end(self, record: Record, why: str | None, answer: Callable[[Record], str] | None) -> Event:
        """The run's last event, with what its experiment answers. A mistake in `answer` costs the sentence alone."""
        event: Event = {"event": "run_end", "why": why, "test": self.test, "test_error": self.error}
        if answer is None:
            return event
        finished = copy.copy(record)
        finished.run_end = event
        try:
            sentence = answer(finished)
            if not isinstance(sentence, str):
                raise TypeError(f"answer gave {sentence!r}: it must be a sentence")
            return {**event, "answer": " ".join(sentence.split())}
        except Exception as mistake:
            said = "".join(traceback.format_exception(mistake))
            self._say(f"the run is complete, and its answer cannot be given:\n{said}")
            return {**event, "answer_error": said}
