"""Reading part of a configuration: what values it names, and what these take for granted."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestune.errors import SpaceError, nearest
from orchestune.space.condition import Condition
from orchestune.space.plain import form, plain
from orchestune.space.tree import Fixed, Fork, Gate, Node, Row, Slot, Table, join

if TYPE_CHECKING:
    from orchestune.space import Space


class Given:
    """The `values` named so far, flat, and the `conditions` under which all that was named exists."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.values: dict[str, Any] = {}
        self.conditions: list[tuple[str, Condition]] = []  # path of what exists only so, condition

    def read(self, given: Any) -> None:
        """Add a mapping, nested or by full names. SpaceError naming what is wrong."""
        if not isinstance(given, Mapping):
            raise SpaceError("", f"a point is a dict from names to values, got {given!r}.")
        for key, value in given.items():
            if not isinstance(key, str):
                raise SpaceError(str(key), f"a name is a string, got {key!r}.")
            if key in self.space.names and key not in self.space.top_level_keys:
                self.set(key, value)
            elif "/" in key:
                *above, last = key.split("/")
                inner: dict[str, Any] = {last: value}
                for part in reversed(above):
                    inner = {part: inner}
                self.node(self.space.root, inner, "")
            else:
                self.node(self.space.root, {key: value}, "")

    def set(self, name: str, value: Any) -> None:
        accepted = self.space[name].accept(value)
        if name in self.values and form(self.values[name]) != form(accepted):
            raise SpaceError(name, f"is given twice, as {self.values[name]!r} and as {accepted!r}.")
        self.values[name] = accepted

    def node(self, node: Node, given: Any, path: str) -> None:
        """What `given` says of the part of a configuration at `path`."""
        match node:
            case Fixed():
                if form(plain(given, path)) != form(node.value):
                    raise SpaceError(path, f"is the constant {node.value!r}, got {given!r}.")
            case Slot():
                self.set(node.name, given)
            case Gate():
                self.conditions.append((path, node.condition))
                self.node(node.node, given, path)
            case Table():
                self.table(node, given, path)
            case Row():
                self.row(node, given, path)
            case Fork():
                self.fork(node, given, path)

    def table(self, node: Table, given: Any, path: str) -> None:
        if not isinstance(given, Mapping):
            raise SpaceError(path, f"is a dict, got {given!r}.")
        inner = dict(node.items)
        for key, value in given.items():
            here = join(path, str(key))
            if key not in inner:
                known = self.space.names if not path else tuple(join(path, name) for name in inner)
                near = nearest(here, known)
                raise SpaceError(here, f"is not in the space.{near} Known: {', '.join(known) or 'none'}.")
            self.node(inner[key], value, here)

    def row(self, node: Row, given: Any, path: str) -> None:
        """A list of all elements, or a dict from places to values: what `hidden/0` becomes."""
        if isinstance(given, list | tuple) and len(given) == len(node.items):
            given = {str(place): value for place, value in enumerate(given)}
        if not isinstance(given, Mapping):
            raise SpaceError(path, f"is a list of {len(node.items)}, got {given!r}.")
        inner = {str(place): item for place, item in enumerate(node.items)}
        for key, value in given.items():
            if str(key) not in inner:
                raise SpaceError(join(path, str(key)), f"is not in the space: {path!r} has {len(inner)} elements.")
            self.node(inner[str(key)], value, join(path, str(key)))

    def fork(self, node: Fork, given: Any, path: str) -> None:
        """The first branch that `given` fits; or the branch of that number, as full names have it."""
        wrong: list[str] = []
        for number, branch in enumerate(node.branches):
            here = copy.copy(self)
            here.values, here.conditions = dict(self.values), list(self.conditions)
            try:
                here.set(node.name, number)
                here.node(branch, given, f"{path}[{number}]")
                here.parents()
            except SpaceError as error:
                wrong.append(error.problem)
                continue
            self.values, self.conditions = here.values, here.conditions
            return
        if type(given) is int and 0 <= given < len(node.branches):
            return self.set(node.name, given)
        raise SpaceError(path, f"{given!r} fits none of its branches: {' '.join(wrong)}")

    def parents(self) -> dict[str, list[Any]]:
        """Parameter that was left open -> the values that it may have so that all that was named exists.

        SpaceError where there is none, or where it was given another value.
        """
        wanted: dict[str, list[tuple[str, Condition]]] = {}
        for path, condition in self.conditions:
            wanted.setdefault(condition.parent, []).append((path, condition))
        allowed: dict[str, list[Any]] = {}
        for parameter in reversed(self.space.parameters):  # children first: they say what their parents may be
            name = parameter.name
            conditions = wanted.get(name, [])
            if name in self.values:
                values = [self.values[name]]
            elif conditions:
                values = [parameter.accept(value) for value in conditions[0][1].values]
            else:
                continue
            for path, condition in conditions:
                left = [value for value in values if condition.holds({name: value})]
                if not left:
                    told = " or ".join(repr(value) for value in values)
                    raise SpaceError(path, f"exists only where {condition}, and {name!r} is to be {told}.")
                values = left
            if name not in self.values:
                allowed[name] = values
            if parameter.condition is not None:
                wanted.setdefault(parameter.condition.parent, []).append((name, parameter.condition))
        return allowed
