"""A space as the columns of a matrix, for models that know only numbers.

One column for each range, by the parameter's own map to [0, 1]; one for each value of a choice. A model that
looks through `Columns.snapped` sees what would run: steps at the middle of their cells, the chosen value as 1
and the others as 0, and the same numbers for whatever an inactive parameter was drawn as.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orchestune.space import Choice, Parameter
from orchestune.space.plain import form

if TYPE_CHECKING:
    from orchestune.space import Space

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
FINE = 1024  # cells; with more of them a range is as good as continuous


class Range:
    """The column of a parameter that has an order."""

    neutral = 0.5

    def __init__(self, parameter: Parameter) -> None:
        self.parameter, self.width = parameter, 1
        count = parameter.count
        self.continuous = not parameter.discrete or (count is not None and count > FINE)
        self.centres = self.edges = np.zeros(0)
        if count is not None and not self.continuous:
            self.centres = np.array([parameter.to_unit(value) for value in parameter.grid(count)])
            self.edges = cells(self.centres)

    def spread(self, units: Floats) -> Floats:
        """Places in the unit interval, of shape (n,), as rows of this column."""
        return units[:, None]

    def put(self, value: Any) -> Floats:
        return np.array([self.parameter.to_unit(value)])

    def take(self, block: Floats) -> Any:
        return self.parameter.from_unit(float(block[0]))

    def snap(self, block: Floats) -> Floats:
        if len(self.centres):
            place = np.searchsorted(self.edges, block, side="right") - 1
            snapped: Floats = self.centres[np.clip(place, 0, len(self.centres) - 1)]
            return snapped
        if self.continuous:
            return block
        exact = [self.parameter.to_unit(self.parameter.from_unit(float(u))) for u in block[:, 0]]
        return np.array(exact)[:, None]

    def inside(self, value: Any, u: float) -> float:
        """A place in the cell of `value`, a share `u` of the way through it; its own place where it has no cell."""
        if not len(self.centres):
            return float(self.put(value)[0])
        place = int(np.argmin(np.abs(self.centres - self.put(value)[0])))
        return float(self.edges[place] + u * (self.edges[place + 1] - self.edges[place]))

    def among(self, snapped: Floats, values: tuple[Any, ...]) -> Bools:
        if self.continuous:  # a range of very many whole numbers may still be a parent
            taken = {form(value) for value in values}
            return np.array([form(self.take(row)) in taken for row in snapped], dtype=bool)
        return np.isin(snapped[:, 0], [self.parameter.to_unit(value) for value in values])


class Values:
    """The columns of a choice, one for each different value."""

    continuous = False
    neutral = 0.0

    def __init__(self, parameter: Choice) -> None:
        self.parameter = parameter
        self.values = parameter.grid(len(parameter.values))
        self.places = {form(value): place for place, value in enumerate(self.values)}
        self.width = len(self.values)
        self.drawn = np.array([self.places[text] for text in parameter.forms])  # a value may stand twice in the list

    def spread(self, units: Floats) -> Floats:
        """Places in the unit interval, of shape (n,), as rows of these columns."""
        drawn = np.minimum((units * len(self.drawn)).astype(int), len(self.drawn) - 1)
        rows: Floats = np.eye(self.width)[self.drawn[drawn]]
        return rows

    def put(self, value: Any) -> Floats:
        row: Floats = np.eye(self.width)[self.places[form(value)]]
        return row

    def take(self, block: Floats) -> Any:
        return self.parameter.at(self.parameter.index(self.values[int(np.argmax(block))]))

    def snap(self, block: Floats) -> Floats:
        rows: Floats = np.eye(self.width)[np.argmax(block, axis=1)]
        return rows

    def among(self, snapped: Floats, values: tuple[Any, ...]) -> Bools:
        return np.asarray(snapped[:, [self.places[form(value)] for value in values]].any(axis=1))


class Columns:
    """All parameters of `space` that have more than one value, side by side."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.kinds: dict[str, Range | Values] = {
            p.name: Values(p) if isinstance(p, Choice) else Range(p) for p in space.parameters if p.count != 1
        }
        self.places: dict[str, slice] = {}
        self.width = 0
        for name, kind in self.kinds.items():
            self.places[name] = slice(self.width, self.width + kind.width)
            self.width += kind.width
        self.continuous = any(kind.continuous for kind in self.kinds.values())

    def point(self, values: Mapping[str, Any]) -> Floats:
        """The row of the active `values`."""
        row = np.empty(self.width)
        for name, kind in self.kinds.items():
            row[self.places[name]] = kind.put(values[name]) if name in values else kind.neutral
        return row

    def config(self, row: Floats) -> dict[str, Any]:
        """The configuration that a row stands for; any row stands for one."""
        values = {p.name: p.from_unit(0.5) for p in self.space.parameters if p.name not in self.kinds}
        values |= {name: kind.take(row[self.places[name]]) for name, kind in self.kinds.items()}
        return self.space.config(values)

    def spread(self, points: Floats) -> Floats:
        """Points of the space's unit cube, of shape (n, parameters), as rows."""
        units = np.clip(points, 0.0, 1.0)
        blocks = [
            self.kinds[p.name].spread(units[:, k]) for k, p in enumerate(self.space.parameters) if p.name in self.kinds
        ]
        return np.hstack(blocks) if blocks else np.zeros((len(points), 0))

    def snapped(self, rows: Floats) -> Floats:
        """`rows` as they would run."""
        snapped = np.empty_like(rows)
        active: dict[str, Bools] = {}
        for parameter in self.space.parameters:  # parents first
            name, condition = parameter.name, parameter.condition
            there = np.ones(len(rows), dtype=bool)
            if condition is not None:
                there = active[condition.parent] & self._holds(condition.parent, condition.values, snapped)
            active[name] = there
            if name in self.kinds:
                kind, place = self.kinds[name], self.places[name]
                snapped[:, place] = np.where(there[:, None], kind.snap(rows[:, place]), kind.neutral)
        return snapped

    def _holds(self, parent: str, values: tuple[Any, ...], snapped: Floats) -> Bools:
        if parent in self.kinds:
            return self.kinds[parent].among(snapped[:, self.places[parent]], values)
        only = self.space[parent].from_unit(0.5)
        return np.full(len(snapped), form(only) in {form(value) for value in values})


def cells(centres: Floats) -> Floats:
    """The bounds of the cells around `centres`, one more than those: from 0 on, each as far beyond its centre."""
    edges = [0.0]
    for centre in centres:
        edges.append(2 * centre - edges[-1])
    return np.array(edges)
