"""A thing chosen by name with its own parameters: `"adam"`, or `{"name": "sgd", "momentum": 0.9}`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from orchestune.errors import UnknownName

Named = str | Mapping[str, Any]


def split(kind: str, given: Named, known: Iterable[str]) -> tuple[str, dict[str, Any]]:
    """The name, one of `known`, and the parameters. Raises UnknownName, and ValueError where it is of neither form."""
    if isinstance(given, str):
        name, own = given, {}
    elif isinstance(given, Mapping) and isinstance(given.get("name"), str):
        name, own = given["name"], {key: value for key, value in given.items() if key != "name"}
    else:
        raise ValueError(f'parameter {kind!r} is {given!r}: a name is needed, or {{"name": ..., its parameters}}')
    names = list(known)
    if name not in names:
        raise UnknownName(kind, name, names)
    return name, own


def build(kind: str, name: str, make: Callable[..., Any], *args: Any, **own: Any) -> Any:
    """`make(*args, **own)`, lists as tuples. ValueError saying of what, where a value is refused."""
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()}
    try:
        return make(*args, **values)
    except (ValueError, TypeError) as refused:
        raise ValueError(f"{kind} {name!r}: {refused}") from refused


def keywords(make: Callable[..., Any], without: Collection[str]) -> list[str]:
    """What `make` may be given by name, but for what the caller gives itself."""
    return [name for name in inspect.signature(make).parameters if name not in without]


def check_own(kind: str, name: str, own: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raises UnknownName for a parameter that this one does not have."""
    names = list(known)
    for key in own:
        if key not in names:
            raise UnknownName(f"parameter of {kind} {name!r}", key, names)
