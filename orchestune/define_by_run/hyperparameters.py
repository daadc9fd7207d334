"""`hp`, which a `build_model(hp)` asks for its hyperparameters: KerasTuner's calls, answered from a configuration.

units = hp.Int("units", 32, 256, step=32)
if hp.Boolean("dropout"):
    rate = hp.Float("rate", 0.1, 0.5)
lr = hp.Float("lr", 1e-4, 1e-2, sampling="log")
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from orchestune.define_by_run import kinds
from orchestune.errors import SpaceError, nearest
from orchestune.space import Choice, Condition, Parameter
from orchestune.space.growth import ABSENT, drawn, looked_up, placed
from orchestune.space.plain import form, plain


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A hyperparameter as `build_model` asked for it."""

    name: str
    parameter: Parameter | None  # None: a constant, of `hp.Fixed`
    default: Any  # a constant's value
    written: str  # the call, for errors
    # for each place it was asked at: the conditions around it, the innermost last
    places: tuple[tuple[Condition, ...], ...]

    def again(self, other: Asked) -> Asked:
        """The same, also asked elsewhere. SpaceError where `other` has the name alone in common."""
        if self.parameter != other.parameter or (self.parameter is None and form(self.default) != form(other.default)):
            raise SpaceError(
                self.name,
                f"is asked for as {self.written} and as {other.written}; write the same both times, or another name.",
            )
        new = tuple(place for place in other.places if place not in self.places)
        return dataclasses.replace(self, places=(*self.places, *new))

    @property
    def condition(self) -> Condition | None:
        """The one that was written around it: the innermost; None where there is none, or are several parents."""
        innermost = [place[-1] if place else None for place in self.places]
        conditions = [condition for condition in innermost if condition is not None]
        if len(conditions) < len(innermost) or len({condition.parent for condition in conditions}) > 1:
            return None
        values = {form(value): value for condition in conditions for value in condition.values}
        return Condition(conditions[0].parent, tuple(values.values()))


class HyperParameters:
    """Answers each name from `config`, which is nested: `encoder/units` lies in its `encoder`.

    A name that `config` lacks has its default; in a trial, whose `seed` is given, it is drawn from (seed, name). The
    same name again has the same value; with other bounds it is a SpaceError. A hyperparameter is None, and is not in
    `values`, where its conditions do not hold.
    """

    def __init__(self, config: Mapping[str, Any] | None = None, *, seed: int | None = None) -> None:
        self._config, self._seed = config or {}, seed
        self._names: list[str] = []  # the name scopes that are open
        self._conditions: list[Condition] = []  # the conditional scopes that are open
        self._values: dict[str, Any] = {}
        self._new: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, Asked] = {}  # all that was asked for, inactive ones too, in that order

    # ---- what build_model calls

    def Int(
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | float | None = None,
        sampling: str | None = "linear",
        default: int | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """A whole number from `min_value` to `max_value`, both included, in steps from `min_value` on.

        With `sampling="log"` it is drawn uniformly in log space, and `step` is a factor.
        """
        parameter = kinds.integer(self._full(name), min_value, max_value, step, sampling)
        written = _written("Int", name, min_value, max_value, step=step, sampling=sampling)
        return self._ask(parameter, min_value if default is None else default, written, parent_name, parent_values)

    def Float(
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = "linear",
        default: float | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """A real number from `min_value` to `max_value`, both included; the rest as in `Int`."""
        parameter = kinds.real(self._full(name), min_value, max_value, step, sampling)
        written = _written("Float", name, min_value, max_value, step=step, sampling=sampling)
        return self._ask(parameter, min_value if default is None else default, written, parent_name, parent_values)

    def Choice(
        self,
        name: str,
        values: Sequence[Any],
        ordered: bool | None = None,  # accepted for KerasTuner's sake, which makes no use of it either
        default: Any = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """One of `values`, which are plain: numbers, strings, truth values, lists."""
        parameter = Choice(name=self._full(name), values=tuple(values))
        first = parameter.values[0] if default is None else default
        return self._ask(parameter, first, _written("Choice", name, list(values)), parent_name, parent_values)

    def Boolean(
        self, name: str, default: bool = False, parent_name: str | None = None, parent_values: Any = None
    ) -> Any:
        """True or False."""
        parameter = Choice(name=self._full(name), values=(False, True))
        return self._ask(parameter, default, _written("Boolean", name), parent_name, parent_values)

    def Fixed(self, name: str, value: Any, parent_name: str | None = None, parent_values: Any = None) -> Any:
        """A constant, which is recorded with each trial and may be set from the command line."""
        constant = plain(value, self._full(name))
        asked = Asked(
            name=self._full(name), parameter=None, default=constant, written=_written("Fixed", name, value), places=()
        )
        with self._under(parent_name, parent_values):
            return self._answered(asked)

    @contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Names asked for inside begin with `name/`."""
        self._names.append(name)
        try:
            yield
        finally:
            self._names.pop()

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """What is asked for inside exists only where `parent_name` is one of `parent_values`, and is None elsewhere.

        SpaceError where no such parent was asked for before, or it never has such a value.
        """
        self._conditions.append(self._condition(parent_name, parent_values))
        try:
            yield
        finally:
            self._conditions.pop()

    def get(self, name: str) -> Any:
        """The value of what was asked for. KeyError where it was not, ValueError where it is inactive."""
        full = self._full(name)
        if full in self._values:
            return copy.deepcopy(self._values[full])
        if full in self.asked:
            raise ValueError(f"hyperparameter {full!r} is inactive here: its conditions do not hold")
        raise KeyError(f"no hyperparameter {full!r} was asked for.{nearest(full, self.asked)}")

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: str) -> bool:
        return self._full(name) in self._values

    @property
    def values(self) -> dict[str, Any]:
        """Name -> value of all active ones that were asked for, in that order."""
        return copy.deepcopy(self._values)

    # ---- what the engine calls

    @property
    def config(self) -> dict[str, Any]:
        """The configuration with all that was asked for beyond it."""
        config = dict(self._config)
        for name, value in self._values.items():
            config = placed(config, name, value)
        return config

    def take_new(self) -> dict[str, dict[str, Any]]:
        """Name -> {"parameter": ..., "value": ...} of those drawn since the last call, as JSON."""
        new, self._new = self._new, {}
        return new

    # ---- inside

    def _ask(self, parameter: Parameter, default: Any, written: str, parent: str | None, values: Any) -> Any:
        try:
            first = parameter.accept(default)
        except SpaceError as error:
            raise SpaceError(parameter.name, f"its default {error.problem}") from error
        asked = Asked(name=parameter.name, parameter=parameter, default=first, written=written, places=())
        with self._under(parent, values):
            return self._answered(asked)

    def _under(self, parent: str | None, values: Any) -> Any:
        return nullcontext() if parent is None else self.conditional_scope(parent, values)

    def _answered(self, asked: Asked) -> Any:
        asked = dataclasses.replace(asked, places=(tuple(self._conditions),))
        if (before := self.asked.get(asked.name)) is None:
            self._check_name(asked.name)
        self.asked[asked.name] = asked if before is None else before.again(asked)
        if not all(condition.holds(self._values) for condition in self._conditions):
            return None
        if asked.name not in self._values:
            self._values[asked.name] = self._value(asked)
        return copy.deepcopy(self._values[asked.name])

    def _value(self, asked: Asked) -> Any:
        given, parameter = looked_up(self._config, asked.name), asked.parameter
        if given is not ABSENT:
            return given if parameter is None else parameter.accept(given)
        if parameter is None or self._seed is None:
            return asked.default
        value = drawn(parameter, self._seed)
        told = dataclasses.replace(parameter, condition=asked.condition)
        self._new[asked.name] = {"parameter": told.to_json(), "value": value}
        return value

    def _check_name(self, name: str) -> None:
        """SpaceError where it is no name in a nested configuration."""
        if not all(name.split("/")):
            raise SpaceError(name, "is no name: every part of it between slashes needs a letter.")
        for other in self.asked:
            if f"{name}/".startswith(f"{other}/") or f"{other}/".startswith(f"{name}/"):
                inner, outer = max(name, other, key=len), min(name, other, key=len)
                raise SpaceError(inner, f"lies in the name scope {outer!r}, which is a parameter itself; rename one.")

    def _full(self, name: str) -> str:
        return "/".join([*self._names, name])

    def _condition(self, parent_name: str, parent_values: Any) -> Condition:
        name = self._full(parent_name)
        if name not in self.asked:
            known = ", ".join(self.asked) or "none"
            raise SpaceError(
                name, f"is to be depended on and was not asked for before.{nearest(name, self.asked)} Known: {known}."
            )
        parent = self.asked[name].parameter
        given = list(parent_values) if isinstance(parent_values, list | tuple | set | range) else [parent_values]
        if parent is not None and not parent.discrete:
            raise SpaceError(name, "is to be depended on and is continuous; only a choice or a stepped range will do.")
        if parent is None:
            return Condition(name, tuple(plain(value, name) for value in given))
        return Condition(name, tuple(parent.accept(value) for value in given))


def _written(kind: str, *positional: Any, **named: Any) -> str:
    told = [repr(value) for value in positional]
    told += [f"{name}={value!r}" for name, value in named.items() if value not in (None, "linear")]
    return f"hp.{kind}({', '.join(told)})"
