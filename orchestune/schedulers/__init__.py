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
from orchestune.schedulers.early_stopping import early, rule
from orchestune.schedulers.fifo import Fifo
from orchestune.schedulers.hyperband import HyperBand
from orchestune.schedulers.median import Median
from orchestune.schedulers.multifidelity import MultiFidelityRungs
from orchestune.schedulers.pbt import Pbt
from orchestune.schedulers.plateau import Plateau

SCHEDULERS: dict[str, type[Declaration]] = {
    "fifo": Fifo,
    "asha": Asha,
    "hyperband": HyperBand,
    "median": Median,
    "plateau": Plateau,
    "pbt": Pbt,
    "multifidelity": MultiFidelityRungs,
}


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
    "HyperBand",
    "Median",
    "MultiFidelityRungs",
    "Pbt",
    "Plateau",
    "Report",
    "Scheduler",
    "Start",
    "Work",
    "early",
    "rule",
    "scheduler",
]
