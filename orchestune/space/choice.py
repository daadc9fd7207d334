"""One of a list of values."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestune.errors import SpaceError
from orchestune.errors import nearest as nearest_name
from orchestune.space.lattice import Lattice
from orchestune.space.parameter import Parameter
from orchestune.space.plain import form, plain


@dataclass(frozen=True, kw_only=True)
class Choice(Parameter):
    """One of `values`, which are plain and compared by their JSON text: 1, 1.0, True and "1" are four
    choices.

    A value written twice is drawn twice as often. `grid_search` marks one that has to be searched
    exhaustively.
    """

    values: tuple[Any, ...]
    grid_search: bool = False

    def __post_init__(self) -> None:
        if not self.values:
            raise SpaceError(self.name, "has no values to choose from; write at least one, tune.choice(['a']).")
        object.__setattr__(self, "values", tuple(plain(value, self.name) for value in self.values))

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """The JSON text of each value."""
        return tuple(form(value) for value in self.values)

    @property
    def lattice(self) -> Lattice:
        """The places in the list of values."""
        return Lattice(0, len(self.values) - 1)

    @property
    def count(self) -> int:
        return len(self.values)

    def index(self, value: Any) -> int:
        """The first place of `value` in the list."""
        return self.forms.index(form(self.accept(value)))

    def at(self, index: int) -> Any:
        """The value at a place: a copy, for a trial may change the list it is given."""
        return copy.deepcopy(self.values[index])

    def to_unit(self, value: Any) -> float:
        return self.lattice.to_unit(self.index(value))

    def from_unit(self, u: float) -> Any:
        return self.at(self.lattice.from_unit(u))

    def snap(self, value: Any) -> Any:
        return self.accept(value)

    def accept(self, value: Any) -> Any:
        given = plain(value, self.name)
        if form(given) not in self.forms:
            names = [value for value in self.values if isinstance(value, str)]
            hint = nearest_name(given, names) if isinstance(given, str) else ""
            listed = ", ".join(repr(value) for value in self.values)
            raise SpaceError(self.name, f"is never {given!r}.{hint} Choices: {listed}.")
        return given

    def grid(self, points: int) -> list[Any]:
        places = {text: place for place, text in reversed(list(enumerate(self.forms)))}
        return [self.at(place) for place in sorted(places.values())]

    def to_json(self) -> dict[str, Any]:
        return self._json("choice", values=list(self.values), grid_search=self.grid_search)
