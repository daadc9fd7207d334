"""Shapes of layered networks that a space allows: which one is the smallest, and what is larger by one step."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Shape = tuple[int, ...]  # units of each hidden layer, from the inputs to the output


@dataclass(frozen=True, kw_only=True)
class Layers:
    """What the layers of a network may be. In a sound shape none is wider than the one before, and none narrower than
    `least_share` of it."""

    depths: Sequence[int]  # how many layers, ascending
    units: tuple[Sequence[int], ...]  # of each layer, ascending
    least_share: float
    factor: float  # by which a layer is widened at the least, where its range has room for it

    def smallest(self) -> Shape | None:
        """With the fewest layers, each as narrow as those after it allow; None where no shape is sound."""
        return self._filled((), self.depths[0])

    def sound(self, shape: Shape) -> bool:
        return all(self.least_share * before <= here <= before for before, here in pairwise(shape))

    def larger(self, shape: Shape) -> list[Shape]:
        """One step on: deeper, then wider in one layer after another, as far as there is such a shape."""
        steps = [self._deeper(shape), *(self._wider(shape, place) for place in range(len(shape)))]
        return [step for step in steps if step is not None]

    @property
    def most_steps(self) -> int:
        """How often a shape can be enlarged at the most: only widening is counted, and what follows widens for free."""
        return len(self.depths) - 1 + sum(self._widenings(place) for place in range(len(self.units)))

    def _deeper(self, shape: Shape) -> Shape | None:
        """With the next number of layers, the new ones as narrow as may be."""
        more = [depth for depth in self.depths if depth > len(shape)]
        return self._filled(shape, more[0]) if more else None

    def _wider(self, shape: Shape, place: int) -> Shape | None:
        """With more units in one layer, and no more in those after it than that needs."""
        units = self._next(place, shape[place])
        if units is None or (place and units > shape[place - 1]):
            return None
        widened = (*shape[:place], units)
        for after in range(place + 1, len(shape)):
            kept = self._least(after, max(shape[after], self.least_share * widened[-1]), widened[-1])
            if kept is None:
                return None
            widened = (*widened, kept)
        return widened

    def _filled(self, shape: Shape, depth: int) -> Shape | None:
        for place in range(len(shape), depth):
            before = shape[-1] if shape else math.inf
            after = max(units[0] for units in self.units[place:depth])  # what comes later is no wider
            units = self._least(place, max(after, self.least_share * before if shape else 0), before)
            if units is None:
                return None
            shape = (*shape, units)
        return shape

    def _least(self, place: int, low: float, high: float) -> int | None:
        """The fewest units from `low` to `high` that the layer may have."""
        units = self.units[place]
        index = bisect.bisect_left(units, low)
        return units[index] if index < len(units) and units[index] <= high else None

    def _next(self, place: int, units: int) -> int | None:
        """`factor` times as many, or the most there are; None from there on."""
        most = self.units[place][-1]
        return self._least(place, min(units * self.factor, most), most) if units < most else None

    def _widenings(self, place: int) -> int:
        units, count = self._next(place, self.units[place][0]), 0
        while units is not None:
            units, count = self._next(place, units), count + 1
        return count
