"""A trainable's parameters: from a configuration to its `Params`, every wrong name or kind named."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from numbers import Integral, Real
from typing import Any, TypeVar

from orchestune.errors import UnknownName

P = TypeVar("P")

# What a plain annotation accepts, and what is made of it. Other annotations are the class's own business.
_PLAIN: dict[str, tuple[type, type]] = {
    "int": (Integral, int),
    "float": (Real, float),
    "bool": (bool, bool),
    "str": (str, str),
}
_COMMENTED = re.compile(r"\s*(?P<name>\w+)\s*:.*\s#\s*(?P<doc>.+)")  # name: kind = default  # doc


@dataclass(frozen=True, kw_only=True)
class Param:
    """One thing that may be set: what a listing shows of it."""

    name: str
    default: Any  # dataclasses.MISSING where there is none
    doc: str  # a meaning and a unit: the comment behind it, or "doc" of the metadata of a field that was made


def parse_params(params: type[P], config: Mapping[str, Any], path: str = "") -> P:
    """An instance of the dataclass `params`, with its defaults where `config` is silent.

    Lists become tuples where the default is a tuple; one whose default is a dataclass takes a nested dict.
    UnknownName for a name that is no field; ValueError for a value of another kind than its plain annotation
    (int, float, bool, str) and for a field that has neither value nor default.
    """
    known = {field.name: field for field in fields(params)}  # type: ignore[arg-type]
    for name in config:
        if name not in known:
            raise UnknownName("parameter", path + str(name), [path + field for field in known])
    for name, field in known.items():
        if name not in config and _default(field) is MISSING:
            raise ValueError(f"parameter {path + name!r} has no default and was not given")
    return params(**{name: _value(known[name], value, path + name) for name, value in config.items()})


def describe_params(params: type[Any]) -> tuple[Param, ...]:
    """What may be set, in the order of declaration, the base class's first."""
    docs: dict[str, str] = {}
    for owner in reversed(params.__mro__):
        if is_dataclass(owner):
            docs.update(_comments(owner))
    return tuple(
        Param(name=f.name, default=_default(f), doc=docs.get(f.name) or f.metadata.get("doc", ""))
        for f in fields(params)
    )


def is_number(value: Any) -> bool:
    """Whether it is a finite number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _value(field: Field[Any], value: Any, path: str) -> Any:
    default = _default(field)
    if is_dataclass(default) and isinstance(value, Mapping):
        return parse_params(type(default), value, f"{path}/")
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple):
            raise ValueError(f"parameter {path!r} is {value!r}: a list or tuple is needed, as in {default!r}")
        return _as_tuple(value)
    kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", "")
    if kind in _PLAIN:
        accepted, make = _PLAIN[kind]
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind != "bool"):
            raise ValueError(f"parameter {path!r} is {value!r}: {kind} is needed, not {type(value).__name__}")
        return make(value)
    return value


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list | tuple) else value


def _comments(owner: type[Any]) -> dict[str, str]:
    """Field name -> the comment that ends its line."""
    try:
        source = inspect.getsource(owner)
    except OSError:  # a class made without a file, as in an interpreter: it is listed without comments
        return {}
    lines = (_COMMENTED.match(line) for line in source.splitlines())
    return {line["name"]: line["doc"] for line in lines if line}
