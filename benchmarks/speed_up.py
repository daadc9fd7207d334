"""How much sooner many workers are done: ASHA, which waits for nobody, beside synchronous HyperBand.

Simulated (`orchestune.simulate`) on recorded curves, whose epochs last as long as they lasted: a search of 1,000 trials
on 1 to 1,000 workers, first all alike, then a tenth of them, drawn by the seed, five times slower. Two questions of
each: when has the last trial ended, and when was the loss found that every one of these searches finds. Geometric means
over problems and seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from statistics import geometric_mean
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is imported: a process a core

import numpy as np

from benchmarks import curves
from benchmarks.page import quote
from benchmarks.result import Headline, keep, options
from orchestune import Asha, HyperBand, Random, simulate

PROBLEMS = ("lcbench/167190", "rbv2_xgboost/37", "taskset/patch128_LSTM128_avg_bs64")
SCHEDULERS = {
    "asha": Asha(reduction_factor=3),
    "asha, promoting": Asha(reduction_factor=3, promote=True),
    "hyperband": HyperBand(reduction_factor=3),
}
WORKERS = (1, 4, 16, 64, 256, 1000)
SLOW, TIMES = 0.1, 5.0  # the share of workers that are slower, and how many times
CLUSTERS = {"all alike": 0.0, "a tenth five times slower": SLOW}
TRIALS, SEEDS = 1000, 3
ALONE = "whole search, times sooner than on one worker"
AHEAD = "whole search, times sooner than hyperband's"
LOSS = "the loss that all find, times sooner than hyperband"
FIGURES = (ALONE, AHEAD, LOSS)
HEADLINE = ("a tenth five times slower", 256)

Curve = Callable[[dict[str, Any]], tuple[Any, Any]]
Case = tuple[str, str, int]  # cluster, scheduler, workers


@dataclass(frozen=True)
class Search:
    """One simulated search: what it found when, best last, and when it was over."""

    found: list[tuple[float, float]]  # seconds, loss
    seconds: float
    epochs: int

    @property
    def loss(self) -> float:
        return self.found[-1][1]

    def reaches(self, loss: float) -> float:
        """The seconds until it had found so good a loss."""
        return next(seconds for seconds, found in self.found if found <= loss)


def slowness(workers: int, share: float, seed: int) -> list[float]:
    """Of each worker, how many times as long an epoch lasts. One alone is not slow: the others are compared with it."""
    slow = math.ceil(share * workers) if workers > 1 else 0
    chance = np.random.default_rng([seed, workers])
    return [float(times) for times in chance.permutation([TIMES] * slow + [1.0] * (workers - slow))]


def remembered(curve: Curve) -> Curve:
    """The searches of a seed ask the same configurations: each is looked up once."""
    known: dict[str, tuple[Any, Any]] = {}

    def look(config: dict[str, Any]) -> tuple[Any, Any]:
        key = json.dumps(config)
        if key not in known:
            known[key] = curve(config)
        return known[key]

    return look


def searches(name: str, seed: int, trials: int) -> dict[Case, Search]:
    """Every case on one problem."""
    (problem,) = (problem for problem in curves.problems() if problem.id == name)
    curve, space, found = remembered(problem.curve), curves.space_of(problem), {}
    for (cluster, share), (called, scheduler), workers in product(CLUSTERS.items(), SCHEDULERS.items(), WORKERS):
        done = simulate(
            curve, space=space, searcher=Random(), scheduler=scheduler, mode="min", max_epochs=problem.max_epoch,
            budget_epochs=trials * problem.max_epoch, num_samples=trials, seed=seed,
            workers=slowness(workers, share, seed),
        )  # fmt: skip
        best = list(_improvements((report.time, report.score) for report in done.reports))
        found[cluster, called, workers] = Search(best, done.reports[-1].time, len(done.reports))
    return found


def _improvements(reports: Iterator[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    best = math.inf
    for seconds, loss in reports:
        if loss < best:
            best = loss
            yield seconds, loss


def summary(runs: list[dict[Case, Search]]) -> dict[str, Any]:
    """Of every cluster and scheduler, by workers: how many times sooner than one worker, and than HyperBand."""
    worst = [max(search.loss for search in run.values()) for run in runs]  # what each of them finds
    rows: dict[str, Any] = {}
    for cluster, name in product(CLUSTERS, SCHEDULERS):
        row: dict[str, dict[str, float]] = {figure: {} for figure in (*FIGURES, "epochs")}
        for workers in WORKERS:
            here = [run[cluster, name, workers] for run in runs]
            alone = [run[cluster, name, 1] for run in runs]
            band = [run[cluster, "hyperband", workers] for run in runs]
            pairs = {
                ALONE: [(a.seconds, h.seconds) for a, h in zip(alone, here, strict=True)],
                AHEAD: [(b.seconds, h.seconds) for b, h in zip(band, here, strict=True)],
                LOSS: [(b.reaches(w), h.reaches(w)) for b, h, w in zip(band, here, worst, strict=True)],
            }
            for figure, found in pairs.items():
                row[figure][str(workers)] = round(geometric_mean(theirs / ours for theirs, ours in found), 2)
            row["epochs"][str(workers)] = round(sum(h.epochs for h in here) / len(here))
        rows[f"{name}, {cluster}"] = row
    return rows


def tables(found: Mapping[str, Any]) -> list[str]:
    """What docs/scale.md quotes."""
    rows = found["rows"]
    lines = [f"{'simulated on so many workers':58}" + "".join(f"{workers:>8,}" for workers in WORKERS)]
    for figure, cluster in product(FIGURES, CLUSTERS):
        lines.append(f"{figure}, {cluster}")
        for name in SCHEDULERS:
            if figure == ALONE or name != "hyperband":
                values = rows[f"{name}, {cluster}"][figure].values()
                lines.append(f"  {name:56}" + "".join(f"{_short(value):>8}" for value in values))
    return ["\n".join(lines) + "\n"]


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def measured(chosen: argparse.Namespace) -> dict[str, Any]:
    jobs = list(product(PROBLEMS[:1] if chosen.quick else PROBLEMS, range(1 if chosen.quick else SEEDS)))
    trials = 100 if chosen.quick else TRIALS
    runs = []
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for (name, seed), run in zip(
            jobs, pool.map(searches, *zip(*jobs, strict=True), [trials] * len(jobs)), strict=True
        ):
            print(f"{name}, seed {seed}: {sum(search.epochs for search in run.values())} epochs", flush=True)
            runs.append(run)
    return {"trials": trials, "problems": PROBLEMS, "seeds": SEEDS, "rows": summary(runs)}


def main() -> None:
    chosen = options(__doc__.partition("\n")[0])
    if not curves.there():
        sys.exit(f"skipped: the recorded curves are not here, {curves.FOLDER} has no loader.py")
    found = measured(chosen)
    print("", *tables(found), sep="\n")
    cluster, workers = HEADLINE
    headline = Headline(
        name=f"seconds to the loss that all find, HyperBand's / ASHA's, {workers} workers, {cluster}",
        value=found["rows"][f"asha, {cluster}"][LOSS][str(workers)],
        aim=">= 1",
    )
    keep(__file__, chosen, headline, found)
    if not chosen.quick and chosen.output is None:
        quote("scale", tables(found))


if __name__ == "__main__":
    main()
