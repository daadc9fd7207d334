"""A range of whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestune.errors import SpaceError
from orchestune.space.lattice import Lattice, inside
from orchestune.space.parameter import Parameter
from orchestune.space.plain import number, whole


@dataclass(frozen=True, kw_only=True)
class Int(Parameter):
    """The multiples of `step` in [low, high], both ends included and snapped inward; `log`: uniform in log space."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        low = whole(self.low, self.name, "the lower bound")
        high = whole(self.high, self.name, "the upper bound")
        step = whole(self.step, self.name, "the step")
        if low > high:
            raise SpaceError(
                self.name,
                f"has no value: its smallest is {low}, its largest {high}; "
                f"write tune.randint({low}, {low + 1}) for {low} alone (the upper bound is "
                "excluded), or a constant.",
            )
        if self.log and low <= 0:
            raise SpaceError(
                self.name,
                f"a logarithmic range needs low > 0, got low={low}; write 1 as its bound, or tune.randint.",
            )
        lattice = inside(low, high, step, log=self.log, name=self.name)
        object.__setattr__(self, "low", lattice.first * step)
        object.__setattr__(self, "high", lattice.last * step)
        object.__setattr__(self, "step", step)

    @cached_property
    def lattice(self) -> Lattice:
        """value / step, for all values."""
        return Lattice(self.low // self.step, self.high // self.step, self.log)

    @property
    def count(self) -> int:
        return self.lattice.count

    def to_unit(self, value: Any) -> float:
        return self.lattice.to_unit(self.snap(value) // self.step)

    def from_unit(self, u: float) -> int:
        return self.lattice.from_unit(u) * self.step

    def snap(self, value: Any) -> int:
        value = number(value, self.name, "its value")
        return self.lattice.clip(round(value / self.step)) * self.step

    def accept(self, value: Any) -> int:
        given = whole(value, self.name, "its value")
        snapped = self.snap(given)
        if snapped != given:
            on_step = f" in steps of {self.step}" if self.step > 1 else ""
            raise SpaceError(self.name, f"{given} is not in {self.low}..{self.high}{on_step}; nearest: {snapped}.")
        return snapped

    def grid(self, points: int) -> list[int]:
        return [k * self.step for k in self.lattice.spread(points)]

    def to_json(self) -> dict[str, Any]:
        return self._json("int", low=self.low, high=self.high, log=self.log, step=self.step)
