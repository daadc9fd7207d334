"""Every trial trains to the end: for short trainings, and as the yardstick of the other schedulers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from orchestune.schedulers.base import Report
from orchestune.schedulers.stopping import Stopping

if TYPE_CHECKING:
    from orchestune.space import Space


@dataclass(frozen=True, kw_only=True)
class Fifo:
    """No early stopping: first in, first out. Only a diverged trial ends before `max_epochs`."""

    name: ClassVar[str] = "fifo"
    pauses: ClassVar[bool] = False
    chooses: ClassVar[bool] = False

    def refuse(self, space: Space, max_epochs: int, num_samples: int | None) -> list[str]:
        return []

    def build(self, space: Space, max_epochs: int, num_samples: int | None, seed: int) -> FifoScheduler:
        return FifoScheduler(max_epochs, num_samples)


class FifoScheduler(Stopping):
    """Keeps whatever is finite."""

    name = Fifo.name

    def keeps(self, report: Report) -> bool:
        return True
