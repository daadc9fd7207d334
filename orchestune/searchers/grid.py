"""Grid search: every combination, once."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ray.tune.search.variant_generator import generate_variants, grid_search

from orchestune.searchers.base import FINISHED, Config, Searcher
from orchestune.space.plain import form

if TYPE_CHECKING:
    from orchestune.space import Space


@dataclass(frozen=True, kw_only=True)
class Grid:
    """All values of choices and of `tune.grid_search`, and `points` of each range, both ends included.

    Ranges are cut evenly (evenly in log space where they are logarithmic); one with no more than `points`
    values gives all. In Ray's order: the alphabetically first parameter changes fastest.
    """

    name: ClassVar[str] = "grid"
    finite: ClassVar[bool] = True
    waits: ClassVar[bool] = False
    adapts: ClassVar[bool] = False

    points: int = 5

    def __post_init__(self) -> None:
        if isinstance(self.points, bool) or not isinstance(self.points, int) or self.points < 2:
            raise ValueError(f"points is a whole number from 2 on, for both ends of a range, got {self.points!r}")

    def refuse(self, space: Space) -> list[str]:
        return []

    def build(self, space: Space, **common: Any) -> Searcher:
        return GridSearcher(space, self.points, **common)

    def count(self, space: Space) -> int:
        """How many questions there are; with conditions, which make some coincide, by walking through all."""
        if any(parameter.condition is not None for parameter in space.parameters):
            return sum(1 for _ in combinations(space, self.points))
        return math.prod(len(parameter.grid(self.points)) for parameter in space.parameters)


class GridSearcher(Searcher):
    """Walks through the combinations as far as it is asked; past those that were given as points beforehand."""

    def __init__(self, space: Space, points: int, **kwargs: Any) -> None:
        super().__init__(space, **kwargs)
        self.points = points
        self._given: set[str] = set()
        self._seen: list[Config] = []
        self._rest: Iterator[Config] | None = None

    def born(self, n: int, config: Config) -> None:
        super().born(n, config)
        if n < 0 and form(config) not in self._given:
            self._given.add(form(config))
            self._seen, self._rest = [], None

    def ask(self, n: int) -> Config | str | None:
        if self._rest is None:
            walk = combinations(self.space, self.points)
            self._rest = (config for config in walk if form(config) not in self._given)
        while len(self._seen) <= n:
            config = next(self._rest, None)
            if config is None:
                return FINISHED
            self._seen.append(config)
        return copy.deepcopy(self._seen[n])  # a trial may change what it is given

    def __getstate__(self) -> dict[str, Any]:
        # Ray copies searchers by pickle, which a half-walked iterator does not survive; it is walked again.
        return {**self.__dict__, "_seen": [], "_rest": None}


def combinations(space: Space, points: int) -> Iterator[Config]:
    """Every configuration of the grid once, lazily, without inactive parameters."""
    grids = {parameter.name: parameter.grid(points) for parameter in space.parameters}
    # By index: Ray would look for further ranges inside values that are dicts.
    spec = {name: grid_search(list(range(len(values)))) for name, values in grids.items()}
    seen: set[str] = set()
    for _, places in generate_variants(spec):
        config = space.config({name: grids[name][place] for name, place in places.items()})
        text = form(config)
        if text not in seen:
            seen.add(text)
            yield config
