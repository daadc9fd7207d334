"""Where each hyperparameter exists, told from the builds in which it was asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_

from orchestune.define_by_run.hyperparameters import Asked
from orchestune.space import Choice, Condition, Parameter
from orchestune.space.plain import form

Trace = Mapping[str, str]  # of one build: name -> value as JSON text, in the order they were asked for
Builds = int  # a set of builds: bit n is the n-th


def conditions(asked: Mapping[str, Asked], traces: Sequence[Trace]) -> dict[str, Condition | None]:
    """Each name's condition: as it was written; else the one that explains the builds; None where it always exists.

    A condition explains them if its parent was asked for before, in all its values, and the name was asked for exactly
    where the parent had some of them. Where no single one does (two parents, an inequality of a continuous one), the
    name is said to exist always: then some configurations have a value that the model does not ask for.
    """
    evidence = _Evidence(asked, traces)
    found: dict[str, Condition | None] = {}
    alike: dict[Builds, Condition | None] = {(1 << len(traces)) - 1: None}
    for name, one in asked.items():
        builds = evidence.builds(name)
        if builds not in alike:
            alike[builds] = one.condition or evidence.explained(name)
        found[name] = alike[builds] if one.condition is None else one.condition
    return found


class _Evidence:
    def __init__(self, asked: Mapping[str, Asked], traces: Sequence[Trace]) -> None:
        self._asked, self._traces = asked, traces
        self._by_value: dict[str, dict[str, Builds]] = defaultdict(lambda: defaultdict(int))
        for n, trace in enumerate(traces):
            for name, value in trace.items():
                self._by_value[name][value] |= 1 << n

    def builds(self, name: str) -> Builds:
        """Those in which it was asked for."""
        return reduce(or_, self._by_value[name].values(), 0)

    def explained(self, name: str) -> Condition | None:
        """The condition nearest before `name` that holds in exactly its builds."""
        builds = self.builds(name)
        present = [trace for n, trace in enumerate(self._traces) if builds >> n & 1]
        if not present:
            return None
        before = list(present[0])
        for parent in reversed(before[: before.index(name)]):
            values = {value for value, there in self._by_value[parent].items() if there & builds}
            held = reduce(or_, (self._by_value[parent][value] for value in values), 0)
            if held == builds and self._all_tried(parent) and all(_is_before(parent, name, trace) for trace in present):
                every = _every(self._asked[parent].parameter)
                return Condition(parent, tuple(value for text, value in every.items() if text in values))
        return None

    def _all_tried(self, parent: str) -> bool:
        parameter, tried = self._asked[parent].parameter, self._by_value[parent]
        if isinstance(parameter, Choice):
            return set(parameter.forms) == set(tried)
        return parameter is not None and parameter.count == len(tried)


def _every(parameter: Parameter | None) -> dict[str, object]:
    """JSON text -> value of all it may be."""
    if parameter is None or parameter.count is None:
        return {}
    return {form(value): value for value in parameter.grid(parameter.count)}


def _is_before(one: str, other: str, trace: Trace) -> bool:
    return next(name for name in trace if name in (one, other)) == one
