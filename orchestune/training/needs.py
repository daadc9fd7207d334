"""Resources that depend on the configuration: an experiment may give a function instead of fixed ones."""

from __future__ import annotations

import copy
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from orchestune.errors import ResourcesError
from orchestune.training.resources import Resources

Config = dict[str, Any]
ResourcesOf = Callable[[Config], Resources]


def of(declared: Resources | ResourcesOf, config: Mapping[str, Any]) -> Resources:
    """What a trial with this configuration occupies. Raises ResourcesError naming the function where it cannot say."""
    if isinstance(declared, Resources):
        return declared
    name, given = name_of(declared), copy.deepcopy(dict(config))  # what it does to its argument is its own business
    try:
        found = declared(given)
    except Exception as problem:
        raise ResourcesError(f"{name} raised {type(problem).__name__}: {problem}; for {config}") from problem
    if not isinstance(found, Resources):
        raise ResourcesError(f"{name} returned {found!r}: it must return Resources(cpu=..., gpu=...); for {config}")
    if wrong := found.mistakes():
        raise ResourcesError(f"{name} returned what cannot be had: {'; '.join(wrong)}; for {config}")
    return found


def name_of(function: ResourcesOf) -> str:
    """`experiments.toy:<lambda>`"""
    return f"{function.__module__}:{function.__qualname__}"


def to_json(declared: Resources | ResourcesOf) -> dict[str, Any]:
    """What a journal remembers: the amounts, or the function's name and its text, which tells whether it changed.

    What the function calls or looks up elsewhere is not seen, nor, where its text is not to be had, anything but its
    instructions, which another version of Python writes otherwise.
    """
    if isinstance(declared, Resources):
        return declared.to_json()
    try:
        text = textwrap.dedent(inspect.getsource(declared)).strip().encode()
    except OSError:  # written at a prompt, or by exec
        text = _instructions(declared.__code__)
    return {"function": name_of(declared), "sha256": hashlib.sha256(text).hexdigest()}


def _instructions(code: CodeType) -> bytes:
    inner = [_instructions(value) if isinstance(value, CodeType) else repr(value).encode() for value in code.co_consts]
    return b"\0".join([code.co_code, repr(code.co_names).encode(), *inner])
