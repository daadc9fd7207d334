"""Checks of a declaration's settings: errors that name the field, its value and what is legal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from orchestune.errors import nearest


def at_least(declared: Any, field: str, least: float, *, whole: bool = False) -> None:
    """ValueError where the field is no finite number from `least` on, or not a whole one."""
    value = getattr(declared, field)
    right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not right or not math.isfinite(value) or value < least:
        raise ValueError(f"{field} is a {'whole' if whole else 'finite'} number from {least} on, got {value!r}")


def one_of(declared: Any, field: str, legal: Sequence[str]) -> None:
    """ValueError where the field is none of the words in `legal`."""
    value = getattr(declared, field)
    if value not in legal:
        listed = ", ".join(repr(word) for word in legal)
        raise ValueError(f"{field} is one of {listed}, got {value!r}.{nearest(str(value), legal)}")
