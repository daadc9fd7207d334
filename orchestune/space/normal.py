"""A bell curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from orchestune.errors import SpaceError
from orchestune.space.lattice import multiple, nearest
from orchestune.space.parameter import Parameter, clip_unit
from orchestune.space.plain import number

TAIL = 2.0**-53  # of the unit interval, cut off at each end: about 8.2 standard deviations


@dataclass(frozen=True, kw_only=True)
class Normal(Parameter):
    """Any real number, drawn normally around `mean` with standard deviation `sd`; `step` keeps its multiples
    only.

    [0, 1] maps to it by the inverse of the cumulative distribution.
    """

    mean: float
    sd: float
    step: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", float(number(self.mean, self.name, "the mean")))
        object.__setattr__(self, "sd", float(number(self.sd, self.name, "the standard deviation")))
        if self.sd <= 0:
            raise SpaceError(
                self.name,
                f"the standard deviation must be above 0, got {self.sd}; write the constant {self.mean}.",
            )
        if self.step is not None:
            object.__setattr__(self, "step", float(number(self.step, self.name, "the step")))
            if self.step <= 0:
                raise SpaceError(self.name, f"the step must be above 0, got {self.step}; write tune.randn without.")

    @property
    def count(self) -> int | None:
        return None

    @property
    def discrete(self) -> bool:
        return self.step is not None

    def to_unit(self, value: Any) -> float:
        return clip_unit(NormalDist(self.mean, self.sd).cdf(self.snap(value)))

    def from_unit(self, u: float) -> float:
        u = min(max(clip_unit(u), TAIL), 1 - TAIL)
        return self.snap(NormalDist(self.mean, self.sd).inv_cdf(u))

    def snap(self, value: Any) -> float:
        value = float(number(value, self.name, "its value"))
        return value if self.step is None else multiple(nearest(value, self.step), self.step)

    def accept(self, value: Any) -> float:
        snapped, given = self.snap(value), float(number(value, self.name, "its value"))
        if not math.isclose(snapped, given, rel_tol=1e-12, abs_tol=1e-12 * (self.step or 0.0)):
            raise SpaceError(self.name, f"{given} is no multiple of {self.step}; nearest: {snapped}.")
        return snapped

    def grid(self, points: int) -> list[float]:
        """Quantiles in the middle of `points` equally likely parts: a bell curve has no ends."""
        return sorted({self.from_unit((i + 0.5) / points) for i in range(points)})

    def to_json(self) -> dict[str, Any]:
        return self._json("normal", mean=self.mean, sd=self.sd, step=self.step)
