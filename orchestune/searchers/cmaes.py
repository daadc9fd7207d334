"""Covariance matrix adaptation (Hansen 2016, arXiv:1604.00772), by optuna's package cmaes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from orchestune.searchers.base import Config, Searcher
from orchestune.space import Choice
from orchestune.surrogate.columns import Columns, Floats, Range

if TYPE_CHECKING:
    from orchestune.space import Space

SPREAD = 0.25  # standard deviation at the start, in the unit cube


class CmaSearcher(Searcher):
    """A normal distribution in the unit cube that moves to where the better half of each generation lies.

    A generation is the next `population` ended trials in the order of their numbers, whoever asked them: nothing
    waits, and the distribution follows from what was told alone. It is replayed from the first generation at each
    question (about 0.1 ms a generation). It starts from the best of the points given beforehand, or the middle; where
    it has shrunk to a point, again from elsewhere.
    """

    def __init__(self, space: Space, population: int | None, **kwargs: Any) -> None:
        super().__init__(space, **kwargs)
        self.columns, self.population = Columns(space), population
        self._points: dict[int, Floats] = {}

    def born(self, n: int, config: Config) -> None:
        super().born(n, config)
        values = self.values_of(config)
        if values is None:
            self._points.pop(n, None)
            return
        # Anywhere in a step's cell: told the middle each time, the distribution would shrink into one cell.
        shares = np.random.default_rng([self.seed, abs(n), int(n < 0)]).random(self.columns.width)
        ranges = [(name, kind) for name, kind in self.columns.kinds.items() if isinstance(kind, Range)]
        inside = [kind.inside(values[name], u) for (name, kind), u in zip(ranges, shares, strict=True)]
        self._points[n] = np.array(inside)

    def ask(self, n: int) -> Config | str | None:
        if not self.columns.width:
            return self.columns.config(np.zeros(0))
        losses = {t: loss for t, loss in self.losses().items() if t in self._points}
        given = [t for t in losses if t < 0]
        start = self._points[min(given, key=lambda t: (losses[t], t))] if given else np.full(self.columns.width, 0.5)
        distribution = self._distribution(start)
        told = sorted((t, loss) for t, loss in losses.items() if t >= 0)
        size, restarts = distribution.population_size, 0
        for first in range(0, len(told) - size + 1, size):
            distribution.tell([(self._points[t], loss) for t, loss in told[first : first + size]])
            if distribution.should_stop():
                restarts += 1
                elsewhere = np.random.default_rng([self.seed, restarts, 2]).random(self.columns.width)
                distribution = self._distribution(elsewhere)
        distribution.reseed_rng(int(np.random.default_rng([self.seed, n]).integers(2**31 - 1)))
        return self.columns.config(distribution.ask())

    def _distribution(self, mean: Floats) -> Any:
        import cmaes  # not at the top: only those who search with it need it

        bounds = np.tile([0.0, 1.0], (len(mean), 1))
        return cmaes.CMA(mean=mean, sigma=SPREAD, bounds=bounds, population_size=self.population, seed=0)


def no_choices(space: Space) -> list[str]:
    """What it says to parameters without an order, and to those that are not always there."""
    kinds = {
        p.name: "a choice, which has no order" if isinstance(p, Choice) else f"there only where {p.condition}"
        for p in space.parameters
        if p.condition is not None or (isinstance(p, Choice) and p.count != 1)
    }
    return [
        f"parameter {name!r}: it is {kind}, and CMA-ES moves in ranges that are always there; "
        "use Optuna(sampler='tpe'), or a constant."
        for name, kind in kinds.items()
    ]
