"""From the arguments that `hp.Int` and its like take, which are KerasTuner's, to typed parameters of the same values.

KerasTuner steps from the lower bound, ours are the step's multiples: where the two differ the values are written out,
as a choice. So are those of a logarithmic range with a step, which multiplies.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from orchestune.errors import SpaceError, nearest
from orchestune.space import Choice, Float, Int, Parameter
from orchestune.space.lattice import multiple
from orchestune.space.lattice import nearest as nearest_index
from orchestune.space.plain import number, whole

MOST = 1000  # values that are written out one by one


def integer(name: str, min_value: Any, max_value: Any, step: Any, sampling: Any) -> Parameter:
    """`hp.Int`'s values, both ends included."""
    low, high = whole(min_value, name, "min_value"), whole(max_value, name, "max_value")
    log = _is_log(name, sampling)
    _check(name, low, high, log)
    if step is None:
        return Int(name=name, low=low, high=high, log=log)
    if log:
        values = [int(value) for value in _multiplied(name, low, high, step)]
        return Choice(name=name, values=tuple(dict.fromkeys(values)))
    step = _above_0(name, whole(step, name, "the step"))
    if low % step == 0:
        return Int(name=name, low=low, high=high, step=step)
    return Choice(name=name, values=_few(name, tuple(range(low, high + 1, step)), low, step))


def real(name: str, min_value: Any, max_value: Any, step: Any, sampling: Any) -> Parameter:
    """`hp.Float`'s values, both ends included; with a linear step the upper one where it lies on a step."""
    low, high = float(number(min_value, name, "min_value")), float(number(max_value, name, "max_value"))
    log = _is_log(name, sampling)
    _check(name, low, high, log)
    if low == high:
        return Choice(name=name, values=(low,))
    if step is None:
        return Float(name=name, low=low, high=high, log=log)
    if log:
        return Choice(name=name, values=_multiplied(name, low, high, step))
    step = float(_above_0(name, number(step, name, "the step")))
    if math.isclose(multiple(nearest_index(low, step), step), low, rel_tol=1e-9, abs_tol=1e-9 * step):
        return Float(name=name, low=low, high=high, step=step)
    count = _steps(low, high, step)
    first, by = Decimal(repr(low)), Decimal(repr(step))
    values = tuple(float(first + by * k) for k in range(min(count, MOST) + 1))
    return Choice(name=name, values=_few(name, values, low, step))


def _is_log(name: str, sampling: Any) -> bool:
    word = "linear" if sampling is None else str(sampling).lower()
    if word == "reverse_log":
        raise SpaceError(
            name,
            "sampling 'reverse_log' has no counterpart; search the distance from the top, with sampling='log', and "
            "write min_value + max_value - that.",
        )
    if word not in ("linear", "log"):
        raise SpaceError(
            name, f"no sampling is called {sampling!r}.{nearest(word, ('linear', 'log'))} Known: linear, log."
        )
    return word == "log"


def _check(name: str, low: float, high: float, log: bool) -> None:
    if low > high:
        raise SpaceError(name, f"needs min_value <= max_value, got {low} and {high}; write the smaller one first.")
    if log and low <= 0:
        raise SpaceError(name, f"sampling 'log' needs min_value > 0, got {low}; write a small positive bound.")


def _above_0(name: str, step: Any) -> Any:
    if step <= 0:
        raise SpaceError(name, f"the step must be above 0, got {step}; without a step leave it out.")
    return step


def _multiplied(name: str, low: float, high: float, step: Any) -> tuple[float, ...]:
    """low, low * step, low * step**2, ... up to high: what KerasTuner means by a step where the sampling is 'log'."""
    factor = number(step, name, "the step")
    if factor <= 1:
        raise SpaceError(name, f"with sampling 'log' the step is a factor above 1, got {factor}.")
    last = int(math.log(high / low, factor) + 1e-8)  # KerasTuner's own tolerance
    if last >= MOST:
        raise SpaceError(name, f"{low}..{high} by factors of {factor} has more than {MOST} values; write no step.")
    return tuple(low * factor**k for k in range(last + 1))


def _steps(low: float, high: float, step: float) -> int:
    """How many whole steps lie between the ends; an end that was itself computed counts as the one it means."""
    return int((high - low) / step + 1e-9)


def _few(name: str, values: tuple[Any, ...], low: float, step: float) -> tuple[Any, ...]:
    if len(values) > MOST:
        raise SpaceError(
            name,
            f"more than {MOST} steps of {step} from {low}, which is no multiple of it; write a min_value that is one.",
        )
    return values
