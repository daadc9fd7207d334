"""What one trial costs beside its training: through this project's runner, and through raw Ray Tune.

The trial does nothing: a random number in, a metric out, one epoch, one checkpoint of a kilobyte. Ours is journaled,
fsynced and checkpointed as any trial is. Raw Ray Tune is as its tutorial writes it, with its defaults. Both work on the
same Ray, which is started before, two trials at a time, by turns, on a real disk.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import ray
from ray import tune

from benchmarks.noop import NoOp
from benchmarks.result import Headline, keep, options
from orchestune import Experiment, Fifo, Random
from orchestune.environment import settings
from orchestune.running.ray_session import OBJECT_STORE, RAY_SETTINGS
from orchestune.running.runner import start

SLOTS = 2
SPACE = {"x": tune.uniform(0, 1)}
DISK = "/var/tmp"  # /tmp may be memory
BARE = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "TUNE_GLOBAL_CHECKPOINT_S": "1000000"}


@dataclass(frozen=True)
class Cost:
    """Of one fit: seconds from its call to its return, and when each trial ended since the call."""

    trials: int
    seconds: float
    ends: list[float]
    kilobytes: float = 0.0  # by which the driver's memory grew, per trial

    @property
    def whole(self) -> float:
        """Milliseconds per trial, with starting and stopping the actors."""
        return 1000 * self.seconds / self.trials

    @property
    def steady(self) -> float:
        """Milliseconds per trial from the first ended trial to the last."""
        return self.between(0, None)

    def between(self, first: int, last: int | None) -> float:
        """Milliseconds per trial, from the end of one trial to that of another."""
        ends = sorted(self.ends)[first:last]
        return 1000 * (ends[-1] - ends[0]) / (len(ends) - 1)

    def to_json(self) -> dict[str, float]:
        return {"trials": self.trials, "whole_ms": round(self.whole, 2), "steady_ms": round(self.steady, 2)}


class Ends:
    """Notes when trials end: a listener of our runner."""

    def __init__(self) -> None:
        self.began, self.times = time.monotonic(), list[float]()
        self.memory: list[int] = []  # bytes of the driver, at each end

    def note(self) -> None:
        self.times.append(time.monotonic() - self.began)
        self.memory.append(psutil.Process().memory_info().rss)

    def open(self, *_: Any) -> None: ...
    def say(self, text: str) -> None: ...
    def close(self) -> None: ...

    def observe(self, event: dict[str, Any], record: Any) -> None:
        if event["event"] == "end":
            self.note()

    def cost(self, trials: int) -> Cost:
        assert len(self.times) == trials, f"{len(self.times)} of {trials} trials ended"
        seconds = time.monotonic() - self.began
        # Allocators grow by steps: the slope is taken from the first tenth of the trials on.
        early = trials // 10
        grown = (self.memory[-1] - self.memory[early]) / (trials - 1 - early) / 1024
        return Cost(trials, seconds, self.times, grown)


class EndsOfTune(tune.Callback):  # type: ignore[misc]
    """Notes when trials end: a callback of Tune's."""

    def __init__(self, ends: Ends) -> None:
        self.ends = ends

    def on_trial_complete(self, *_: Any, **__: Any) -> None:
        self.ends.note()


def ours(trials: int, storage: Path) -> Cost:
    experiment = Experiment(
        trainable=NoOp, space=SPACE, metric="score", mode="max", searcher=Random(), scheduler=Fifo(),
        num_samples=trials, max_epochs=1, max_concurrent_trials=SLOTS,
    )  # fmt: skip
    ends = Ends()
    outcome = start(experiment, name="noop", storage=storage, run_name="ours", listeners=[ends])
    assert outcome.record.epochs == trials
    return ends.cost(trials)


def raw(trials: int, storage: Path) -> Cost:
    """Tune's defaults, but for what the comparison fixes: the storage, and a checkpoint per epoch as ours writes."""
    ends = Ends()
    tune.Tuner(
        NoOp,
        param_space=SPACE,
        tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=SLOTS),
        run_config=tune.RunConfig(
            storage_path=str(storage),
            stop={"training_iteration": 1},
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1),
            callbacks=[EndsOfTune(ends)],
            verbose=0,
        ),
    ).fit()
    return ends.cost(trials)


def bare(trials: int, storage: Path) -> Cost:
    """The least Tune can do: reused actors, no checkpoints, no log files, no snapshots of its state."""
    ends = Ends()
    with settings(BARE):
        tune.Tuner(
            NoOp,
            param_space=SPACE,
            tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=SLOTS, reuse_actors=True),
            run_config=tune.RunConfig(
                storage_path=str(storage),
                stop={"training_iteration": 1},
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[EndsOfTune(ends)],
                verbose=0,
            ),
        ).fit()
    return ends.cost(trials)


@contextmanager
def cluster() -> Iterator[None]:
    """Ray on two CPUs, whose workers find this package."""
    with settings({**RAY_SETTINGS, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}):
        ray.init(
            address="local", num_cpus=SLOTS, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
            object_store_memory=OBJECT_STORE,
        )  # fmt: skip
        try:
            yield
        finally:
            ray.shutdown()


def measured(way: Callable[[int, Path], Cost], trials: int) -> Cost:
    with tempfile.TemporaryDirectory(prefix="orchestune-", dir=DISK) as storage, redirect_stdout(io.StringIO()):
        return way(trials, Path(storage))


def alone(trials: int) -> Cost:
    """Ours, in a process and on a Ray of its own."""
    with cluster():
        measured(ours, 10)  # the process's first fit imports and allocates what later ones find
        return measured(ours, trials)


def by_turns(trials: int, rounds: int) -> dict[str, list[Cost]]:
    ways = {"raw": raw, "ours": ours, "bare": bare}
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    with cluster():
        for _ in range(rounds):
            for name, way in ways.items():
                costs[name].append(measured(way, trials))
                print(_row(name, costs[name][-1]), flush=True)
    return costs


def at_sizes(sizes: list[int]) -> list[Cost]:
    costs = []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as processes:
        for trials in sizes:
            costs.append(processes.submit(alone, trials).result())
            print(_row("ours", costs[-1]) + f"   {costs[-1].kilobytes:6.1f} kB a trial", flush=True)
    return costs


def _row(name: str, cost: Cost) -> str:
    return f"{name:5} {cost.trials:6} trials  {cost.whole:8.1f} ms each, whole fit  {cost.steady:8.1f} ms each, steady"


def main() -> None:
    chosen = options(__doc__.partition("\n")[0])
    trials, rounds, sizes = (6, 1, [50, 200]) if chosen.quick else (100, 2, [100, 1000, 5000])
    costs = by_turns(trials, rounds)
    sized = at_sizes(sizes)
    whole = {name: median(cost.whole for cost in of) for name, of in costs.items()}
    steady = {name: median(cost.steady for cost in of) for name, of in costs.items()}
    tenth = sized[-1].trials // 10
    growth = sized[-1].between(-tenth, None) / sized[-1].between(0, tenth)
    print(f"\nsteady, raw / ours: {steady['raw'] / steady['ours']:.1f}")
    print(f"steady, ours / bare: {steady['ours'] / steady['bare']:.2f}")
    print(f"the last tenth of {sized[-1].trials} trials / the first: {growth:.2f} (aim <= 1.2)")
    figures = {
        "trials_each": trials,
        "whole_fit_ms_per_trial": _rounded(whole),
        "steady_ms_per_trial": _rounded(steady),
        "raw_over_ours_by_round": [
            round(a.whole / b.whole, 1) for a, b in zip(costs["raw"], costs["ours"], strict=True)
        ],
        "raw_over_ours_steady": round(steady["raw"] / steady["ours"], 1),
        "ours_over_bare_steady": round(steady["ours"] / steady["bare"], 2),
        "rounds": {name: [cost.to_json() for cost in of] for name, of in costs.items()},
        "sizes": [cost.to_json() | {"driver_kB_per_trial": round(cost.kilobytes, 1)} for cost in sized],
        "last_tenth_over_first_tenth": {"value": round(growth, 2), "aim": "<= 1.2", "holds": growth <= 1.2},
    }
    headline = Headline(
        name=f"cost of a trial, raw Ray Tune / ours, {trials} trials with the start and the end of their actors",
        value=whole["raw"] / whole["ours"],
        aim=">= 40",
    )
    keep(__file__, chosen, headline, figures)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}


if __name__ == "__main__":
    main()
