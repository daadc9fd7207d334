"""A Gaussian process over configurations that is fed with trials of unequal training: each as where it would end.

With the scheduler of the same name (which `scheduler="auto"` is) search and scheduling are one model, and the scheduler
asks it; here it serves any other scheduler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from orchestune.searchers.base import Searcher, no_grid, refuse_first
from orchestune.searchers.settings import at_least

if TYPE_CHECKING:
    from orchestune.space import Space


@dataclass(frozen=True, kw_only=True)
class MultiFidelity:
    """Asks where most improvement is expected, by what all trials have shown up to wherever they are."""

    n_initial_points: int = 16  # spread over the space before the model is asked
    random_share: float = 0.2  # of the questions, drawn blindly: a guard against a misled model

    name: ClassVar[str] = "multifidelity"
    finite: ClassVar[bool] = False
    waits: ClassVar[bool] = False
    adapts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        at_least(self, "n_initial_points", 1, whole=True)
        share = self.random_share
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ValueError(f"random_share is from 0 to 1, got {share!r}")

    def refuse(self, space: Space) -> list[str]:
        return no_grid(space, "MultiFidelity")

    def build(self, space: Space, **common: Any) -> Searcher:
        refuse_first(self.refuse(space))
        from orchestune.searchers.by_model import ByModel  # not at the top: SciPy, half a second

        return ByModel(space, self, **common)
