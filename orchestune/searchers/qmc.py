"""Low-discrepancy sequences: points that fill the unit cube more evenly than random ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestune.searchers.base import Config, Searcher

if TYPE_CHECKING:
    from orchestune.space import Space

SEQUENCES = ("sobol", "halton")


class QmcSearcher(Searcher):
    """Question n is point n of a sequence scrambled by the seed (Owen 1998), mapped by the space."""

    def __init__(self, space: Space, sequence: str, **kwargs: Any) -> None:
        super().__init__(space, **kwargs)
        self.sequence = sequence

    def ask(self, n: int) -> Config | str | None:
        if not self.space.dimensions:
            return self.space.config({})
        from scipy.stats import qmc  # not at the top: only those who search with it need it

        kind = qmc.Sobol if self.sequence == "sobol" else qmc.Halton
        points = kind(self.space.dimensions, scramble=True, rng=self.seed)
        if n:
            points.fast_forward(n)
        return self.space.from_unit(points.random(1)[0].tolist())
