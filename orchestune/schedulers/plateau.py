"""A trial that no longer gets better ends: each is judged by its own curve alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from orchestune.schedulers.base import Report
from orchestune.schedulers.stopping import Stopping

if TYPE_CHECKING:
    from orchestune.space import Space


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """Stops a trial whose score has not exceeded its best by more than `min_delta` for `patience` epochs.

    A scheduler of its own, or `early(...)` on top of any other.
    """

    patience: int = 5  # epochs without an improvement
    min_delta: float = 0.0  # in the metric's own unit: what is less is no improvement
    grace_period: int = 1  # epochs before any trial may be stopped

    name: ClassVar[str] = "plateau"
    pauses: ClassVar[bool] = False
    chooses: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for field in ("patience", "grace_period"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"Plateau({field}={value!r}): epochs, an int of at least 1")
        delta = self.min_delta
        if isinstance(delta, bool) or not isinstance(delta, int | float) or not 0 <= delta < math.inf:
            raise ValueError(f"Plateau(min_delta={delta!r}): a finite number, 0 or more")

    def refuse(self, space: Space, max_epochs: int, num_samples: int | None) -> list[str]:
        first = max(self.patience + 1, self.grace_period)
        if first < max_epochs:
            return []
        return [
            f"plateau: with patience={self.patience} and grace_period={self.grace_period} it stops no trial before "
            f"epoch {first}, and max_epochs={max_epochs} ends them by then; lower them, raise max_epochs, or leave it "
            "out"
        ]

    def build(self, space: Space, max_epochs: int, num_samples: int | None, seed: int) -> PlateauScheduler:
        return PlateauScheduler(self, max_epochs, num_samples)


class PlateauScheduler(Stopping):
    """Each trial's best score so far, and when it was reached."""

    name = Plateau.name

    def __init__(self, declared: Plateau, max_epochs: int, num_samples: int | None) -> None:
        super().__init__(max_epochs, num_samples)
        self.declared = declared
        self._best: dict[str, tuple[float, int]] = {}  # trial -> score, epoch
        self._configs: dict[str, dict[str, Any]] = {}

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        super().started(trial, start, until, config)
        if self._configs.setdefault(trial, config) != config:  # it went on as another: its past is not its own
            self._configs[trial] = config
            self._best.pop(trial, None)

    def keeps(self, report: Report) -> bool:
        score, epoch = self._best.get(report.trial, (-math.inf, 0))
        if report.score > score + self.declared.min_delta:
            self._best[report.trial] = (report.score, report.epoch)
            return True
        return report.epoch < self.declared.grace_period or report.epoch - epoch < self.declared.patience
