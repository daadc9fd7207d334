"""The forms of the events that begin or end a leg; `docs/decisions/0001` says what each event carries."""

from __future__ import annotations

from typing import Any

from orchestune.running.journal import Event
from orchestune.running.record import Trial


def leg(
    trial: Trial, number: int, config: dict[str, Any], start: tuple[str, int, int] | None, until: int, seed: int
) -> Event:
    """A birth, where it is the first."""
    return {"event": "leg", "trial": trial.id, "leg": number, "config": config, "from": start, "until": until,
            "seed": seed}  # fmt: skip


def leg_end(trial: Trial, why: str, error: str | None = None) -> Event:
    return {"event": "leg_end", "trial": trial.id, "leg": trial.leg, "why": why, "error": error}


def end(trial: Trial, status: str, why: str, *, fault: str | None = None, error: str | None = None) -> Event:
    return {"event": "end", "trial": trial.id, "status": status, "why": why, "fault": fault, "error": error}
