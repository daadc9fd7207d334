"""Keeps an error of ours from being lost or wrapped inside Tune's loop: it is kept, the loop is told to end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Guard:
    """Holds the first problem; from then on nothing is asked of the run any more."""

    def __init__(self) -> None:
        self.problem: BaseException | None = None
        self.interrupted = False

    def call(self, ask: Callable[[], T], otherwise: U) -> T | U:
        if self.problem or self.interrupted:
            return otherwise
        try:
            return ask()
        except Exception as problem:  # raised again by the runner, once Tune has let go of its actors
            self.problem = problem
            end_tune()
            return otherwise

    def listen(self) -> None:
        """Takes the signals. Again after `ray.init`, which puts its own handler on SIGTERM."""
        signal.signal(signal.SIGINT, self.interrupt)
        signal.signal(signal.SIGTERM, self.interrupt)
        signal.signal(signal.SIGUSR1, lambda *_: None)  # outside of Tune's loop it means nothing

    def interrupt(self, *_: object) -> None:
        """For Ctrl-C and SIGTERM: end cleanly. The second Ctrl-C is Python's own again."""
        self.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        end_tune()


def end_tune() -> None:
    """Tune always catches this signal while it runs, ends its loop and stops its actors."""
    os.kill(os.getpid(), signal.SIGUSR1)
