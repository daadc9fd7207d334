"""The space: all legal configurations, and the way between them, their flat values and the unit cube."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestune.errors import SpaceError, nearest
from orchestune.space.choice import Choice
from orchestune.space.parameter import Parameter
from orchestune.space.plain import form
from orchestune.space.tree import Found, Table, constants


@dataclass(frozen=True)
class Space:
    """Parameters in the order they are written, parents before children, and the shape of a configuration.

    A configuration is nested and plain: dicts, lists, ints, floats, bools, strings and None, without inactive
    parameters. `values` are the same, flat: {name: value}. Two branches of a choice of dicts that could have
    written the same configuration are told apart only in the flat form; reading takes the first.
    """

    parameters: tuple[Parameter, ...]
    root: Table

    @staticmethod
    def parse(mapping: Mapping[str, Any] | Space) -> Space:
        """From Ray Tune's own functions, `when(...)` and constants. SpaceError with the first mistake."""
        from orchestune.space.parse import parse  # imports Ray, which readers of a space need not

        if isinstance(mapping, Space):
            return mapping
        space, errors = parse(mapping)
        if errors:
            raise errors[0]
        return space

    @staticmethod
    def mistakes(mapping: Mapping[str, Any] | Space) -> list[str]:
        """Everything that `parse` would refuse, one sentence each."""
        from orchestune.space.parse import parse

        return [] if isinstance(mapping, Space) else [str(error) for error in parse(mapping)[1]]

    @cached_property
    def _by_name(self) -> dict[str, Parameter]:
        return {parameter.name: parameter for parameter in self.parameters}

    def __getitem__(self, name: str) -> Parameter:
        if name not in self._by_name:
            known = ", ".join(self.names) or "none"
            raise SpaceError(name, f"is not in the space.{nearest(name, self.names)} Known: {known}.")
        return self._by_name[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    @property
    def dimensions(self) -> int:
        """Coordinates of the unit cube, one a parameter, single-valued and conditional ones included."""
        return len(self.parameters)

    @cached_property
    def constants(self) -> dict[str, Any]:
        """Path -> value of what every configuration has in common."""
        return dict(constants(self.root))

    @property
    def top_level_keys(self) -> tuple[str, ...]:
        """What a configuration's own keys may be: a trainable must know each of them."""
        return tuple(key for key, _ in self.root.items)

    @property
    def has_grid(self) -> bool:
        """Whether some parameter is a `tune.grid_search`."""
        return any(isinstance(parameter, Choice) and parameter.grid_search for parameter in self.parameters)

    def active(self, values: Mapping[str, Any]) -> set[str]:
        """The names that exist, given the values of (at least) all of those."""
        return set(self.strip(values))

    def strip(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values` of the active parameters alone, in order. SpaceError where one has no value."""
        left: dict[str, Any] = {}
        for parameter in self.parameters:  # parents first, so that their children see whether they exist
            if parameter.condition is None or parameter.condition.holds(left):
                if parameter.name not in values:
                    raise SpaceError(parameter.name, "has no value.")
                left[parameter.name] = values[parameter.name]
        return left

    def config(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The nested configuration of legal `values`; those of inactive parameters are left out."""
        for name in values:
            self[name]
        config: dict[str, Any] = self.root.build(self.strip(values))
        return config

    def values(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The active values of a configuration, as their parameters write them. SpaceError naming what is wrong."""
        found = Found(self._by_name)
        self.root.read(dict(config), "", found)
        found.check(self._by_name)
        return self.strip(found.values)

    def known(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a configuration that lies in this space, if it was made in a larger one; see `growth`."""
        from orchestune.space.growth import known

        return known(self, config)

    def contains(self, config: Mapping[str, Any]) -> bool:
        """Whether `config` is exactly what would run: legal, canonical, nothing inactive in it."""
        try:
            canonical = self.config(self.values(config))
        except SpaceError:
            return False
        return canonical == config and form(canonical) == form(config)

    def from_unit(self, vector: Sequence[float]) -> dict[str, Any]:
        """The configuration at a point of the unit cube; coordinates of inactive parameters do not matter."""
        pairs = zip(self.parameters, vector, strict=True)
        return self.config({parameter.name: parameter.from_unit(float(u)) for parameter, u in pairs})

    def to_unit(self, config: Mapping[str, Any]) -> list[float]:
        """Where a configuration lies; 0.5 for what it has not."""
        values = self.values(config)
        return [p.to_unit(values[p.name]) if p.name in values else 0.5 for p in self.parameters]

    def to_json(self) -> dict[str, Any]:
        """The whole space, equal exactly for equal spaces: what a run's journal remembers it by."""
        return {"parameters": [p.to_json() for p in self.parameters], "config": self.root.to_json()}
