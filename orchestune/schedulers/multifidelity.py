"""Search and scheduling by one model over configuration and epoch: which trial to go on with, or what to try next.

Asynchronous successive halving (Li et al. 2018, Algorithm 2) whose rungs are ranked, and whose new trials are chosen,
by a Gaussian process over where each trial would end; in the manner of MOBSTER (Klein et al. 2020), with one data point
a trial, its newest score projected to the last rung (`surrogate/projection.py`). Where early scores mislead, what the
model chooses is trained to a later rung before it is judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from orchestune.schedulers.base import Scheduler

if TYPE_CHECKING:
    from orchestune.space import Space


@dataclass(frozen=True, kw_only=True)
class MultiFidelityRungs:
    """Goes on with the trial, or starts the one, from which the model expects most."""

    reduction_factor: float = 3  # rung to rung: epochs grow and trials shrink by it
    levels: int = 4  # rungs below max_epochs
    n_initial_points: int = 8  # spread over the space (Sobol 1967) before the model is asked
    random_share: float = 0.2  # of the new trials, drawn blindly and promoted apart: a guard against a misled model
    continue_share: float = 0.5  # how often a paused trial may go on beyond its rung's quota if it promises most

    name: ClassVar[str] = "multifidelity"
    pauses: ClassVar[bool] = True
    chooses: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for field, least in (("levels", 1), ("n_initial_points", 1)):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"MultiFidelityRungs({field}={value!r}): a whole number from {least} on")
        for field in ("random_share", "continue_share"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ValueError(f"MultiFidelityRungs({field}={value!r}): from 0 to 1")
        factor = self.reduction_factor
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 < factor < math.inf:
            raise ValueError(f"MultiFidelityRungs(reduction_factor={factor!r}): a finite number above 1, usually 3")

    def refuse(self, space: Space, max_epochs: int, num_samples: int | None) -> list[str]:
        return []

    def build(self, space: Space, max_epochs: int, num_samples: int | None, seed: int) -> Scheduler:
        from orchestune.schedulers.by_model import ByModel  # not at the top: SciPy, half a second

        return ByModel(self, space, max_epochs, num_samples, seed)
