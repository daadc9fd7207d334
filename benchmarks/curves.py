"""Recorded learning curves of other people's trainings, from the folder `shared/bench` beside this project's."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ray import tune

from orchestune.space import Space, when

FOLDER = Path(os.environ.get("ORCHESTUNE_CURVES", Path(__file__).parents[2] / "shared" / "bench"))
FRACTIONS = (1 / 8, 1 / 4, 1 / 2, 1.0)  # of the budget, at which regret is read
TRAININGS = 32  # full ones, the budget


def there() -> bool:
    return (FOLDER / "loader.py").exists()


@cache
def problems() -> list[Any]:
    """All of them. Each has id, space, max_epoch, full_length, curve(config) -> (losses, seconds), regret(loss)."""
    return list(_loader().load("dev"))


@cache
def _loader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("curves_loader", FOLDER / "loader.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def space_of(problem: Any) -> Space:
    """The problem's space, in our own terms."""
    domains = {}
    for leaf in problem.space:
        domain = _domain(leaf)
        condition = leaf.get("condition")
        if condition:
            assert condition["op"] == "in", condition
            domain = when(condition["parent"], tuple(condition["values"]), domain)
        domains[leaf["name"]] = domain
    return Space.parse(domains)


def _domain(leaf: dict[str, Any]) -> Any:
    if leaf["type"] == "cat":
        return tune.choice(list(leaf["choices"]))
    if leaf["type"] == "int":
        return (tune.lograndint if leaf.get("log") else tune.randint)(leaf["low"], leaf["high"] + 1)
    return (tune.loguniform if leaf.get("log") else tune.uniform)(leaf["low"], leaf["high"])


def budget(problem: Any) -> int:
    """Epochs of `TRAININGS` full trainings."""
    return int(TRAININGS * problem.full_length)


def regrets(problem: Any, losses: list[float]) -> list[float]:
    """At each of `FRACTIONS`, of the best loss at any epoch so far; 0 the best known, 1 a random one's median."""
    best, found = float("inf"), []
    marks = [max(1, int(budget(problem) * fraction)) for fraction in FRACTIONS]
    for spent, loss in enumerate(losses, start=1):
        best = min(best, loss)
        while len(found) < len(marks) and spent == marks[len(found)]:
            found.append(float(problem.regret(best)))
    return found + [float(problem.regret(best))] * (len(marks) - len(found))
