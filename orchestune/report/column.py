"""A parameter as a column of TensorBoard's HParams table, whose columns hold numbers, truth values or text alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.struct_pb2 import Value
from tensorboard.plugins.hparams import api_pb2

if TYPE_CHECKING:
    from orchestune.space import Parameter

NUMBERS: int = api_pb2.DATA_TYPE_FLOAT64
TRUTHS: int = api_pb2.DATA_TYPE_BOOL
TEXTS: int = api_pb2.DATA_TYPE_STRING


@dataclass(frozen=True)
class Column:
    """What the parameter `name` may be: the ends of a range, or `choices`, or, of a normal distribution, neither."""

    name: str
    type: int = NUMBERS
    ends: tuple[float, float] | None = None
    choices: tuple[Any, ...] = ()
    varies: bool = True  # TensorBoard lists such columns first

    @classmethod
    def of(cls, parameter: Parameter) -> Column:
        form = parameter.to_json()
        varies = parameter.count != 1 or parameter.condition is not None
        if "values" in form:
            return cls(parameter.name, _type(form["values"]), choices=tuple(form["values"]), varies=varies)
        ends = (form["low"], form["high"]) if "low" in form else None
        return cls(parameter.name, ends=ends, varies=varies)

    def info(self) -> Any:
        """The column itself, with the values it may hold, for TensorBoard's filters."""
        info = api_pb2.HParamInfo(name=self.name, type=self.type, differs=self.varies)
        if self.ends:
            info.domain_interval.min_value, info.domain_interval.max_value = self.ends
        elif self.choices:
            cells = {self._cell(choice) for choice in self.choices}
            info.domain_discrete.extend(sorted(cells))
        return info

    def value(self, value: Any) -> Value:
        """One cell. Its kind must be the column's, or TensorBoard compares what cannot be compared."""
        cell = self._cell(value)
        if self.type == TRUTHS:
            return Value(bool_value=cell)
        return Value(number_value=cell) if self.type == NUMBERS else Value(string_value=cell)

    def _cell(self, value: Any) -> Any:
        if self.type != TEXTS or isinstance(value, str):
            return value
        return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _type(choices: list[Any]) -> int:
    kinds = {type(choice) for choice in choices}
    if kinds <= {int, float}:
        return NUMBERS
    return TRUTHS if kinds == {bool} else TEXTS
