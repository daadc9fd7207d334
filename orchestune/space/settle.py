"""Conditions, once all parameters are known: checked, turned into their final form, or decided at once.

A condition on a constant is decided here (`--set optimizer=sgd` turns a choice into one): what can never
exist is dropped from the space, what always exists loses its condition.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestune.errors import SpaceError, nearest
from orchestune.space.condition import Condition, When
from orchestune.space.parameter import Parameter
from orchestune.space.plain import form, plain
from orchestune.space.tree import Fixed, Fork, Gate, Node, Row, Slot, Table, constants

Raw = When | Condition  # as written; or a branch's own, which is final from the start
Final = Condition | bool


@dataclass(frozen=True)
class Gated(Gate):
    """A key under a `when(...)` that is not yet settled."""

    condition: Any


def settle(
    parameters: Mapping[str, tuple[Parameter, tuple[Raw, ...]]],
    root: Node,
    branches: Mapping[str, list[Node]],
    errors: list[SpaceError],
) -> tuple[tuple[Parameter, ...], Node]:
    """The parameters with their final conditions, parents first, and the tree of what can exist."""
    work = _Settling(parameters, dict(constants(root)), branches)
    for name in parameters:
        try:
            work.visit(name, ())
        except SpaceError as error:
            if str(error) not in [str(known) for known in errors]:  # each child of a wrong parent meets its mistake
                errors.append(error)
    if errors:
        return (), root
    try:
        return tuple(work.done.values()), work.prune(root, "")
    except SpaceError as error:  # a constant's condition
        errors.append(error)
        return (), root


class _Settling:
    def __init__(
        self,
        parameters: Mapping[str, tuple[Parameter, tuple[Raw, ...]]],
        constants: Mapping[str, Any],
        branches: Mapping[str, list[Node]],
    ) -> None:
        self.parameters, self.constants, self.branches = parameters, constants, branches
        self.done: dict[str, Parameter] = {}
        self.dropped: set[str] = set()

    def visit(self, name: str, children: tuple[str, ...]) -> None:
        """Settle `name` after its parents; `children` are those that wait for it."""
        if name in children:
            circle = " -> ".join((*children[children.index(name) :], name))
            raise SpaceError(name, f"its conditions go in a circle, {circle}; make one of them unconditional.")
        if name in self.done or name in self.dropped:
            return
        parameter, under = self.parameters[name]
        for raw in under:
            if raw.parent in self.parameters:
                self.visit(raw.parent, (*children, name))
        finals = [self.final(raw, name) for raw in under]
        if False in finals:
            self.dropped.add(name)
            return
        condition = self.strictest([final for final in finals if isinstance(final, Condition)], name)
        self.done[name] = dataclasses.replace(parameter, condition=condition)

    def final(self, raw: Raw, name: str) -> Final:
        """`raw` checked against what it names; a bool where that is a constant or never exists."""
        if raw.parent in self.constants:
            constant = form(self.constants[raw.parent])
            return constant in [form(plain(value, name)) for value in raw.values]
        if raw.parent in self.dropped:
            return False
        if raw.parent not in self.parameters:
            known = [other for other in (*self.parameters, *self.constants) if other != name]
            listed = ", ".join(known) or "none"
            raise SpaceError(
                name,
                f"depends on {raw.parent!r}, which is not in the space.{nearest(raw.parent, known)} Known: {listed}.",
            )
        if isinstance(raw, Condition):
            return raw
        parent = self.parameters[raw.parent][0]
        if not parent.discrete:
            raise SpaceError(
                name,
                f"depends on {raw.parent!r}, which is continuous; only a choice, an int or a stepped range has values.",
            )
        return Condition(raw.parent, tuple(self.value(parent, value, name) for value in raw.values))

    def value(self, parent: Parameter, value: Any, name: str) -> Any:
        branches = self.branches.get(parent.name)
        if branches is not None:  # named by what is written there; a branch with ranges holds its own parameters
            for number, branch in enumerate(branches):
                if isinstance(branch, Fixed) and form(branch.value) == form(plain(value, name)):
                    return number
            raise SpaceError(
                name, f"depends on a branch of {parent.name!r}; write it inside that branch's dict instead."
            )
        try:
            return parent.accept(value)
        except SpaceError as error:
            raise SpaceError(name, f"depends on {parent.name!r}, which {error.problem}") from error

    def strictest(self, conditions: list[Condition], name: str) -> Condition | None:
        """The one of `conditions` that implies the others."""
        for candidate in reversed(conditions):
            implied = self.chain(candidate)
            if all(any(inner.implies(outer) for inner in implied) for outer in conditions):
                return candidate
        if not conditions:
            return None
        told = " and ".join(str(condition) for condition in conditions)
        raise SpaceError(
            name,
            f"has two conditions, {told}; make one of these parents conditional on the other, and name that one.",
        )

    def chain(self, condition: Condition) -> list[Condition]:
        parent = self.done[condition.parent].condition
        return [condition] if parent is None else [condition, *self.chain(parent)]

    def prune(self, node: Node, path: str) -> Node:
        if isinstance(node, Table):
            items = []
            for key, inner in node.items:
                left = self.prune(inner, f"{path}/{key}" if path else key)
                if not isinstance(left, _Never):
                    items.append((key, left))
            return Table(tuple(items))
        if isinstance(node, Gated):
            final = self.final(node.condition, path)
            inner = self.prune(node.node, path)
            if final is False or isinstance(inner, _Never):
                return NEVER
            return Gate(final, inner) if isinstance(final, Condition) else inner
        if isinstance(node, Row):
            return Row(tuple(self.prune(inner, f"{path}/{place}") for place, inner in enumerate(node.items)))
        if isinstance(node, Fork):
            return Fork(node.name, tuple(self.prune(b, f"{path}[{n}]") for n, b in enumerate(node.branches)))
        return node


class _Never(Slot):
    """The place of what can never exist."""


NEVER = _Never("")
