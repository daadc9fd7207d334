"""One thread for the models of configurations.

Their matrices are small: on two threads a suggestion takes longer than on one, and several times the processor time,
which is then missing to the trials of the same machine. And one thread's sums are the same on every machine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

LATE = ("torch", "sklearn", "scipy.linalg")  # loaded by those who need them, when they do


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it, NumPy, SciPy and torch compute in the calling thread alone. A decorator, too."""
    with _loaded(*(name in sys.modules for name in LATE)).limit(limits=1):
        yield


@cache
def _loaded(*late: bool) -> ThreadpoolController:
    """Looking takes milliseconds: once, and again where one of `LATE` has brought threads of its own."""
    return ThreadpoolController()
