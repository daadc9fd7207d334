"""What limits a run on many workers: how many results a second its driver can answer, and what each part of that costs.

No cluster is needed: `benchmarks/driver.py` asks the conductor as Ray Tune would, without workers. What is said of 10,
100 and 1,000 of them follows by arithmetic, in docs/scale.md. What has been made cheaper is measured beside what it was.
"""

from __future__ import annotations

import io
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.driver import EXPERIMENT, Driver, unsynced
from benchmarks.result import Headline, keep, options
from orchestune import Asha, Resources
from orchestune.console import ProgressConsole
from orchestune.report.tensorboard import TensorBoardLog
from orchestune.running.pool import Pool
from orchestune.schedulers import Report
from orchestune.schedulers.asha import AshaScheduler
from orchestune.training.checkpoint import CheckpointStore, Place

DISK = "/var/tmp"  # /tmp may be memory
LIVE = (10, 100, 1000)
REPORTS = 2000


def milliseconds(what: Callable[[], Any], times: int) -> float:
    """The median of so many calls."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        what()
        found.append(1000 * (time.perf_counter() - began))
    return median(found)


def history(folder: Path, trials: int) -> None:
    """A run in which so many trials have ended: without waiting for the disk, since that is not what is measured."""
    driver = Driver(folder, workers=1)
    with unsynced():
        while driver.trials <= trials:
            driver.answer(100)
    driver.close()


def conductor(root: Path, past: Path, workers: int, reports: int) -> dict[str, Any]:
    """Of a run that goes on after `past`, with and without waiting for the disk."""
    folder = root / f"{workers}-workers"
    folder.mkdir()
    shutil.copy(past / "events.jsonl", folder)
    driver = Driver(folder, workers)
    with unsynced():
        driver.answer(workers)
        free = driver.answer(reports)
    synced = driver.answer(reports)
    driver.close()
    share = 1 - synced.results_per_s / free.results_per_s
    return {
        "on_the_disk": synced.to_json(),
        "without_fsync": free.to_json(),
        "share_of_fsync": round(share, 3),
        "replay_s": round(driver.replay_s, 2),
    }


def fsync_ms(root: Path, times: int) -> float:
    """Of a line's length at the end of a file."""
    file = os.open(root / "line", os.O_RDWR | os.O_CREAT | os.O_APPEND)

    def line() -> None:
        os.write(file, bytes(250))
        os.fsync(file)

    found = milliseconds(line, times)
    os.close(file)
    return found


class PercentileAsha(AshaScheduler):
    """As it was: the percentile of a whole rung for each report there."""

    def keeps(self, report: Report) -> bool:
        scores = self.rungs[report.epoch]
        good = not scores or report.score >= float(np.percentile(scores, self.keep * 100))
        scores.append(report.score)
        return good


def asha_ms(kind: type[AshaScheduler], scores: int, times: int) -> float:
    """Of a decision at a rung where there are so many."""
    judge, chance = kind(Asha(), 64, None), random.Random(0)
    judge.rungs[1] = sorted(chance.random() for _ in range(scores))
    reports = (Report(f"{n:04d}", 1, chance.random()) for n in range(times))
    return milliseconds(lambda: judge.decide(next(reports)), times)


def pool_us(machines: int, times: int) -> float:
    """Of one guest's `fits`, `take` and `give_back`, where half of the machines are taken."""
    pool, needs = Pool([{"CPU": 8.0, "GPU": 4.0, "memory": 64e9}] * machines), Resources(cpu=2, gpu=1)
    for _ in range(machines * 2):
        pool.take(needs)

    def guest() -> None:
        if pool.fits(needs) and (stay := pool.take(needs)):
            pool.give_back(stay)

    return 1000 * milliseconds(guest, times)


def checkpoint_ms(root: Path, megabytes: int, times: int) -> float:
    """Of one that is written, hashed and on the disk."""
    store, data, epochs = CheckpointStore(root / f"{megabytes}-MB"), os.urandom(megabytes * 10**6), iter(range(1, 1000))
    store.fence("0000", 1)

    def write() -> None:
        place = Place(next(epochs), 1, "0000")
        store.write(place, [], lambda folder: _fill(folder, data))
        store.keep_only("0000", {place})

    return milliseconds(write, times)


def _fill(folder: Path, data: bytes) -> None:
    (folder / "state.pt").write_bytes(data)
