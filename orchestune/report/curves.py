"""Which curves of a run a picture shows: read off its journal, before anything is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from orchestune.errors import RunStateError
from orchestune.running.record import Record, Trial

VALIDATION, TRAINING = "val_", "train_"
LOSSES = (TRAINING + "loss", VALIDATION + "loss")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What a trial reported of one metric, where both numbers are finite, in the order of its epochs."""

    metric: str
    points: dict[int, tuple[float, float]]  # epoch -> (x, y)

    @property
    def xs(self) -> list[float]:
        return [x for x, _ in self.points.values()]

    @property
    def ys(self) -> list[float]:
        return [y for _, y in self.points.values()]


def x_axis(record: Record) -> str | None:
    """The metric that curves are drawn over, which the trainable said; None for the epoch."""
    return record.question.get("x_axis")


def curve(record: Record, trial: Trial, metric: str) -> Curve:
    over = x_axis(record)
    reported = trial.scores if metric == record.metric else trial.curves.get(metric, {})
    places = trial.curves.get(over, {}) if over else {epoch: float(epoch) for epoch in reported}
    points = {epoch: (places.get(epoch, math.nan), value) for epoch, value in sorted(reported.items())}
    return Curve(metric=metric, points={epoch: at for epoch, at in points.items() if all(map(math.isfinite, at))})


def both_sides(record: Record, trial: Trial) -> list[Curve]:
    """What is searched, on the data that the trial learns from and on those that it is judged by.

    Where it is measured on one side only, the two losses, if there are both; else that side alone.
    """
    other = TRAINING + record.metric.removeprefix(VALIDATION)
    for names in ((other, record.metric), LOSSES):
        if all(name in trial.curves for name in names):
            return [curve(record, trial, name) for name in names]
    return [curve(record, trial, record.metric)]


def apart(record: Record, trial: Trial) -> dict[str, Any]:
    """Of the trial's configuration, what not all trials have alike."""
    configs = [other.config for other in record.trials.values()]
    return {
        name: value
        for name, value in trial.config.items()
        if any(name not in config or config[name] != value for config in configs)
    }


def chosen(record: Record, trial: str | None) -> Trial:
    """The trial of this id, or the best one. Raises RunStateError where there is nothing of it to be drawn."""
    found = record.best if trial is None else record.trials[trial]
    if found is None:
        raise RunStateError(f"no trial of {record.question['name']} has reported a finite {record.metric} and may win")
    if not any(drawn.points for drawn in both_sides(record, found)):
        raise RunStateError(f"trial {found.id} has reported nothing that could be drawn")
    return found
