"""What every parameter is: a name, maybe a condition, and the map from its values to the unit interval."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from orchestune.errors import SpaceError
from orchestune.space.condition import Condition
from orchestune.space.plain import form


@dataclass(frozen=True, kw_only=True)
class Parameter(ABC):
    """One dimension of a space. `name` is its path, such as `hidden/0`; both ends of a range are included."""

    name: str
    condition: Condition | None = None
    perturb: bool = False  # whether its value may change in the middle of a training

    @property
    @abstractmethod
    def count(self) -> int | None:
        """How many values it has; None where they cannot be counted."""

    @property
    def discrete(self) -> bool:
        """Whether its values can be told apart by name, so that others may depend on one of them."""
        return self.count is not None

    @abstractmethod
    def to_unit(self, value: Any) -> float:
        """Where `value` lies in [0, 1]: the centre of its cell where values are discrete."""

    @abstractmethod
    def from_unit(self, u: float) -> Any:
        """The value at `u`, one that will really run; what lies outside [0, 1] counts as its end."""

    @abstractmethod
    def snap(self, value: Any) -> Any:
        """The legal value nearest to `value`; SpaceError where nothing is near, as among choices."""

    @abstractmethod
    def accept(self, value: Any) -> Any:
        """`value` as this parameter writes it (0.3 for 0.30000000000000004, 1.0 for 1); SpaceError if not legal."""

    @abstractmethod
    def grid(self, points: int) -> list[Any]:
        """At most `points` different values across a range, both ends included; all values of a choice."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Everything about it, as JSON: equal exactly for equal parameters."""

    def contains(self, value: Any) -> bool:
        """Whether `value` is one that can run, of the right type and on the step."""
        try:
            canonical = self.accept(value)
        except SpaceError:
            return False
        return type(canonical) is type(value) and form(canonical) == form(value)

    def _json(self, kind: str, **fields: Any) -> dict[str, Any]:
        condition = None if self.condition is None else self.condition.to_json()
        marked = {"perturb": True} if self.perturb else {}  # absent otherwise: older journals know no such mark
        return {"name": self.name, "kind": kind, **fields, "condition": condition, **marked}


def clip_unit(u: float) -> float:
    """`u` inside [0, 1]. ValueError on NaN, which is the mistake of a searcher and no place in the space."""
    if math.isnan(u):
        raise ValueError("a coordinate of the unit cube is NaN")
    return min(max(float(u), 0.0), 1.0)
