"""The shape of a configuration: where constants, parameters, conditions and alternatives sit in the nested
dicts.

Each node can `build` its part of a configuration from the active values, and `read` the values back from one.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestune.errors import SpaceError, nearest
from orchestune.space.condition import Condition
from orchestune.space.parameter import Parameter
from orchestune.space.plain import form, plain


@dataclass
class Found:
    """What reading a configuration yields, before the conditions are checked against it."""

    parameters: Mapping[str, Parameter]
    values: dict[str, Any] = field(default_factory=dict)
    gates: list[tuple[str, Condition, bool]] = field(default_factory=list)  # path, condition, key was there

    def check(self, known: Collection[str]) -> None:
        """SpaceError where a key is there and should not be, or the reverse, by the `known` parents."""
        for path, condition, there in self.gates:
            if condition.parent in known and condition.holds(self.values) is not there:
                verb = "exists only" if there else "is missing: it exists"
                raise SpaceError(path, f"{verb} where {condition}.")


class Node(ABC):
    @abstractmethod
    def build(self, values: Mapping[str, Any]) -> Any:
        """This part of the configuration; `values` holds the active parameters."""

    @abstractmethod
    def read(self, config: Any, path: str, found: Found) -> None:
        """Add to `found` what `config` says; SpaceError where it has another shape."""

    @abstractmethod
    def to_json(self) -> Any: ...

    def there(self, values: Mapping[str, Any]) -> bool:
        return True


@dataclass(frozen=True)
class Fixed(Node):
    """A constant."""

    value: Any

    def build(self, values: Mapping[str, Any]) -> Any:
        return copy.deepcopy(self.value)

    def read(self, config: Any, path: str, found: Found) -> None:
        if form(plain(config, path)) != form(self.value):
            raise SpaceError(path, f"is the constant {self.value!r}, got {config!r}.")

    def to_json(self) -> Any:
        return {"constant": self.value}


@dataclass(frozen=True)
class Slot(Node):
    """A parameter's place."""

    name: str

    def build(self, values: Mapping[str, Any]) -> Any:
        return copy.deepcopy(values[self.name])

    def read(self, config: Any, path: str, found: Found) -> None:
        found.values[self.name] = found.parameters[self.name].accept(config)

    def to_json(self) -> Any:
        return {"parameter": self.name}


@dataclass(frozen=True)
class Table(Node):
    """A dict."""

    items: tuple[tuple[str, Node], ...]

    def build(self, values: Mapping[str, Any]) -> Any:
        return {key: node.build(values) for key, node in self.items if node.there(values)}

    def read(self, config: Any, path: str, found: Found) -> None:
        if not isinstance(config, dict):
            raise SpaceError(path, f"is a dict, got {config!r}.")
        known = [key for key, _ in self.items]
        for key in config:
            if key not in known:
                inner = join(path, str(key))
                raise SpaceError(inner, f"is not in the space.{nearest(str(key), known)} Known: {', '.join(known)}.")
        for key, node in self.items:
            inner = join(path, key)
            if isinstance(node, Gate):
                found.gates.append((inner, node.condition, key in config))
            elif key not in config:
                raise SpaceError(inner, "is missing in the configuration.")
            if key in config:
                node.read(config[key], inner, found)

    def to_json(self) -> Any:
        return {"dict": [[key, node.to_json()] for key, node in self.items]}


@dataclass(frozen=True)
class Row(Node):
    """A list."""

    items: tuple[Node, ...]

    def build(self, values: Mapping[str, Any]) -> Any:
        return [node.build(values) for node in self.items]

    def read(self, config: Any, path: str, found: Found) -> None:
        if not isinstance(config, list | tuple) or len(config) != len(self.items):
            raise SpaceError(path, f"is a list of {len(self.items)}, got {config!r}.")
        for place, (item, node) in enumerate(zip(config, self.items, strict=True)):
            node.read(item, join(path, str(place)), found)

    def to_json(self) -> Any:
        return {"list": [node.to_json() for node in self.items]}


@dataclass(frozen=True)
class Fork(Node):
    """One of several branches, by the parameter `name` that holds a branch's number."""

    name: str
    branches: tuple[Node, ...]

    def build(self, values: Mapping[str, Any]) -> Any:
        return self.branches[values[self.name]].build(values)

    def read(self, config: Any, path: str, found: Found) -> None:
        wrong: list[str] = []
        for number, branch in enumerate(self.branches):
            here = Found(found.parameters, dict(found.values), list(found.gates))
            try:
                branch.read(config, f"{path}[{number}]", here)
                here.check(here.values.keys())
            except SpaceError as error:
                wrong.append(error.problem)
                continue
            found.values, found.gates = {**here.values, self.name: number}, here.gates
            return
        raise SpaceError(path, f"{config!r} fits none of its branches: {' '.join(wrong)}")

    def to_json(self) -> Any:
        return {"branches": [node.to_json() for node in self.branches], "parameter": self.name}


@dataclass(frozen=True)
class Gate(Node):
    """A dict's key that is there only where `condition` holds."""

    condition: Condition
    node: Node

    def build(self, values: Mapping[str, Any]) -> Any:
        return self.node.build(values)

    def there(self, values: Mapping[str, Any]) -> bool:
        return self.condition.holds(values) and self.node.there(values)

    def read(self, config: Any, path: str, found: Found) -> None:
        self.node.read(config, path, found)

    def to_json(self) -> Any:
        return {"when": self.condition.to_json(), "then": self.node.to_json()}


def join(path: str, key: str) -> str:
    """The name of what lies under `key` of `path`."""
    return f"{path}/{key}" if path else key


def constants(node: Node, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of each constant that every configuration has."""
    if isinstance(node, Fixed):
        yield path, node.value
    elif isinstance(node, Table):
        for key, inner in node.items:
            yield from constants(inner, join(path, key))
    elif isinstance(node, Row):
        for place, inner in enumerate(node.items):
            yield from constants(inner, join(path, str(place)))
