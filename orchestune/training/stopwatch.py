"""Where an epoch's seconds go."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Wall seconds by part. A part measured inside another one counts in both."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._add(name, began)

    def each(self, name: str, source: Iterable[T]) -> Iterator[T]:
        """What `source` yields; the time it takes to come counts, what is done with it does not."""
        iterator = iter(source)
        while True:
            began = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self._add(name, began)
            yield item

    def _add(self, name: str, began: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
