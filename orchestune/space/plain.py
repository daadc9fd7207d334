"""Plain values: what a configuration may hold is what JSON can write, and comes back as, exactly."""

from __future__ import annotations

import inspect
import json
import math
from typing import Any

from orchestune.errors import SpaceError


def plain(value: Any, name: str) -> Any:
    """`value` as None, bool, int, float, str, list or dict; tuples become lists, NumPy scalars Python
    numbers.

    SpaceError on everything else: it could not be written into a run's journal and read back the same.
    """
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = value.item()
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        if math.isfinite(value):
            return value
        raise SpaceError(name, f"{value} is not a JSON value; write a finite number, or None for 'not set'.")
    if type(value) in (list, tuple):
        return [plain(item, name) for item in value]
    if type(value) is dict:
        for key in value:
            if type(key) is not str:
                raise SpaceError(name, f"the key {key!r} is not a string; write {str(key)!r}.")
        return {key: plain(item, name) for key, item in value.items()}
    raise SpaceError(name, _not_plain(value))


def form(value: Any) -> str:
    """A plain value's JSON text: the way to compare values, for `True == 1 == 1.0` while these are three choices."""
    return json.dumps(value, sort_keys=True)


def number(value: Any, name: str, what: str) -> float | int:
    """`value` as a finite Python number; SpaceError naming `what` otherwise."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = value.item()
    if type(value) not in (int, float):
        raise SpaceError(name, f"{what} must be a number, got {value!r}.")
    if not math.isfinite(value):
        raise SpaceError(name, f"{what} must be finite, got {value}.")
    result: float | int = value
    return result


def whole(value: Any, name: str, what: str) -> int:
    """`value` as an int, where it is one (`1e3` is); SpaceError naming `what` otherwise."""
    found = number(value, name, what)
    if found != int(found):
        raise SpaceError(name, f"{what} must be a whole number, got {found}; for fractions write tune.uniform.")
    return int(found)


def _not_plain(value: Any) -> str:
    if inspect.isroutine(value):
        return (
            f"{value!r} is a function, which no journal can hold; write its name, "
            "tune.choice(['a', 'b']), and look it up in the trainable."
        )
    if inspect.isclass(value):
        return (
            f"{value!r} is a class, which no journal can hold; write its name, "
            f"{value.__name__!r}, and look it up in the trainable."
        )
    if isinstance(value, set | frozenset):
        return f"{value!r} is a set, which has no order; write the list {sorted(value, key=repr)!r}."
    if hasattr(value, "tolist"):
        return f"{value!r} is an array, not a JSON value; write it as a list: .tolist()."
    return (
        f"{value!r} is of type {type(value).__name__}, not a JSON value; write a name, a number, "
        "a list or a dict "
        "and build the object in the trainable."
    )
