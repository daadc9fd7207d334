"""The forms of the events that end something; `docs/decisions/0001` says what each event carries."""

from __future__ import annotations

from orchestune.running.journal import Event
from orchestune.running.record import Trial


def leg_end(trial: Trial, why: str, error: str | None = None) -> Event:
    return {"event": "leg_end", "trial": trial.id, "leg": trial.leg, "why": why, "error": error}


def end(trial: Trial, status: str, why: str, *, fault: str | None = None, error: str | None = None) -> Event:
    return {"event": "end", "trial": trial.id, "status": status, "why": why, "fault": fault, "error": error}
