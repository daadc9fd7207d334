"""Sequential tuning: one parameter at a time, the best value kept for the rest."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from orchestune.errors import nearest
from orchestune.searchers.base import FINISHED, Config, Searcher, no_grid, refuse_first
from orchestune.searchers.settings import at_least
from orchestune.space import Parameter
from orchestune.space.plain import form

if TYPE_CHECKING:
    from orchestune.space import Space


@dataclass(frozen=True, kw_only=True)
class Sequential:
    """Varies one parameter over its grid while the others stay where the best trial so far had them.

    Before there is one, they stay in their middle. The next parameter begins when all trials of the one before have
    ended. A conditional parameter is tuned only where the best so far has it, starting from its middle. No
    configuration is tried twice.
    """

    name: ClassVar[str] = "sequential"
    finite: ClassVar[bool] = True
    waits: ClassVar[bool] = True
    adapts: ClassVar[bool] = True

    order: tuple[str, ...] | None = None  # names, first to last; those left out follow as the space has them
    rounds: int = 1  # of all parameters
    points: int = 5  # of each range, both ends included

    def __post_init__(self) -> None:
        at_least(self, "rounds", 1, whole=True)
        at_least(self, "points", 2, whole=True)
        if self.order is None:
            return
        if isinstance(self.order, str) or not all(isinstance(name, str) for name in self.order):
            raise ValueError(f"order is a list of parameters' names, got {self.order!r}")
        object.__setattr__(self, "order", tuple(self.order))
        if len(set(self.order)) < len(self.order):
            raise ValueError(f"order names each parameter once, got {self.order!r}; for more use rounds")

    def refuse(self, space: Space) -> list[str]:
        known = ", ".join(space.names)
        return no_grid(space, "Sequential") + [
            f"order: no parameter named {name!r}.{nearest(name, space.names)} Known: {known}."
            for name in self.order or ()
            if name not in space.names
        ]

    def build(self, space: Space, **common: Any) -> Searcher:
        refuse_first(self.refuse(space))
        return SequentialSearcher(space, self, **common)

    def count(self, space: Space) -> int:
        """How many questions there are at the most: fewer where a value was met before or does not exist."""
        return max(1, self.rounds * sum(len(parameter.grid(self.points)) for parameter in space.parameters))


class SequentialSearcher(Searcher):
    """Replays its stages, one a parameter and round, for each question.

    What a stage keeps from the ones before is judged by their trials alone, so that it stays the same whatever
    is told later.
    """

    def __init__(self, space: Space, declared: Sequential, **kwargs: Any) -> None:
        super().__init__(space, **kwargs)
        first = [space[name] for name in declared.order or ()]
        ordered = first + [parameter for parameter in space.parameters if parameter not in first]
        self.points, self.stages = declared.points, ordered * declared.rounds

    def ask(self, n: int) -> Config | str | None:
        # points given beforehand have negative numbers, and count as tried
        seen = {form(config) for t, config in self.configs.items() if t < 0}
        if not self._ended(t for t in self.configs if t < 0):
            return None
        if not self.stages:
            return self.space.config({}) if n == 0 and not seen else FINISHED
        first = 0
        for parameter in self.stages:
            if not self._ended(range(first)):
                return None
            questions = [config for config in self._line(parameter, first) if form(config) not in seen]
            if n < first + len(questions):
                return questions[n - first]
            seen |= {form(config) for config in questions}
            first += len(questions)
            seen |= {form(config) for t, config in self.configs.items() if t < first}
        return FINISHED

    def _ended(self, numbers: Any) -> bool:
        return all(t in self.ended for t in numbers)

    def _line(self, parameter: Parameter, first: int) -> Iterator[Config]:
        """The configurations that differ in `parameter` alone from the best before number `first`."""
        base = self._best(first)
        if parameter.name in self.space.active(base):
            for value in parameter.grid(self.points):
                yield self.space.config(base | {parameter.name: value})

    def _best(self, first: int) -> dict[str, Any]:
        """The values of the best trial numbered below `first`, the first of equals; the middle where it has none."""
        before = copy.copy(self)
        before.ended = {t for t in self.ended if t < first}
        best = {parameter.name: parameter.from_unit(0.5) for parameter in self.space.parameters}
        for t, _ in sorted(before.losses().items(), key=lambda told: (told[1], told[0])):
            values = self.values_of(self.configs[t])
            if values is not None:  # or else the next best, which is in the space
                return best | values
        return best
