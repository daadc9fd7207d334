"""Growing a network: one layer first, then deeper or wider, as long as that helps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from orchestune.errors import nearest
from orchestune.searchers.base import FINISHED, Config, Searcher, no_grid, refuse_first
from orchestune.searchers.layers import Layers, Shape
from orchestune.searchers.settings import at_least
from orchestune.space import Choice, Int, Parameter
from orchestune.space.plain import form

if TYPE_CHECKING:
    from orchestune.space import Space

SLOT = "{}"  # in `Grow.width`: where the layer's number stands


@dataclass(frozen=True, kw_only=True)
class Grow:
    """Begins with the smallest network of the space and tries each way to enlarge it: one more layer, or one of its
    layers `factor` times as wide. Goes on from the best of these, and ends when none gains `min_gain`.

    No layer is wider than the one before it, nor narrower than `least_share` of that; a new layer is as narrow as this
    allows, and where one is widened those after it follow as far as it asks. All other parameters stay in their
    middle. The best of the points given beforehand is where it begins, if its layers are so. All are to be trained
    equally long: who was stopped before the present network's last epoch has not gained.
    """

    name: ClassVar[str] = "grow"
    finite: ClassVar[bool] = True
    waits: ClassVar[bool] = True
    adapts: ClassVar[bool] = True

    depth: str = "layers"  # the parameter that says how many hidden layers there are
    width: str = "units_{}"  # those that say how many units each has, the first one as units_0
    min_gain: float = 0.001  # in the metric's own units
    least_share: float = 0.5  # of the units of the layer before
    factor: float = 2

    def __post_init__(self) -> None:
        for field, low in (("min_gain", 0), ("least_share", 0), ("factor", 1)):
            at_least(self, field, low)
        if not 0 < self.least_share <= 1:
            raise ValueError(f"least_share is above 0 and at most 1, got {self.least_share!r}")
        if self.factor == 1:
            raise ValueError(f"factor is above 1, got {self.factor!r}: it would widen nothing")
        if not isinstance(self.depth, str):
            raise ValueError(f"depth is a parameter's name, got {self.depth!r}")
        if not isinstance(self.width, str) or self.width.count(SLOT) != 1:
            raise ValueError(f"width is a name with {SLOT} in the place of the layer's number, got {self.width!r}")

    def names(self, depth: int) -> list[str]:
        """Of the widths of so many layers."""
        return [self.width.replace(SLOT, str(place)) for place in range(depth)]

    def refuse(self, space: Space) -> list[str]:
        mistakes = no_grid(space, "Grow") or [*self._mistakes(space)][:1]
        if not mistakes and self.layers(space).smallest() is None:
            mistakes.append(
                f"parameter {self.depth!r}: there is no network of {self.layers(space).depths[0]} layers in which none "
                f"is wider than the one before it nor narrower than {self.least_share} of that; widen the ranges of "
                "their units."
            )
        return mistakes

    def _mistakes(self, space: Space) -> Iterable[str]:
        """Why the space is not one of layers; the later ones only make sense without the earlier."""
        known = f"{{}} Known: {', '.join(space.names) or 'none'}."
        if self.depth not in space.names:
            yield (
                f"depth: no parameter named {self.depth!r}, by which Grow would say how many layers there are."
                + known.format(nearest(self.depth, space.names))
            )
            return
        depths = numbers(space[self.depth])
        if not depths or space[self.depth].condition is not None:
            yield f"parameter {self.depth!r}: Grow adds layers by it, so write whole numbers from 1 on, without `when`."
            return
        for place, name in enumerate(self.names(depths[-1])):
            if name not in space.names:
                yield (
                    f"width: no parameter named {name!r}, by which Grow would say how wide layer {place + 1} is."
                    + known.format(nearest(name, space.names))
                )
            elif not numbers(space[name]):
                yield f"parameter {name!r}: Grow widens a layer by it, so write whole numbers from 1 on."
            elif not all(self._exists(space[name], depth) for depth in depths if depth > place):
                yield (
                    f"parameter {name!r}: exists only where {space[name].condition}, and Grow needs it wherever "
                    f"{self.depth!r} is above {place}."
                )

    def _exists(self, parameter: Parameter, depth: int) -> bool:
        return parameter.condition is None or parameter.condition.holds({self.depth: depth})

    def layers(self, space: Space) -> Layers:
        """The shapes that the space allows, if `refuse` has nothing to say."""
        depths = numbers(space[self.depth])
        units = tuple(numbers(space[name]) for name in self.names(depths[-1]))
        return Layers(depths=depths, units=units, least_share=self.least_share, factor=self.factor)

    def build(self, space: Space, **common: Any) -> Searcher:
        refuse_first(self.refuse(space))
        return GrowSearcher(space, self, **common)

    def count(self, space: Space) -> int:
        """How many questions there are at the most: in each step one more layer, and each of the layers wider."""
        layers = self.layers(space)
        return 1 + (layers.most_steps + 1) * (layers.depths[-1] + 1)


@dataclass(frozen=True)
class Network:
    """One that was tried, and what it came to."""

    values: dict[str, Any]
    epochs: int
    score: float


class GrowSearcher(Searcher):
    """Replays its steps for each question; a step is judged by its own trials, whatever is told later."""

    def __init__(self, space: Space, declared: Grow, **kwargs: Any) -> None:
        super().__init__(space, **kwargs)
        self.declared, self.layers = declared, declared.layers(space)
        self._smallest = self._values_of({}, self.layers.smallest() or ())

    def ask(self, n: int) -> Config | str | None:
        given = [t for t in self.configs if t < 0]  # points given beforehand
        if not self.ended.issuperset(given):
            return None
        seen, first = {form(self.configs[t]) for t in given}, 0
        now = self._best(given)
        steps = self._larger(now) if now else [self._smallest]
        while True:
            questions = [config for config in map(self.space.config, steps) if form(config) not in seen]
            if n < first + len(questions):
                return questions[n - first]
            tried = range(first, first + len(questions))
            if not self.ended.issuperset(tried):
                return None
            best = self._best(tried)
            if now is None:  # where the smallest one has failed, any that trains is better
                now = best or Network(self._smallest, 0, -math.inf)
            elif best is None or not self._gained(now, best):
                return FINISHED
            else:
                now = best
            first += len(questions)
            seen |= {form(config) for config in questions} | {form(self.configs[t]) for t in tried}
            steps = self._larger(now)

    def _gained(self, now: Network, larger: Network) -> bool:
        gain = round(larger.score - now.score, 12) if math.isfinite(now.score) else math.inf
        return larger.epochs >= now.epochs and gain >= self.declared.min_gain

    def _best(self, numbers: Iterable[int]) -> Network | None:
        """Of the trials that trained longest, the one with the best score, the first of equals."""
        found = [network for network in map(self._network, numbers) if network]
        return max(found, key=lambda network: (network.epochs, network.score), default=None)

    def _network(self, n: int) -> Network | None:
        """Trial n, if it is a network that can be enlarged and did not fail."""
        values, scores = self.values_of(self.configs[n]), self.scores.get(n, {})
        healthy = scores and all(map(math.isfinite, scores.values()))
        if values is None or not healthy or not self.layers.sound(self._shape(values)):
            return None
        return Network(values, max(scores), max(scores.values()))

    def _shape(self, values: dict[str, Any]) -> Shape:
        return tuple(values[name] for name in self.declared.names(values[self.declared.depth]))

    def _larger(self, now: Network) -> list[dict[str, Any]]:
        return [self._values_of(now.values, shape) for shape in self.layers.larger(self._shape(now.values))]

    def _values_of(self, values: dict[str, Any], shape: Shape) -> dict[str, Any]:
        """`values` with these layers; what exists only in the larger network is in its middle."""
        middle = {parameter.name: parameter.from_unit(0.5) for parameter in self.space.parameters}
        widths = dict(zip(self.declared.names(len(shape)), shape, strict=True))
        return middle | values | {self.declared.depth: len(shape)} | widths


def numbers(parameter: Parameter) -> Sequence[int]:
    """The values of a parameter of whole numbers from 1 on, ascending; none where it is another."""
    if isinstance(parameter, Int):
        found: Sequence[int] = range(parameter.low, parameter.high + 1, parameter.step)
    elif isinstance(parameter, Choice) and all(type(value) is int for value in parameter.values):
        found = sorted(set(parameter.values))
    else:
        return ()
    return found if found[0] >= 1 else ()
