"""Machines that an autoscaling cluster would add: legs are handed out for them too, or it would never grow.

What may come is said by the file that Ray's autoscaler was started from. `ray up` leaves it on the head, where runs are
driven: `~/ray_bootstrap_config.yaml`. ORCHESTUNE_AUTOSCALING names another, for clusters that other tools start.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from orchestune.errors import ClusterError

FILE = "ORCHESTUNE_AUTOSCALING"
RAYS_OWN = "~/ray_bootstrap_config.yaml"

Machine = Mapping[str, float]


def promised(present: Sequence[Machine]) -> list[dict[str, float]]:
    """What the machines have that may join those that are `present`, the head among these, under Ray's names.

    Types of machines in the file's order, each up to its `max_workers`, together up to the file's. None where there is
    no such file, or its machines are a user's own. Raises ClusterError where the file cannot be read.
    """
    named = os.environ.get(FILE)
    path = Path(named or RAYS_OWN).expanduser()
    if not path.exists() and not named:
        return []
    try:
        config = yaml.safe_load(path.read_text())
        if config["provider"]["type"] == "local":
            return []
        types = config["available_node_types"]
        most = int(config.get("max_workers", 2))  # Ray's own default
        workers = {name: kind for name, kind in types.items() if name != config["head_node_type"]}
        left = most - (len(present) - 1)
        found: list[dict[str, float]] = []
        rest = list(present)
        _take(rest, types[config["head_node_type"]].get("resources") or {}, at_most=1)
        for kind in workers.values():
            has = {name: float(amount) for name, amount in (kind.get("resources") or {}).items()}
            there = _take(rest, has)
            room = max(0, min(int(kind.get("max_workers", most)) - there, left)) if any(has.values()) else 0
            found += [dict(has) for _ in range(room)]
            left -= room
        return found
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as problem:
        raise ClusterError(
            f"{path}: it does not say which machines may join ({type(problem).__name__}: {problem}); "
            f"it has to be what Ray's autoscaler reads ({FILE} names another)"
        ) from problem


def _take(rest: list[Machine], has: Machine, at_most: int | None = None) -> int:
    """How many of the machines are of the kind that `has` this; they are no other's any more."""
    alike = [machine for machine in rest if _is(machine, has)][:at_most]
    for machine in alike:
        rest.remove(machine)
    return len(alike)


def _is(machine: Machine, kind: Machine) -> bool:
    """By CPUs, GPUs and the kind's own names: Ray takes some of the memory for itself."""
    names = {"CPU", "GPU", *kind} - {"memory", "object_store_memory"}
    return all(float(machine.get(name, 0)) == float(kind.get(name, 0)) for name in names)


def expected(present: Sequence[Machine]) -> list[Machine]:
    """The machines that are there, and after them those that may come."""
    return [*present, *promised(present)]
