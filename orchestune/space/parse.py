"""From what a person writes, in Ray Tune's functions, to the typed space; every mistake is collected.

Read in Ray 2.60 (`ray/tune/search/sample.py`): `randint` and `lograndint` exclude their upper bound;
`qrandint` and `qlograndint` include it where a multiple of q lies there, except for q = 1, where they exclude
it; their values are the multiples of q, not lower + k * q. `quniform` and `qloguniform` include both ends. A
real range excludes its upper end, one point, which ours includes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ray.tune.search import sample

from orchestune.errors import SpaceError
from orchestune.space.choice import Choice
from orchestune.space.condition import Condition, When
from orchestune.space.integer import Int
from orchestune.space.mark import Perturb
from orchestune.space.normal import Normal
from orchestune.space.parameter import Parameter
from orchestune.space.plain import plain, whole
from orchestune.space.real import Float
from orchestune.space.settle import Gated, Raw, settle
from orchestune.space.space import Space
from orchestune.space.tree import Fixed, Fork, Node, Row, Slot, Table, join

KNOWN = (
    "tune.uniform, loguniform, quniform, qloguniform, randint, lograndint, qrandint, qlograndint, randn, qrandn, "
    "choice, grid_search"
)


def parse(mapping: Mapping[str, Any]) -> tuple[Space, list[SpaceError]]:
    """The space and all mistakes in it; it is complete only where there are none."""
    if not isinstance(mapping, Mapping):
        return Space((), Table(())), [SpaceError("", f"a space is a dict of parameters, got {mapping!r}.")]
    if not mapping:
        problem = "the space is empty; write at least one parameter, {'lr': tune.loguniform(1e-4, 1e-1)}."
        return Space((), Table(())), [SpaceError("", problem)]
    walk = _Walk()
    root = walk.table(dict(mapping), "", ())
    if walk.errors:  # conditions are judged on a sound space only, or one mistake would be told as many
        return Space((), Table(())), walk.errors
    parameters, settled = settle(walk.parameters, root, walk.branches, walk.errors)
    return Space(parameters, settled if isinstance(settled, Table) else Table(())), walk.errors


class _Walk:
    """One pass through the nested dicts and lists, which names the parameters and notes what they hang on."""

    def __init__(self) -> None:
        self.parameters: dict[str, tuple[Parameter, tuple[Raw, ...]]] = {}
        self.branches: dict[str, list[Node]] = {}
        self.errors: list[SpaceError] = []

    def table(self, spec: dict[Any, Any], path: str, under: tuple[Raw, ...]) -> Table:
        items = []
        for key, value in spec.items():
            problem = _bad_key(key)
            if problem is not None:
                self.errors.append(SpaceError(join(path, str(key)), problem))
                continue
            try:
                items.append((key, self.node(value, join(path, key), under, gates=True)))
            except SpaceError as error:
                self.errors.append(error)
        return Table(tuple(items))

    def node(self, spec: Any, path: str, under: tuple[Raw, ...], *, gates: bool = False) -> Node:
        if isinstance(spec, When):
            if not gates:
                raise SpaceError(path, "an element of a list or choice cannot be conditional; give it a key of a dict.")
            if not isinstance(spec.parent, str) or not spec.values:
                raise SpaceError(path, f"when() needs a parameter's name and its values, got {spec.parent!r}.")
            if isinstance(spec.then, When):
                raise SpaceError(path, "a when() inside a when(); name one parent, which may itself be conditional.")
            return Gated(spec, self.node(spec.then, path, (*under, spec)))
        if isinstance(spec, Perturb):
            return self.marked(spec, path, under)
        if isinstance(spec, sample.Categorical) or (isinstance(spec, dict) and set(spec) == {"grid_search"}):
            return self.choice(spec, path, under)
        if isinstance(spec, sample.Domain):
            return self.slot(_range(spec, path), under)
        if isinstance(spec, dict):
            if set(spec) == {"eval"}:
                raise SpaceError(path, f"{spec!r} is code that Ray would run; write a tune function or a constant.")
            return self.table(spec, path, under) if spec else Fixed({})
        if isinstance(spec, list | tuple) and _has_ranges(spec):
            nodes = []
            for place, item in enumerate(spec):
                try:
                    nodes.append(self.node(item, join(path, str(place)), under))
                except SpaceError as error:
                    self.errors.append(error)
            return Row(tuple(nodes))
        return Fixed(plain(spec, path))

    def marked(self, spec: Perturb, path: str, under: tuple[Raw, ...]) -> Node:
        if isinstance(spec.range, When):
            raise SpaceError(path, "perturb() is written inside when(): when('parent', value, perturb(range)).")
        node = self.node(spec.range, path, under)
        if isinstance(node, Fork):
            raise SpaceError(path, "chooses which parameters there are, and cannot change; mark the ranges inside it.")
        if not isinstance(node, Slot):
            raise SpaceError(path, f"perturb() needs a range such as tune.uniform(0, 1), got {spec.range!r}.")
        parameter, conditions = self.parameters[node.name]
        self.parameters[node.name] = (dataclasses.replace(parameter, perturb=True), conditions)
        return node

    def choice(self, spec: Any, path: str, under: tuple[Raw, ...]) -> Node:
        """A choice of plain values; or, where ranges lie inside, one of branches named `path[0]`, `path[1]`, ..."""
        grid = isinstance(spec, dict) or spec.is_grid()
        found = spec["grid_search"] if isinstance(spec, dict) else spec.categories
        if isinstance(found, str | Mapping) or not hasattr(found, "__iter__"):
            raise SpaceError(path, f"grid_search needs a list of values, got {found!r}.")
        values = tuple(found)
        if not any(_has_ranges(value) for value in values):
            return self.slot(Choice(name=path, values=values, grid_search=grid), under)
        slot = self.slot(Choice(name=path, values=tuple(range(len(values))), grid_search=grid), under)
        nodes = []
        for number, value in enumerate(values):
            inside = (*under, Condition(path, (number,)))
            nodes.append(self.node(value, f"{path}[{number}]", inside))
        self.branches[path] = nodes
        return Fork(slot.name, tuple(nodes))

    def slot(self, parameter: Parameter, under: tuple[Raw, ...]) -> Slot:
        if parameter.name in self.parameters:
            raise SpaceError(parameter.name, "two parameters have this name; rename the key that ends in ']'.")
        self.parameters[parameter.name] = (parameter, under)
        return Slot(parameter.name)


def _range(domain: Any, name: str) -> Parameter:
    if type(domain) is sample.Function:
        raise SpaceError(
            name,
            "tune.sample_from computes a value that no searcher can see; write tune.choice, a range, or "
            "when('parent', value, range), or compute it in the trainable.",
        )
    sampler, step = domain.get_sampler(), None
    if isinstance(sampler, sample.Quantized):
        sampler, step = sampler.get_sampler(), sampler.q
    log = isinstance(sampler, sample.LogUniform)
    if type(domain) is sample.Float and isinstance(sampler, sample.Normal):
        return Normal(name=name, mean=sampler.mean, sd=sampler.sd, step=step)
    if type(domain) is sample.Float and (log or isinstance(sampler, sample.Uniform)):
        return Float(name=name, low=domain.lower, high=domain.upper, log=log, step=step)
    if type(domain) is sample.Integer and (log or isinstance(sampler, sample.Uniform)):
        q = 1 if step is None else whole(step, name, "the step")
        high = whole(domain.upper, name, "the upper bound") - (1 if q == 1 else 0)
        return Int(name=name, low=domain.lower, high=high, log=log, step=q)
    raise SpaceError(name, f"{type(domain).__name__} is no range that orchestune knows; write one of {KNOWN}.")


def _has_ranges(spec: Any) -> bool:
    """Whether `spec` holds anything to be drawn."""
    if isinstance(spec, sample.Domain | When | Perturb):
        return True
    if isinstance(spec, dict):
        return set(spec) in ({"grid_search"}, {"eval"}) or any(_has_ranges(value) for value in spec.values())
    return isinstance(spec, list | tuple) and any(_has_ranges(value) for value in spec)


def _bad_key(key: Any) -> str | None:
    if type(key) is not str:
        return f"the key {key!r} is not a string; write {str(key)!r}."
    if not key:
        return "an empty key names nothing; write a name."
    if "/" in key:
        outer, inner = key.split("/", 1)
        return f"a slash separates the levels of a name; write {{{outer!r}: {{{inner!r}: ...}}}} or another key."
    if key == "_leg":
        return "the key '_leg' is the engine's own; write another name."
    return None
