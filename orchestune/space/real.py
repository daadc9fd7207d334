"""A real range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestune.errors import SpaceError
from orchestune.space.lattice import Lattice, inside, multiple, nearest
from orchestune.space.parameter import Parameter, clip_unit
from orchestune.space.plain import number


@dataclass(frozen=True, kw_only=True)
class Float(Parameter):
    """Real range [low, high], both ends included; `log` is uniform in log space; `step` keeps its multiples only."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        low = float(number(self.low, self.name, "the lower bound"))
        high = float(number(self.high, self.name, "the upper bound"))
        if low > high or (low == high and self.step is None):
            raise SpaceError(
                self.name,
                f"needs low < high, got low={low}, high={high}; write the smaller one first, or the constant {low}.",
            )
        if not math.isfinite(high - low):
            raise SpaceError(self.name, f"the range {low}..{high} is wider than a float; write narrower bounds.")
        if self.log and low <= 0:
            raise SpaceError(
                self.name,
                f"a logarithmic range needs low > 0, got low={low}; write a small positive bound "
                "such as 1e-6, "
                "or tune.uniform.",
            )
        if self.step is not None:
            step = float(number(self.step, self.name, "the step"))
            object.__setattr__(self, "step", step)
            lattice = inside(low, high, step, log=self.log, name=self.name)
            low, high = multiple(lattice.first, step), multiple(lattice.last, step)
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @cached_property
    def lattice(self) -> Lattice | None:
        """The multiples of the step; None where there is none."""
        if self.step is None:
            return None
        return inside(self.low, self.high, self.step, log=self.log, name=self.name)

    @property
    def count(self) -> int | None:
        return None if self.lattice is None else self.lattice.count

    def to_unit(self, value: Any) -> float:
        value = self.snap(value)
        if self.lattice is not None and self.step is not None:
            return self.lattice.to_unit(nearest(value, self.step))
        low, high = self._scaled(self.low), self._scaled(self.high)
        return clip_unit((self._scaled(value) - low) / (high - low)) if low < high else float(value > self.low)

    def from_unit(self, u: float) -> float:
        if self.lattice is not None and self.step is not None:
            return multiple(self.lattice.from_unit(u), self.step)
        u = clip_unit(u)
        if u in (0.0, 1.0):  # exactly the bounds: exp(log(x)) is not always x
            return self.high if u else self.low
        low, high = self._scaled(self.low), self._scaled(self.high)
        value = low + u * (high - low)
        return min(max(math.exp(value) if self.log else value, self.low), self.high)

    def snap(self, value: Any) -> float:
        given = float(number(value, self.name, "its value"))
        bounded = min(max(given, self.low), self.high)
        if self.lattice is not None and self.step is not None:
            return multiple(self.lattice.clip(nearest(bounded, self.step)), self.step)
        return bounded

    def accept(self, value: Any) -> float:
        snapped, given = self.snap(value), float(number(value, self.name, "its value"))
        step = 0.0 if self.step is None else self.step
        if snapped != given and not math.isclose(snapped, given, rel_tol=1e-12, abs_tol=1e-12 * step):
            on_step = f" in steps of {self.step}" if self.step else ""
            raise SpaceError(self.name, f"{given} is not in {self.low}..{self.high}{on_step}; nearest: {snapped}.")
        return snapped

    def grid(self, points: int) -> list[float]:
        if self.lattice is not None and self.step is not None:
            return [multiple(k, self.step) for k in self.lattice.spread(points)]
        return sorted({self.from_unit(i / (points - 1)) for i in range(points)})

    def to_json(self) -> dict[str, Any]:
        return self._json("float", low=self.low, high=self.high, log=self.log, step=self.step)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value
