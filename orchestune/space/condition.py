"""When a parameter exists: only where another one has a certain value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestune.space.plain import form


@dataclass(frozen=True)
class When:
    """What `when(...)` returns: a line of a space, not yet checked against the parameter it names."""

    parent: str
    values: tuple[Any, ...]
    then: Any


def when(parent: str, value: Any, then: Any) -> When:
    """`then`, only in configurations where the parameter `parent` is `value` (or one of a tuple or list of
    values).

    `parent` is a full name (`"model/optimizer"`) of a discrete parameter, which may itself be conditional:
    where it does not exist, neither does `then`. `then` is a range, a constant, or a dict or list of those.
    """
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return When(parent, values, then)


@dataclass(frozen=True)
class Condition:
    """`parent` exists and is one of `values`, compared by their JSON text."""

    parent: str
    values: tuple[Any, ...]

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Among `values`, which hold active parameters only."""
        return self.parent in values and form(values[self.parent]) in {form(value) for value in self.values}

    def implies(self, other: Condition) -> bool:
        """Whether it asks the same of the same parent, or more."""
        wider = {form(value) for value in other.values}
        return self.parent == other.parent and all(form(value) in wider for value in self.values)

    def to_json(self) -> dict[str, Any]:
        return {"parent": self.parent, "values": list(self.values)}

    def __str__(self) -> str:
        told = " or ".join(repr(value) for value in self.values)
        return f"{self.parent!r} is {told}"
