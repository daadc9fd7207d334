"""How good a configuration each search finds, at an eighth, a quarter, a half and all of 32 full trainings.

On recorded curves, so that no training is paid for: normalized regret of the best value at any epoch (0: the best known
configuration, 1: the median of random ones), mean over all problems, with the standard error over seeds. Ours are
simulated (`orchestune.simulate`); the others are called directly, and train every trial to the end where they have no
early stopping. The more a search thinks the fewer seeds it has here; the table says how many.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is imported: a process a core

import numpy as np

from benchmarks import curves, peers
from benchmarks.result import Headline, keep, options
from orchestune.pairs import paired
from orchestune.planning.simulate import simulate
from orchestune.schedulers import Asha

SMALL = ("lcbench/126029", "lcbench/167190", "lcbench/168910", "lcbench/189873", "opda_deberta/deberta-base",
         "rbv2_xgboost/37", "rbv2_xgboost/4134", "taskset/patch128_LSTM128_avg_bs64")  # fmt: skip
AIMS = (0.28, 0.16, 0.08, 0.05)  # of the default, at the four marks
FIDELITY = "asha, told by the largest fidelity"  # and not by ranks: BOHB's rule, where trials are stopped
Found = tuple[list[float], float]  # regret at the four marks, processor seconds
DEFAULT = "orchestune: auto x auto"


@dataclass(frozen=True, kw_only=True)
class AshaToldByFidelity(Asha):
    """Stops as ever; the searcher is told what it is told where trials pause."""

    pauses: ClassVar[bool] = True


@dataclass(frozen=True)
class Row:
    """A search, and how much of it is afforded."""

    name: str
    searcher: str = ""  # ours by name, or a peer
    scheduler: str = ""
    workers: int = 1
    seeds: int = 10
    small: bool = False  # on eight of the problems only


def rows() -> list[Row]:
    found = [Row(DEFAULT, "auto", "auto")]
    found += [Row(name, seeds=1, small=True) if name == "Optuna's GP" else Row(name) for name in peers.PEERS]
    found += [Row(f"{DEFAULT}, {workers} workers", "auto", "auto", workers, 3, True) for workers in (4, 16)]
    for searcher in ("random", "hyperopt", "optuna", "multifidelity", "bayesopt"):
        seeds = 2 if searcher == "bayesopt" else 5
        small = searcher in ("hyperopt", "optuna")
        for scheduler in ("asha", "hyperband", *((FIDELITY,) if searcher == "hyperopt" else ())):
            found.append(Row(f"orchestune: {searcher} x {scheduler}", searcher, scheduler, 1, seeds, small))
    return found


def search(row: Row, index: int, seed: int) -> Found:
    """Regret at the four marks, and processor seconds."""
    problem, began = curves.problems()[index], time.process_time()
    if row.searcher:
        pair = paired(row.searcher, "asha" if row.scheduler == FIDELITY else row.scheduler)
        scheduler = AshaToldByFidelity() if row.scheduler == FIDELITY else pair.scheduler
        done = simulate(
            problem.curve, space=curves.space_of(problem), searcher=pair.searcher, scheduler=scheduler, mode="min",
            max_epochs=problem.max_epoch, budget_epochs=curves.budget(problem), workers=row.workers, seed=seed,
            num_samples=curves.budget(problem),
        )  # fmt: skip
        losses = [report.score for report in done.reports]
    else:
        losses = peers.losses_of(row.name, problem, seed)
    return curves.regrets(problem, losses), time.process_time() - began


def summary(found: Mapping[tuple[int, int], Found], default: Mapping[tuple[int, int], Found]) -> dict[str, Any]:
    """Of a row's searches by (problem, seed), beside those of the default on the same problems with the same seeds:
    rows have unequal seeds, and some seeds are lucky for everybody."""
    indices, seeds = sorted({i for i, _ in found}), sorted({s for _, s in found})
    regret = np.array([[found[i, s][0] for s in seeds] for i in indices])
    by_seed = regret.mean(axis=0)
    names = [curves.problems()[i].id for i in indices]
    return {
        "regret": by_seed.mean(axis=0).round(4).tolist(),
        "standard_error": (by_seed.std(axis=0, ddof=1) / len(seeds) ** 0.5).round(4).tolist()
        if len(seeds) > 1
        else None,
        "default_on_the_same": np.mean([default[key][0] for key in found], axis=0).round(4).tolist(),
        "problems": len(indices),
        "seeds": len(seeds),
        "cpu_s": round(float(np.mean([seconds for _, seconds in found.values()])), 2),
        "by_problem": {name: regret[k].mean(axis=0).round(4).tolist() for k, name in enumerate(names)},
    }


def measured(wanted: list[Row], *, quick: bool = False) -> dict[str, dict[str, Any]]:
    """All rows, a process a core. With ORCHESTUNE_SEARCHES=FILE each search is kept there, and none is made twice."""
    ids = [problem.id for problem in curves.problems()]
    kept = Path(os.environ.get("ORCHESTUNE_SEARCHES", os.devnull))
    known: dict[tuple[str, int, int], Found] = {}
    for line in kept.read_text().splitlines() if kept.exists() else ():
        name, index, seed, regret, seconds = json.loads(line)
        known[name, index, seed] = (regret, seconds)
    jobs = [
        (row, index, seed)
        for row in wanted
        for seed in range(1 if quick else row.seeds)
        for index in range(len(ids))
        if not (row.small or quick) or ids[index] in SMALL
    ]
    left = [job for job in jobs if (job[0].name, *job[1:]) not in known]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool, kept.open("a") as file:
        for (row, index, seed), found in zip(left, pool.map(search_job, left), strict=True):
            known[row.name, index, seed] = found
            print(json.dumps([row.name, index, seed, *found]), file=file, flush=True)
    found = {row.name: {(i, s): known[row.name, i, s] for r, i, s in jobs if r is row} for row in wanted}
    return {name: summary(searches, found[DEFAULT]) for name, searches in found.items()}


def search_job(job: tuple[Row, int, int]) -> Found:
    return search(*job)


def main() -> None:
    chosen = options(__doc__.partition("\n")[0])
    if not curves.there():
        sys.exit(f"skipped: the recorded curves are not here, {curves.FOLDER} has no loader.py")
    wanted = [row for row in rows() if not chosen.quick or row.name in (DEFAULT, "random search", "Ray's ASHA")]
    table = measured(wanted, quick=chosen.quick)
    for name, figures in table.items():
        told = "  ".join(f"{value:.3f}" for value in figures["regret"])
        print(f"{name:45} {told}   {figures['problems']} problems x {figures['seeds']} seeds, {figures['cpu_s']} CPU s")
    ours = table[DEFAULT]["regret"]
    print("aims of the default: " + "  ".join(f"{aim:.3f}" for aim in AIMS))
    others = {name: figures for name, figures in table.items() if not name.startswith(DEFAULT)}
    for name, figures in others.items():
        ahead = [
            "ahead" if o < d else "behind"
            for o, d in zip(figures["regret"], figures["default_on_the_same"], strict=True)
        ]
        if "ahead" in ahead:
            print(f"{name}, beside the default on the same: {', '.join(ahead)}")
    headline = Headline(name="regret of the default at all of the budget", value=ours[-1], aim=f"<= {AIMS[-1]}")
    keep(__file__, chosen, headline, {"aims": AIMS, "marks": curves.FRACTIONS, "rows": table})


if __name__ == "__main__":
    main()
