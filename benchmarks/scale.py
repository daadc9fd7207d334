"""What limits a run on many workers: how many results a second its driver can answer, and what each part of that costs.

No cluster is needed: `benchmarks/driver.py` asks the conductor as Ray Tune would, without workers. What is said of 10,
100 and 1,000 of them follows by arithmetic and is written into docs/scale.md. What has been made cheaper is measured
beside what it was.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is imported: what else runs here has the other cores

from benchmarks.before import EveryBracket, EveryEvent, EveryPlace, EveryScore
from benchmarks.driver import EXPERIMENT, Driver, Observer
from benchmarks.page import quote
from benchmarks.parts import asha_ms, checkpoint_ms, fsync_ms, next_us, pool_us
from benchmarks.result import FOLDER, Headline, keep, options
from benchmarks.scale_tables import EACH_TIME, LIVE, MEGABYTES, WHOLE, tables
from benchmarks.suggestion_cost import SPACE
from orchestune import HyperBand
from orchestune.console import ProgressConsole
from orchestune.report.tensorboard import TensorBoardLog
from orchestune.running.journal import Event
from orchestune.running.record import Record
from orchestune.schedulers.asha import AshaScheduler
from orchestune.schedulers.hyperband import HyperBandScheduler
from orchestune.schedulers.promoting import PromotingScheduler

DISK = "/var/tmp"  # /tmp may be memory
ROUNDS = 5  # of which the median counts


def history(folder: Path, trials: int) -> None:
    """A run in which so many trials have ended: without waiting for the disk, since that is not what is measured."""
    driver = Driver(folder, workers=1)
    while driver.trials <= trials:
        driver.answer(100, sync=False)
    driver.close()


def resumed(root: Path, past: Path, workers: int) -> Driver:
    """The run goes on after `past` on so many workers, all of which train."""
    folder = Path(tempfile.mkdtemp(dir=root))
    shutil.copy(past / "events.jsonl", folder)
    driver = Driver(folder, workers)
    driver.answer(workers, sync=False)
    return driver


def conductor(driver: Driver, reports: int) -> dict[str, Any]:
    """With and without waiting for the disk, by turns: what else the disk has to do changes meanwhile."""
    free, synced = [], []
    for _ in range(ROUNDS):
        free.append(driver.answer(reports // ROUNDS, sync=False))
        synced.append(driver.answer(reports // ROUNDS))
    without, on_disk = (sorted(paces, key=lambda pace: pace.results_per_s)[ROUNDS // 2] for paces in (free, synced))
    return {
        "on_the_disk": on_disk.to_json(),
        "without_fsync": without.to_json(),
        "share_of_fsync": round(1 - on_disk.results_per_s / without.results_per_s, 3),
        "replay_s": round(driver.replay_s, 2),
    }


def default(root: Path, trials: int, reports: int) -> dict[str, float]:
    """Where the model of "auto" is asked for each leg, after so many trials: most of a leg is the model's."""
    driver = Driver(root / "auto", 100, replace(EXPERIMENT, space=SPACE, searcher="auto", scheduler="auto"))
    while driver.trials < trials:
        driver.answer(100, sync=False)
    pace = driver.answer(reports, sync=False)
    driver.close()
    return pace.to_json()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def listeners(driver: Driver, reports: int) -> dict[str, dict[str, float]]:
    """The pace while somebody listens, without waiting for the disk; the last is with it: a run on a terminal."""
    silent, found = driver.observe, {}
    for name, made, terminal, count in (
        ("nobody", (), io.StringIO(), reports),
        ("a line for each ended trial", (ProgressConsole(),), io.StringIO(), reports),
        (EACH_TIME, (EveryEvent(),), Terminal(), 20),
        ("live table", (ProgressConsole(),), Terminal(), reports),
        ("TensorBoard", (TensorBoardLog(),), io.StringIO(), reports),
        (WHOLE, (ProgressConsole(), TensorBoardLog()), Terminal(), reports),
    ):
        for one in made:
            one.open(terminal, EXPERIMENT, driver.paths)
        driver.observe = told(made, driver.trials)
        driver.answer(count // 10, sync=False)  # what is made once
        found[name] = driver.answer(count, sync=name == WHOLE).to_json()
        for one in made:
            one.close()
    driver.observe = silent
    return found


def told(made: Any, first: int) -> Observer:
    """Tells them; TensorBoard of the trials from the `first` on, since it would write the files of those before."""

    def observe(event: Event, record: Record) -> None:
        for one in made:
            if int(event.get("trial", -1)) >= first or not isinstance(one, TensorBoardLog):
                one.observe(event, record)

    return observe


def measured(root: Path, *, quick: bool) -> dict[str, Any]:
    ended, reports, times = (500, 100, 20) if quick else (10_000, 2000, 200)
    found: dict[str, Any] = {"ended_trials": ended, "fsync_ms": round(fsync_ms(root, times), 3)}
    history(root / "past", ended)
    found["conductor"] = {}
    for workers in LIVE:
        driver = resumed(root, root / "past", workers)
        found["conductor"][str(workers)] = figures = conductor(driver, reports)
        print(f"{workers:5} workers  {figures['on_the_disk']}, {figures['share_of_fsync']:.0%} of it fsync", flush=True)
        if workers == LIVE[-1]:
            found["listeners"] = listeners(driver, reports)
            for name, pace in found["listeners"].items():
                print(f"      {name}: {pace['results_per_s']} results a second", flush=True)
        driver.close()
    found["default"] = default(root, ended // 20, reports // 10)
    found["asha_ms"] = {
        str(scores): {
            "percentile of the rung": round(asha_ms(EveryScore, scores, times), 4),
            "rung in order": round(asha_ms(AshaScheduler, scores, times), 4),
        }
        for scores in (10_000, 100_000)
    }
    count = 10**6  # of trials that there may be in all
    found["next_us"] = {
        name: round(next_us(judge, ended, workers=100), 1)
        for name, judge in {
            "asha, promoting: every place looked at": EveryPlace(1, 4, 64, count),
            "asha, promoting": PromotingScheduler(1, 4, 64, count),
            "hyperband: every bracket looked at": EveryBracket(HyperBand(), 64, count),
            "hyperband": HyperBandScheduler(HyperBand(), 64, count),
        }.items()
    }
    found["pool_us"] = {str(machines): round(pool_us(machines, times), 1) for machines in (10, 1000)}
    found["checkpoint_ms"] = {
        str(size): round(checkpoint_ms(root, size, max(5, times // size)), 1) for size in (1, MEGABYTES)
    }
    for name in ("default", "asha_ms", "next_us", "pool_us", "checkpoint_ms"):
        print(f"{name}: {found[name]}", flush=True)
    return found


def quoted() -> dict[str, float]:
    """Of other benchmarks: a trial of one report on real Ray, all in all, and a suggestion."""
    cost = json.loads((FOLDER / "trial_cost.json").read_text())["steady_ms_per_trial"]
    asked = json.loads((FOLDER / "suggestion_cost.json").read_text())["milliseconds"]
    return {"trial_ms": cost["ours"], "hyperopt_ms": asked["hyperopt"]["500"]}


def main() -> None:
    chosen = options(__doc__.partition("\n")[0])
    with tempfile.TemporaryDirectory(prefix="orchestune-", dir=DISK) as root:
        found = measured(Path(root), quick=chosen.quick)
    found["quoted"] = quoted()
    print("", *tables(found), sep="\n")
    headline = Headline(
        name=f"results a second that the driver answers with {LIVE[-1]} live trials and {found['ended_trials']} ended "
        "ones, each on the disk, in the live table and in TensorBoard",
        value=found["listeners"][WHOLE]["results_per_s"],
        aim=">= 100",
    )
    keep(__file__, chosen, headline, found)
    if not chosen.quick and chosen.output is None:
        quote("scale", tables(found))


if __name__ == "__main__":
    main()
