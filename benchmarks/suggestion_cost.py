"""What one suggestion of each searcher that learns costs, after 10, 100 and 500 ended trials of a mixed space.

Processor time in this process, one thread: without trials beside it, as a driver has it while they train elsewhere.
"""

from __future__ import annotations

import os
import time
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy and torch are imported: what else runs here has the other cores

import numpy as np
from ray import tune

from benchmarks.result import Headline, keep, options
from orchestune.searchers import SEARCHERS, BayesOpt, Declaration, Optuna
from orchestune.space import Space

SPACE = Space.parse({
    "lr": tune.loguniform(1e-4, 1e-1),
    "hidden": [tune.qrandint(32, 256, 32), tune.qrandint(32, 256, 32)],
    "activation": tune.choice(["relu", "tanh", "gelu"]),
    "dropout": tune.quniform(0, 0.5, 0.1),
    "weight_decay": tune.loguniform(1e-6, 1e-2),
})  # fmt: skip
RANGES = Space.parse({  # for those that take no choices
    "lr": tune.loguniform(1e-4, 1e-1),
    "hidden": [tune.qrandint(32, 256, 32), tune.qrandint(32, 256, 32)],
    "momentum": tune.uniform(0, 1),
    "dropout": tune.quniform(0, 0.5, 0.1),
    "weight_decay": tune.loguniform(1e-6, 1e-2),
})  # fmt: skip
TOLD = (10, 100, 500)
ASKED = 5  # questions, of which the median counts; one before them loads what is loaded late


def searchers() -> dict[str, Declaration]:
    """Every one that adapts, and the ways of those that have several."""
    found = {
        name: declaration()
        for name, declaration in SEARCHERS.items()
        if declaration().adapts and not declaration().refuse(RANGES)
    }
    found |= {f"bayesopt-{name}": BayesOpt(acquisition=name) for name in ("ei", "poi")}
    return found | {f"optuna-{name}": Optuna(sampler=name) for name in ("gp", "cmaes")}


def score(space: Space, config: dict[str, Any]) -> float:
    """A smooth hill in the middle of whatever space it is."""
    return -float(np.sum((np.array(space.to_unit(config)) - 0.4) ** 2))


def milliseconds(declared: Declaration, count: int) -> float:
    """Of one question, after `count` trials at random places have ended."""
    space = RANGES if declared.refuse(SPACE) else SPACE
    asked = declared.build(space)
    for n in range(count):
        config = space.from_unit(np.random.default_rng([1, n]).random(space.dimensions).tolist())
        asked.born(n, config)
        asked.tell(n, {1: score(space, config)}, ended=True)
    asked.ask(count)
    times = []
    for n in range(count, count + ASKED):
        start = time.process_time()
        asked.ask(n)
        times.append(1000 * (time.process_time() - start))
    return float(np.median(times))


def main() -> None:
    chosen = options(__doc__.partition("\n")[0])
    sizes = TOLD[:2] if chosen.quick else TOLD
    found: dict[str, dict[str, float]] = {}
    for name, declared in searchers().items():
        found[name] = {str(count): round(milliseconds(declared, count), 2) for count in sizes}
        print(
            f"{name:14}" + "".join(f"{value:10.1f} ms at {count}" for count, value in found[name].items()), flush=True
        )
    headline = Headline(
        name=f"milliseconds of the slowest suggestion after {sizes[-1]} trials",
        value=max(times[str(sizes[-1])] for times in found.values()),
        aim="<= 1000",
    )
    keep(__file__, chosen, headline, {"milliseconds": found})


if __name__ == "__main__":
    main()
