"""Points of a space's unit cube, what a model sees of each, and what lies near them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orchestune.space import Choice
from orchestune.surrogate.columns import Columns, Values

if TYPE_CHECKING:
    from orchestune.space import Space

Array = NDArray[np.float64]
FEW = 20  # values; a parameter with more is moved like a real number


class Encoding:
    """Points of the unit cube -> features, many at once. n points, d parameters, f features.

    Two points that run as the same configuration have the same features: those of `Columns.snapped`. `group` says which
    parameter each feature belongs to.
    """

    def __init__(self, space: Space) -> None:
        self.space, self.dimensions = space, space.dimensions
        self.columns = Columns(space)
        kinds = list(self.columns.kinds.values())
        widths = [kind.width for kind in kinds]
        self.group = np.repeat(np.arange(len(kinds)), widths)
        # sqrt(1/2): two different values of a choice then lie at distance 1, like the two ends of a range
        self.unit = np.repeat([np.sqrt(0.5) if isinstance(kind, Values) else 1.0 for kind in kinds], widths)
        self.is_choice = np.array([isinstance(p, Choice) for p in space.parameters], dtype=bool)
        # the width of a cell of the unit interval, where there are few: a smaller step would move nothing
        self.cell = np.array([1 / p.count if p.count and p.count <= FEW else 0.0 for p in space.parameters])

    def point(self, config: Mapping[str, Any]) -> Array:
        """Where a configuration lies, of shape (d,). SpaceError where it is not in the space."""
        return np.array(self.space.to_unit(config))

    def config(self, point: Array) -> dict[str, Any]:
        return self.space.from_unit([float(u) for u in point])

    def features(self, points: Array) -> Array:
        """Of shape (n, f) for `points` of shape (n, d)."""
        return np.asarray(self.columns.snapped(self.columns.spread(points)) * self.unit)

    def neighbours(self, point: Array, n: int, chance: np.random.Generator, step: float | None = None) -> Array:
        """`n` points near one: a few coordinates moved by about `step` (None: from 0.01 to 0.3), choices redrawn."""
        d = self.dimensions
        near = np.repeat(np.asarray(point)[None], n, axis=0)
        if d == 0 or n == 0:
            return near
        moves = chance.random((n, d)) < max(2 / d, 0.3)
        if self.is_choice.any() and not self.is_choice.all():
            moves &= ~self.is_choice | (chance.random((n, d)) < 0.5)
        moves[np.arange(n), chance.integers(0, d, n)] = True
        size = np.exp(chance.uniform(np.log(0.01), np.log(0.3), (n, 1))) if step is None else np.full((n, 1), step)
        moved = np.clip(near + np.maximum(size, self.cell[None]) * chance.normal(size=near.shape), 0.0, 1.0)
        drawn = np.where(self.is_choice, chance.random((n, d)), moved)
        return np.where(moves, drawn, near)
