"""What a model sees of a configuration: a column a number, one a value of each choice, nothing of what is inactive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orchestune.space import Choice, Parameter
from orchestune.space.lattice import Lattice
from orchestune.space.plain import form

if TYPE_CHECKING:
    from orchestune.space import Space

Array = NDArray[np.float64]
FEW = 20  # values; a parameter with more is moved like a real number


class Encoding:
    """Points of the space's unit cube -> features, many at once. n points, d parameters, f features.

    Two points that run as the same configuration have the same features: numbers are rounded to the value that will
    run, and where a parameter does not exist it is neutral. `group` says which parameter each feature belongs to.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.parameters = space.parameters
        self.dimensions = space.dimensions
        widths = [p.count if isinstance(p, Choice) else 1 for p in self.parameters]
        self.group = np.repeat(np.arange(self.dimensions), widths)
        self.is_choice = np.array([isinstance(p, Choice) for p in self.parameters], dtype=bool)
        # the width of a cell of the unit interval, where there are few: a smaller step would move nothing
        self.cell = np.array([1 / p.count if p.count and p.count <= FEW else 0.0 for p in self.parameters])
        self._lattices = {p.name: lattice(p) for p in self.parameters}

    def point(self, config: Mapping[str, Any]) -> Array:
        """Where a configuration lies, of shape (d,). SpaceError where it is not in the space."""
        return np.array(self.space.to_unit(config))

    def config(self, point: Array) -> dict[str, Any]:
        return self.space.from_unit([float(u) for u in point])

    def features(self, points: Array) -> Array:
        """Of shape (n, f) for `points` of shape (n, d)."""
        columns: list[Array] = []
        active: dict[str, NDArray[np.bool_]] = {}
        cells: dict[str, NDArray[np.int64]] = {}  # of discrete parameters: which value, from 0 on
        for parameter, u in zip(self.parameters, np.clip(points, 0.0, 1.0).T, strict=True):
            here = active[parameter.name] = self._exists(parameter, active, cells, len(points))
            own = self._lattices[parameter.name]
            if own is not None:
                cells[parameter.name] = k = cell_of(own, u)
                u = centre_of(own, k)
            elif parameter.discrete:  # a stepped bell curve
                u = np.array([parameter.to_unit(parameter.from_unit(float(x))) for x in u])
            if isinstance(parameter, Choice):
                k = np.array([parameter.forms.index(text) for text in parameter.forms])[k]  # written twice: one value
                # sqrt(1/2): two different values then lie at distance 1, like the two ends of a range
                columns.append(np.eye(parameter.count)[k] * np.sqrt(0.5) * here[:, None])
            else:
                columns.append(np.where(here, u, 0.5)[:, None])
        return np.hstack(columns) if columns else np.zeros((len(points), 0))

    def _exists(
        self,
        parameter: Parameter,
        active: Mapping[str, NDArray[np.bool_]],
        cells: Mapping[str, NDArray[np.int64]],
        n: int,
    ) -> NDArray[np.bool_]:
        condition = parameter.condition
        if condition is None or condition.parent not in cells:  # a stepped bell curve's values are not counted
            return np.ones(n, dtype=bool)
        wanted = [place(self.space[condition.parent], value) for value in condition.values]
        if isinstance(parent := self.space[condition.parent], Choice):  # a value written twice has two places
            texts = {form(value) for value in condition.values}
            wanted = [k for k, text in enumerate(parent.forms) if text in texts]
        found: NDArray[np.bool_] = active[condition.parent] & np.isin(cells[condition.parent], wanted)
        return found

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


def lattice(parameter: Parameter) -> Lattice | None:
    """A discrete parameter's values as whole numbers; None where they cannot be counted."""
    found = getattr(parameter, "lattice", None)
    return found if isinstance(found, Lattice) else None


def place(parameter: Parameter, value: Any) -> int:
    """Which of a discrete parameter's values, from 0 on."""
    own = lattice(parameter)
    assert own is not None
    return int(cell_of(own, np.array([parameter.to_unit(value)]))[0])


def cell_of(own: Lattice, u: Array) -> NDArray[np.int64]:
    """`Lattice.from_unit` of many, counted from 0."""
    if not own.log:
        k = np.floor(u * own.count)
    else:
        low, high = np.log(own.first), np.log(own.last + 1)
        k = np.floor(np.exp(low + u * (high - low))) - own.first
    return np.clip(k, 0, own.count - 1).astype(np.int64)


def centre_of(own: Lattice, k: NDArray[np.int64]) -> Array:
    """`Lattice.to_unit` of many, counted from 0."""
    if not own.log:
        return np.asarray((k + 0.5) / own.count)
    low, high = np.log(own.first), np.log(own.last + 1)
    first = own.first + k
    return np.asarray(((np.log(first) + np.log(first + 1)) / 2 - low) / (high - low))
