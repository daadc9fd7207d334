"""Finds the space that a `build_model(hp)` asks for, by calling it on torch's `meta` device, where nothing is computed.

First with every default. Then each choice, truth value and whole number that turned up is given each of its values,
the others as they were in the build in which it turned up, so that what a model asks for in a loop or behind an `if` is
met, however deep; last, choices are varied two at a time. A whole number of more than 32 values is tried at its ends
alone, and then nothing is said to depend on it; a real number keeps its default.
"""

from __future__ import annotations

import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from orchestune.define_by_run.conditions import conditions
from orchestune.define_by_run.hyperparameters import Asked, HyperParameters
from orchestune.errors import SpaceError
from orchestune.space import Choice, Float, Int, Parameter, Space, when
from orchestune.space.growth import placed
from orchestune.space.plain import form

MOST_BUILDS = 1000
MOST_VALUES = 32  # of a range that is tried value by value
MOST_PAIRED = 8  # values of a choice that is also varied together with others

BuildModel = Callable[[HyperParameters], Any]
Overrides = dict[str, Any]  # name -> value; every other one has its default


def discover(build_model: BuildModel) -> Space:
    """The space of all that `build_model(hp)` may ask for, each with the condition under which it asks.

    SpaceError where it raises, with the values it was called with, and for what no space can hold. Warns where it has
    not met everything in 1,000 builds.
    """
    return Space.parse(lines(build_model))


def lines(build_model: BuildModel) -> dict[str, Any]:
    """The same as a person would write it, to be added to: `{**lines(build_model), "batch_size": 32}`."""
    import torch  # here: an experiment is also imported to be listed

    from orchestune.training.randomness import preserved

    builds = _Builds(build_model)
    with preserved(torch.device("cpu")), torch.device("meta"):  # the streams are put back where tensors have values
        builds.explore()
    found: dict[str, Any] = {}
    for name, condition in conditions(builds.asked, builds.traces).items():
        asked = builds.asked[name]
        line = asked.default if asked.parameter is None else _domain(asked.parameter)
        found = placed(found, name, line if condition is None else when(condition.parent, condition.values, line))
    return found


def space_of(written: Any) -> Space:
    """The typed space of what an experiment gives: a mapping, a space, or a `build_model`."""
    return _discovered(written) if is_build_model(written) else Space.parse(written)


def is_build_model(written: Any) -> bool:
    return callable(written) and not isinstance(written, type | Mapping | Space)


@lru_cache(maxsize=16)
def _discovered(build_model: BuildModel) -> Space:
    """Once a process: an experiment with other settings is another one, of the same function."""
    return discover(build_model)


class _Builds:
    """The builds so far, and those that are to come."""

    def __init__(self, build_model: BuildModel) -> None:
        self._build_model = build_model
        self.asked: dict[str, Asked] = {}
        self.traces: list[dict[str, str]] = []  # of each build: name -> value as JSON text, in the order asked for
        self._due: deque[Overrides] = deque([{}])
        self._met: dict[str, Overrides] = {}  # name -> what led to it
        self._forced: set[str] = set()  # inactive so far, and a build is due in which they are not
        self._tried: set[str] = set()

    def explore(self) -> None:
        """Until nothing new is met. Warns where that takes too many builds."""
        self._exhaust()
        paired: set[tuple[str, str]] = set()
        while pair := next((pair for pair in self._pairs() if pair not in paired), None):
            paired.add(pair)
            self._vary_both(*pair)
            self._exhaust()
            if len(self.traces) >= MOST_BUILDS:
                break  # each alone was tried: it is found what can be

    def _exhaust(self) -> None:
        while self._due and len(self.traces) < MOST_BUILDS:
            self._build(self._due.popleft())
        if self._due:
            warnings.warn(
                f"{_name(self._build_model)} was built {MOST_BUILDS} times and there were still values to try: what "
                "was not met by then is drawn at random in the trials that meet it. Fewer values, or "
                "hp.conditional_scope, spare builds.",
                stacklevel=2,
            )
            self._due.clear()

    def _pairs(self) -> Iterator[tuple[str, str]]:
        gates = [name for name in self._met if _is_gate(self.asked[name].parameter)]
        for place, later in enumerate(gates):
            yield from ((earlier, later) for earlier in gates[:place])

    def _vary_both(self, earlier: str, later: str) -> None:
        """Each with every value that is not its default; a combination that cannot be built leads to nothing new."""
        if earlier in self._met[later]:
            return  # it was varied to meet the later one at all
        for one in _others(self.asked[earlier]):
            for other in _others(self.asked[later]):
                if len(self.traces) < MOST_BUILDS:
                    self._build({**self._met[later], earlier: one, later: other}, may_fail=True)

    def _build(self, overrides: Overrides, *, may_fail: bool = False) -> None:
        if (text := form(overrides)) in self._tried:
            return
        self._tried.add(text)
        config: dict[str, Any] = {}
        for name, value in overrides.items():
            config = placed(config, name, value)
        hp = HyperParameters(config)
        try:
            self._build_model(hp)
        except SpaceError:
            raise
        except Exception as problem:
            if may_fail:
                return
            raise SpaceError("", _told(self._build_model, hp, problem)) from problem
        self.traces.append({name: form(value) for name, value in hp.values.items()})
        for name, asked in hp.asked.items():
            self._take(name, asked, overrides, active=name in hp)

    def _take(self, name: str, asked: Asked, overrides: Overrides, *, active: bool) -> None:
        self.asked[name] = self.asked[name].again(asked) if name in self.asked else asked
        if name in self._met:
            return
        if active:
            self._met[name] = overrides
            self._due.extend({**overrides, name: value} for value in _values(asked))
        elif name not in self._forced and asked.places[0]:  # its parents may have too many values to try each
            self._forced.add(name)
            self._due.append({**overrides, **{c.parent: c.values[0] for c in asked.places[0]}})


def _values(asked: Asked) -> list[Any]:
    """Those that are tried one by one."""
    parameter = asked.parameter
    if isinstance(parameter, Choice | Int):
        return parameter.grid(parameter.count if parameter.count <= MOST_VALUES else 2)
    return []


def _others(asked: Asked) -> list[Any]:
    return [value for value in _values(asked) if form(value) != form(asked.default)]


def _is_gate(parameter: Parameter | None) -> bool:
    return isinstance(parameter, Choice) and parameter.count <= MOST_PAIRED


def _domain(parameter: Parameter) -> Any:
    """Ray's domain of the same values."""
    from ray import tune

    match parameter:
        case Int(step=1):
            make = tune.lograndint if parameter.log else tune.randint
            return make(parameter.low, parameter.high + 1)  # Ray leaves the upper end out
        case Int():
            return tune.qrandint(parameter.low, parameter.high, parameter.step)
        case Float(step=None):
            make = tune.loguniform if parameter.log else tune.uniform
            return make(parameter.low, parameter.high)
        case Float():
            return tune.quniform(parameter.low, parameter.high, parameter.step)
        case Choice():
            return tune.choice(list(parameter.values))
    raise TypeError(f"{type(parameter).__name__} is nothing that hp asks for")


def _told(build_model: BuildModel, hp: HyperParameters, problem: Exception) -> str:
    code = getattr(build_model, "__code__", None)
    frames = traceback.extract_tb(problem.__traceback__)
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    values = ", ".join(f"{name}={value!r}" for name, value in hp.values.items()) or "nothing asked for yet"
    return (
        f"{_name(build_model)} cannot be built with {values}: {type(problem).__name__}: {problem}{where}. It was "
        "called on torch's meta device, where tensors have shapes and no values, to find its hyperparameters."
    )


def _name(build_model: BuildModel) -> str:
    return str(getattr(build_model, "__qualname__", repr(build_model)))
