"""A space that grows: a parameter that nobody knew of before a trial asked for it, and where its value is put."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from typing import Any

from orchestune.errors import SpaceError
from orchestune.space.choice import Choice
from orchestune.space.condition import Condition
from orchestune.space.integer import Int
from orchestune.space.normal import Normal
from orchestune.space.parameter import Parameter
from orchestune.space.real import Float
from orchestune.space.space import Space
from orchestune.space.tree import Found, Gate, Node, Slot, Table

KINDS: dict[str, type[Parameter]] = {"int": Int, "float": Float, "choice": Choice, "normal": Normal}
ABSENT: Any = object()  # where a configuration has nothing of a name


def drawn(parameter: Parameter, seed: int) -> Any:
    """The value of a parameter that no searcher was asked for, in the trial with this seed: always the same one."""
    return parameter.from_unit(random.Random(f"{seed}-{parameter.name}").random())


def looked_up(config: Mapping[str, Any], name: str) -> Any:
    """What lies in the nested `config` under a name such as `encoder/units`; ABSENT where nothing does."""
    found: Any = config
    for key in name.split("/"):
        if not isinstance(found, Mapping) or key not in found:
            return ABSENT
        found = found[key]
    return found


def placed(config: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """A configuration with `value` under `name`; `config` stays as it is. SpaceError where a value is in the way."""
    key, _, rest = name.partition("/")
    if not rest:
        return {**config, key: value}
    inner = config.get(key, {})
    if not isinstance(inner, Mapping):
        raise SpaceError(name, f"{key!r} is a parameter itself and cannot hold others; rename one of the two.")
    return {**config, key: placed(inner, rest, value)}


def parameter_of(form: Mapping[str, Any]) -> Parameter:
    """The parameter whose `to_json` this is."""
    fields: dict[str, Any] = {name: value for name, value in form.items() if name != "kind"}
    if "values" in fields:
        fields["values"] = tuple(fields["values"])
    if condition := fields["condition"]:
        fields["condition"] = Condition(condition["parent"], tuple(condition["values"]))
    return KINDS[form["kind"]](**fields)


def grown(space: Space, parameter: Parameter) -> Space:
    """The space with `parameter`. One that it has, and that was met where it should not exist, now exists always."""
    if parameter.name in space.names:
        always = tuple(
            dataclasses.replace(known, condition=None) if known.name == parameter.name else known
            for known in space.parameters
        )
        return Space(always, _ungated(space.root, parameter.name))
    condition = parameter.condition
    if condition is not None and condition.parent not in space.names:
        condition = None
    node: Node = Slot(parameter.name) if condition is None else Gate(condition, Slot(parameter.name))
    added = dataclasses.replace(parameter, condition=condition)
    return Space((*space.parameters, added), _with(space.root, parameter.name, parameter.name, node))


def known(space: Space, config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `config` that lies in `space`: without names that a trial met beyond it."""
    left: dict[str, Any] = _trimmed(space.root, config)
    found = Found({parameter.name: parameter for parameter in space.parameters})
    space.root.read(left, "", found)
    for path, condition, there in found.gates:
        if there and not condition.holds(found.values):
            found.values.pop(path, None)
            left = _without(left, path)
    return left


def _trimmed(node: Node, config: Any) -> Any:
    if isinstance(node, Gate):
        return _trimmed(node.node, config)
    if isinstance(node, Table) and isinstance(config, Mapping):
        return {key: _trimmed(inner, config[key]) for key, inner in node.items if key in config}
    return config


def _without(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    key, _, rest = name.partition("/")
    if not rest:
        return {other: value for other, value in config.items() if other != key}
    return {**config, key: _without(config[key], rest)}


def _ungated(root: Table, name: str) -> Table:
    def always(node: Node) -> Node:
        if isinstance(node, Gate) and node.node == Slot(name):
            return node.node
        return Table(tuple((key, always(inner)) for key, inner in node.items)) if isinstance(node, Table) else node

    return Table(tuple((key, always(node)) for key, node in root.items))


def _with(table: Table, path: str, name: str, node: Node) -> Table:
    key, _, rest = path.partition("/")
    items = dict(table.items)
    inner = items.get(key, Table(()) if rest else None)
    if not rest and inner is None:
        return Table((*table.items, (key, node)))
    if not isinstance(inner, Table) or not rest:
        raise SpaceError(name, f"{key!r} is in the space already, as something else; rename one of the two.")
    items[key] = _with(inner, rest, name, node)
    return Table(tuple(items.items()))
