"""Who keeps training: one declaration a file; `SCHEDULERS` is what the command line can name."""

from __future__ import annotations

from orchestune.errors import UnknownName
from orchestune.schedulers.asha import Asha
from orchestune.schedulers.base import (
    DONE,
    WAIT,
    Continue,
    Decision,
    Declaration,
    Report,
    Scheduler,
    Start,
    Work,
)
from orchestune.schedulers.fifo import Fifo

SCHEDULERS: dict[str, type[Declaration]] = {"fifo": Fifo, "asha": Asha}


def scheduler(name: str) -> type[Declaration]:
    """The declaration that the command line and the tables call `name`. UnknownName lists them all."""
    if name not in SCHEDULERS:
        raise UnknownName("scheduler", name, SCHEDULERS)
    return SCHEDULERS[name]


__all__ = [
    "DONE",
    "SCHEDULERS",
    "WAIT",
    "Asha",
    "Continue",
    "Decision",
    "Declaration",
    "Fifo",
    "Report",
    "Scheduler",
    "Start",
    "Work",
    "scheduler",
]
