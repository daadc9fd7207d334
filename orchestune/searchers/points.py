"""Known good configurations, asked before a searcher gets its turn; it learns from them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestune.searchers.base import Config, Searcher
from orchestune.searchers.given import Given
from orchestune.space.plain import form

if TYPE_CHECKING:
    from orchestune.space import Space


class PointsFirst(Searcher):
    """`points` as the first questions; then those of `inner`, which knows the points by the numbers below 0.

    So `inner` asks its own question 0 after the last point, as it would have asked it first.
    """

    def __init__(self, inner: Searcher, points: Sequence[Config]) -> None:
        super().__init__(
            inner.space,
            seed=inner.seed,
            metric=inner.metric,
            mode=inner.mode,
            max_epochs=inner.max_epochs,
            pauses=inner.pauses,
        )
        self.inner, self.points = inner, [copy.deepcopy(point) for point in points]
        self.given = len(self.points)

    def ask(self, n: int) -> Config | str | None:
        if n < len(self.points):
            return copy.deepcopy(self.points[n])
        return self.inner.ask(n - len(self.points))

    def born(self, n: int, config: Config) -> None:
        super().born(n, config)
        self.inner.born(n - len(self.points), config)

    def tell(self, n: int, scores: Mapping[int, float], ended: bool) -> None:
        super().tell(n, scores, ended)
        self.inner.tell(n - len(self.points), scores, ended)


def complete(space: Space, given: Mapping[str, Any], seed: int, place: int) -> Config:
    """The configuration that `given` means; what it leaves open is drawn from (seed, place).

    `given` is written as a configuration looks, `{"hidden": [64, 32]}`, or by full names, `{"hidden/0": 64}`, or
    both. Where it names a parameter that exists only under conditions, these are made to hold. SpaceError on an
    illegal name, with the nearest one; on a value outside the range or off the step, with the nearest one; and
    on values that cannot be had together.
    """
    found = Given(space)
    found.read(given)
    chance = np.random.default_rng([seed, place])
    drawn = {p.name: p.from_unit(u) for p, u in zip(space.parameters, chance.random(space.dimensions), strict=True)}
    for name, allowed in found.parents().items():
        legal = {form(value): value for value in allowed}
        if form(drawn[name]) not in legal:
            drawn[name] = allowed[int(chance.integers(len(allowed)))]
    return space.config(drawn | found.values)
