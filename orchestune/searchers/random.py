"""Random search: each question drawn afresh from the space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ray import tune
from ray.tune.search.variant_generator import generate_variants

from orchestune.searchers.base import Config, Searcher, no_grid, refuse_first
from orchestune.space import Choice, Float, Int, Normal, Parameter

if TYPE_CHECKING:
    from orchestune.space import Space


@dataclass(frozen=True, kw_only=True)
class Random:
    """Independent draws by the sampler under Ray's BasicVariantGenerator; small spaces see repeats."""

    name: ClassVar[str] = "random"
    finite: ClassVar[bool] = False
    waits: ClassVar[bool] = False
    adapts: ClassVar[bool] = False

    def refuse(self, space: Space) -> list[str]:
        return no_grid(space, "Random")

    def build(self, space: Space, **common: Any) -> Searcher:
        refuse_first(self.refuse(space))
        return RandomSearcher(space, **common)


class RandomSearcher(Searcher):
    """Question n is the first variant that Ray draws from a generator seeded by (seed, n)."""

    def ask(self, n: int) -> Config | str | None:
        spec = {parameter.name: to_ray(parameter) for parameter in self.space.parameters}
        # Ray's samplers draw differently from the newer Generator
        chance = np.random.RandomState([self.seed, n])
        _, drawn = next(generate_variants(spec, random_state=chance))
        return self.space.config({p.name: from_ray(p, drawn[p.name]) for p in self.space.parameters})


def to_ray(parameter: Parameter) -> Any:
    """Ray's domain of the same values; of a choice, the places, since Ray would look into dicts."""
    match parameter:
        case Float(step=None):
            make = tune.loguniform if parameter.log else tune.uniform
            return make(parameter.low, parameter.high)
        case Float():
            make = tune.qloguniform if parameter.log else tune.quniform
            return make(parameter.low, parameter.high, parameter.step)
        case Int(step=1):
            make = tune.lograndint if parameter.log else tune.randint
            return make(parameter.low, parameter.high + 1)  # excluded
        case Int():
            make = tune.qlograndint if parameter.log else tune.qrandint
            return make(parameter.low, parameter.high, parameter.step)  # included
        case Normal(step=None):
            return tune.randn(parameter.mean, parameter.sd)
        case Normal():
            return tune.qrandn(parameter.mean, parameter.sd, parameter.step)
        case Choice():
            return tune.choice(list(range(parameter.count)))
    raise TypeError(f"{type(parameter).__name__} has no counterpart in Ray")


def from_ray(parameter: Parameter, drawn: Any) -> Any:
    """The canonical value of what Ray drew, inside the bounds where its rounding is not."""
    return parameter.at(drawn) if isinstance(parameter, Choice) else parameter.snap(drawn)
