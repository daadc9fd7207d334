"""A configuration a little changed: what `explore` of population based training does to the marked parameters.

Jaderberg et al. 2017, "Population Based Training of Neural Networks" (arXiv 1711.09846), section 3 and appendix A.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from orchestune.space import Choice, Parameter, Space


def perturbed(
    space: Space, config: dict[str, Any], chance: random.Random, resample: float, factors: Sequence[float]
) -> dict[str, Any]:
    """A legal configuration that differs from `config` in parameters marked with `perturb(...)` alone.

    Each one that exists in it is drawn anew with the probability `resample`; otherwise a number is multiplied by one of
    `factors`, and a choice moves to a neighbor. Nothing that decides whether another parameter exists may be marked.
    """
    values = space.values(config)
    for name, value in values.items():
        parameter = space[name]
        if not parameter.perturb:
            continue
        anew = chance.random() < resample
        values[name] = parameter.from_unit(chance.random()) if anew else moved(parameter, value, chance, factors)
    return space.config(values)


def moved(parameter: Parameter, value: Any, chance: random.Random, factors: Sequence[float]) -> Any:
    """`value` times one of `factors`, inside the bounds and on the step: at least one step away where there is room."""
    if isinstance(parameter, Choice):
        listed = parameter.grid(parameter.count)
        place = next(n for n, other in enumerate(listed) if parameter.index(other) == parameter.index(value))
        neighbors = [n for n in (place - 1, place + 1) if 0 <= n < len(listed)]
        return listed[chance.choice(neighbors)] if neighbors else value
    factor = chance.choice(factors)
    target = parameter.snap(value * factor)
    step = getattr(parameter, "step", None)
    if step is None or target != value:
        return target
    up = (factor > 1) is (value >= 0)
    return parameter.snap(value + step if up else value - step)
