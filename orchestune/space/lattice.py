"""Whole numbers on the unit interval, and the multiples of a decimal step: what all discrete parameters stand on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from orchestune.errors import SpaceError
from orchestune.space.parameter import clip_unit

MOST = 2**40  # values; beyond it the cells of a logarithmic range become as narrow as a float's rounding


@dataclass(frozen=True)
class Lattice:
    """The whole numbers `first`..`last`, each a cell of [0, 1].

    Cells are equally wide; with `log`, k has the width log(k + 1) - log(k), as in Ray's `lograndint`.
    """

    first: int
    last: int
    log: bool = False

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    def to_unit(self, k: int) -> float:
        """The centre of k's cell."""
        if not self.log:
            return (k - self.first + 0.5) / self.count
        low, high = math.log(self.first), math.log(self.last + 1)
        return ((math.log(k) + math.log(k + 1)) / 2 - low) / (high - low)

    def from_unit(self, u: float) -> int:
        u = clip_unit(u)
        if not self.log:
            return min(self.first + math.floor(u * self.count), self.last)
        low, high = math.log(self.first), math.log(self.last + 1)
        return self.clip(math.floor(math.exp(low + u * (high - low))))

    def clip(self, k: int) -> int:
        return min(max(k, self.first), self.last)

    def spread(self, points: int) -> list[int]:
        """All, or `points` of them from end to end (fewer where they coincide)."""
        if self.count <= points:
            return list(range(self.first, self.last + 1))
        shares = [i / (points - 1) for i in range(points)]
        if self.log:
            low, high = math.log(self.first), math.log(self.last)
            found = [round(math.exp(low + share * (high - low))) for share in shares]
        else:
            found = [self.first + round(share * (self.last - self.first)) for share in shares]
        return sorted({self.clip(k) for k in found})


def inside(low: float, high: float, step: float, *, log: bool, name: str) -> Lattice:
    """The indices k of all multiples k * step in [low, high], which are snapped inward. SpaceError if there is none."""
    if step <= 0:
        raise SpaceError(name, f"the step must be above 0, got {step}; without a step write no q.")
    first, last = _index(low, step, ROUND_CEILING), _index(high, step, ROUND_FLOOR)
    if last < first:
        raise SpaceError(
            name,
            f"no multiple of the step {step} lies between {low} and {high}; "
            f"write {multiple(last, step)} or {multiple(first, step)} as a bound, or a smaller step.",
        )
    if last - first >= MOST or max(abs(first), abs(last)) > 2**53:
        raise SpaceError(name, f"{low}..{high} in steps of {step} has too many values; write a larger step or none.")
    return Lattice(first, last, log)


def multiple(k: int, step: float) -> float:
    """k * step as a person writes it: 0.3, not 0.30000000000000004."""
    return float(Decimal(repr(step)) * k)


def nearest(value: float, step: float) -> int:
    """The k whose k * step is nearest to `value`."""
    return int((Decimal(repr(value)) / Decimal(repr(step))).to_integral_value(ROUND_HALF_EVEN))


def _index(bound: float, step: float, rounding: str) -> int:
    ratio = Decimal(repr(bound)) / Decimal(repr(step))
    close = nearest(bound, step)
    # A bound that was itself computed (0.1 + 0.2) counts as the multiple it means, as in Ray's own
    # `quantized`.
    return close if math.isclose(float(ratio), close) else int(ratio.to_integral_value(rounding))
