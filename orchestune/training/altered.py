"""A checkpoint taken up with other settings than it was written with, as population based training does.

The weights and what the optimizer remembers go on; the learning rate and all other settings are the new ones', as far
along their schedule as the old ones were. With the same settings nothing is changed: that resume is exact.
"""

from __future__ import annotations

import copy
from typing import Any

from torch.optim import Optimizer

from orchestune.training.schedules import Schedule

Settings = dict[str, Any]  # the optimizer's kind, its groups' settings, and the schedule, before any update


def settings_of(optimizer: Optimizer, schedule: Schedule) -> Settings:
    """What a configuration makes of both, taken when they were made: equal for equal settings."""
    made = {"kind": type(optimizer).__name__, "groups": _groups(optimizer), "schedule": schedule.state_dict()}
    return copy.deepcopy(made)


def load(state: dict[str, Any], optimizer: Optimizer, schedule: Schedule, settings: Settings) -> None:
    """Takes up a checkpoint's `state` in fresh objects that were made with `settings`."""
    before = state.get("settings", settings)
    if before == settings:
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        return
    schedule.catch_up(state["schedule"], [group["lr"] for group in before["groups"]])
    groups = _groups(optimizer)
    if _memory(before) == _memory(settings):  # another kind's would be no use, and would fail at the first update
        optimizer.load_state_dict(state["optimizer"])
    for group, own in zip(optimizer.param_groups, groups, strict=True):
        group.update(own)


def _groups(optimizer: Optimizer) -> list[dict[str, Any]]:
    return [{name: v for name, v in group.items() if name != "params"} for group in optimizer.param_groups]


def _memory(settings: Settings) -> list[Any]:
    """What decides what an optimizer remembers of each weight: its kind, its switches, and whether it has momentum."""
    switches = [
        {name: value for name, value in group.items() if isinstance(value, bool)}
        | {"moves": bool(group.get("momentum"))}
        for group in settings["groups"]
    ]
    return [settings["kind"], *switches]
