"""Puts legs under any Ray class Trainable: where a leg starts, what it reports, when it writes its checkpoint.

`with_legs(MLP)` is what a run's actors are made of. MLP itself knows nothing of legs
and works in a hand-written `tune.Tuner` as well.
"""

from __future__ import annotations

import json
import math
import os
import platform
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from ray.tune import PlacementGroupFactory, Trainable

from orchestune.errors import CheckpointDamaged
from orchestune.storage.depot import depot_at
from orchestune.training import state
from orchestune.training.checkpoint import CheckpointStore, Place
from orchestune.training.files import DATA
from orchestune.training.resources import Resources

LEG = "_leg"  # the key of a configuration under which a leg travels
REPORT = "_report"  # the key of a result under which its report travels, as JSON: Tune flattens everything else


@dataclass(frozen=True, kw_only=True)
class Leg:
    """A stretch of one trial's training on one actor, as the driver tells it to the worker."""

    trial: str
    leg: int
    start: tuple[str, int, int] | None  # trial, leg, epoch of the checkpoint it starts from; None at birth
    until: int  # the epoch at which it will checkpoint at the latest
    store: str
    seed: int
    metric: str
    mode: str
    max_epochs: int | None = None  # of the trial at the most, over all its legs
    data: str | None = None  # the user's data folder
    checkpoint_every: int = 1
    purpose: str = "train"  # or "test": score the checkpoint once on the test split, training nothing
    resources: Resources = field(default_factory=Resources)  # what its actor occupies

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Leg:
        fields = dict(config[LEG])
        fields["start"] = tuple(fields["start"]) if fields["start"] else None
        fields["resources"] = Resources(**fields["resources"])
        return cls(**fields)

    def to_config(self) -> dict[str, Any]:
        return {LEG: asdict(self)}

    @property
    def start_epoch(self) -> int:
        return self.start[2] if self.start else 0


class Legs:
    """Mixed in before a Trainable class. Every path to the trainable's own methods is Ray's, so any class will do."""

    seed: int
    max_epochs: int | None
    _leg: Leg
    _store: CheckpointStore

    def _setup_logdir(self) -> None:
        # Ray would make a folder per trial and change into it; a leg's files have a home already.
        self._logdir = tempfile.gettempdir()

    def setup(self, config: dict[str, Any]) -> None:
        self._take(config)
        super().setup(config)  # type: ignore[misc]
        self._begin()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        if LEG not in new_config:  # the trainable's own setup() calls its reset_config(), as many do
            return bool(super().reset_config(new_config))  # type: ignore[misc]
        self._take(new_config)
        if not super().reset_config(new_config):  # type: ignore[misc]
            return False
        self._begin()
        return True

    def _take(self, config: dict[str, Any]) -> None:
        self._leg = Leg.from_config(config)
        self._store = CheckpointStore(depot_at(self._leg.store))
        self.seed, self.max_epochs = self._leg.seed, self._leg.max_epochs
        if self._leg.data is not None:
            os.environ[DATA] = self._leg.data
        del config[LEG]
        self.config.pop(LEG, None)  # type: ignore[attr-defined]

    def _begin(self) -> None:
        self._epoch = self._leg.start_epoch
        self._unsaved: list[dict[str, Any]] = []  # reports that the next checkpoint takes along
        self._scores: dict[Place, float] = {}  # of the checkpoints that are kept
        if self._leg.start:
            trial, leg, epoch = self._leg.start
            with self._store.opened(Place(epoch, leg, trial)) as folder:
                state.load(self, folder)
            for place in self._store.places(self._leg.trial):
                self._scores[place] = self._score_of(place)

    def step(self) -> dict[str, Any]:
        if self._leg.purpose == "test":
            return {REPORT: json.dumps({"test": self._test_once()})}
        started = time.monotonic()
        result = dict(super().step())  # type: ignore[misc]
        done = bool(result.pop("done", False))
        self._epoch = int(result.pop("training_iteration", self._epoch + 1))
        metrics = {name: plain(name, value) for name, value in result.items()}
        report: dict[str, Any] = {
            "epoch": self._epoch,
            "metrics": metrics,
            "seconds": round(time.monotonic() - started, 4),
            "host": platform.node(),
        }
        if done:
            report["done"] = True
        if met := getattr(self, "met", None):  # names that the configuration lacked, with the values drawn for them
            report["new"] = met
        if telemetry := getattr(self, "telemetry", None):
            report["telemetry"] = {name: _rounded(plain(name, value)) for name, value in telemetry.items()}
        self._unsaved.append(report)
        score = self._score(metrics)
        due = self._epoch % self._leg.checkpoint_every == 0 or self._epoch >= self._leg.until or done
        if due and math.isfinite(score):
            written = time.monotonic()
            self._checkpoint(score)  # with the report as it is now
            report["telemetry"] = {**report.get("telemetry", {}), "checkpoint_s": _rounded(time.monotonic() - written)}
        return {"training_iteration": self._epoch, REPORT: json.dumps(report)}

    def _checkpoint(self, score: float) -> None:
        place = Place(self._epoch, self._leg.leg, self._leg.trial)
        self._store.write(place, self._unsaved, lambda folder: state.save(self, folder))
        if not self._store.depot.outlives_driver:  # else the journal may come back without any of the leg's reports
            self._unsaved = []
        self._scores[place] = score
        newest = sorted(self._scores)[-2:]
        best = max(self._scores, key=lambda kept: (self._scores[kept], -kept.epoch))
        keep = {*newest, best}
        if len(keep) < len(self._scores):
            self._scores = {kept: self._scores[kept] for kept in keep}
            self._store.keep_only(self._leg.trial, keep)

    def _test_once(self) -> dict[str, Any]:
        """The test split's metrics, kept at once: a crash before the journal's line costs no second look."""
        assert self._leg.start is not None, "what is tested is a checkpoint"
        trial, leg, epoch = self._leg.start
        place = Place(epoch, leg, trial)
        kept = self._store.kept_test(place)
        if kept is None:
            scores = self.test() if getattr(self, "has_test", True) else {}  # type: ignore[attr-defined]
            kept = {name: plain(name, value) for name, value in scores.items()}
            self._store.keep_test(place, kept)
        return kept

    def _score_of(self, place: Place) -> float:
        """A damaged checkpoint's is the worst, so that it goes with the next that are deleted."""
        try:
            reports = self._store.manifest(place).reports
        except CheckpointDamaged:
            return -math.inf
        return self._score(reports[-1]["metrics"]) if reports else -math.inf

    def _score(self, metrics: dict[str, Any]) -> float:
        """Higher is better; minus infinity where there is no finite one."""
        value = metrics.get(self._leg.metric)
        if not isinstance(value, int | float):
            return -math.inf
        return float(value if self._leg.mode == "max" else -value)


def _rounded(value: Any) -> Any:
    """Six significant digits: more say nothing, and every epoch's line has them."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def plain(name: str, value: Any) -> Any:
    """A reported value as JSON has it: numbers of any library become Python's, what is not finite becomes None.

    Raises TypeError naming the metric where the value is not one number, string or truth value.
    """
    if hasattr(value, "item"):  # torch tensors, numpy arrays and scalars
        with suppress(ValueError, RuntimeError):  # numpy's and torch's word for more than one number
            value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"metric {name!r} is a {type(value).__name__}: report one number")


def with_legs(trainable: type[Trainable]) -> type[Trainable]:
    """The class that a run's actors are made of, each of which occupies what its legs say."""

    def default_resource_request(cls: type, config: dict[str, Any]) -> PlacementGroupFactory:
        # The leg brings the answer along: a function of the experiment's, asked here, would have to travel through Ray,
        # and could answer otherwise than it did when the leg was found to fit.
        return PlacementGroupFactory([Leg.from_config(config).resources.bundle])

    own = {"__module__": trainable.__module__, "default_resource_request": classmethod(default_resource_request)}
    return type(trainable.__name__, (Legs, trainable), own)
