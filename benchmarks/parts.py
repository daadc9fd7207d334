"""What each part of a run's driver costs alone, in processor time; what waits for the disk, in the clock's."""

from __future__ import annotations

import os
import random
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any

from orchestune import Asha, Resources
from orchestune.running.pool import Pool
from orchestune.schedulers import Continue, Decision, Report, Scheduler, Start
from orchestune.schedulers.asha import AshaScheduler
from orchestune.training.checkpoint import CheckpointStore, Place


def milliseconds(what: Callable[[], Any], times: int, clock: Callable[[], float] = time.process_time) -> float:
    """The median of so many calls."""
    found = []
    for _ in range(times):
        began = clock()
        what()
        found.append(1000 * (clock() - began))
    return median(found)


def fsync_ms(root: Path, times: int) -> float:
    """Of a line's length at the end of a file."""
    file = os.open(root / "line", os.O_RDWR | os.O_CREAT | os.O_APPEND)

    def line() -> None:
        os.write(file, bytes(250))
        os.fsync(file)

    found = milliseconds(line, times, time.perf_counter)
    os.close(file)
    return found


def asha_ms(kind: type[AshaScheduler], scores: int, times: int) -> float:
    """Of a decision at a rung where there are so many."""
    judge, chance = kind(Asha(), 64, None), random.Random(0)
    judge.rungs[1] = sorted(chance.random() for _ in range(scores))
    reports = (Report(f"{n:04d}", 1, chance.random()) for n in range(times))
    return milliseconds(lambda: judge.decide(next(reports)), times)


def next_us(judge: Scheduler, trials: int, workers: int) -> float:
    """Of naming the next leg, once so many trials were born: the mean over the last hundredth of them."""
    chance, live, epochs, seconds = random.Random(0), deque[str](), dict[str, int](), list[float]()
    while len(epochs) < trials:
        while len(live) < workers:
            began = time.process_time()
            work = judge.next()
            if len(epochs) >= trials - trials // 100:
                seconds.append(time.process_time() - began)
            if not isinstance(work, Start | Continue):
                break
            trial = work.trial if isinstance(work, Continue) else f"{len(epochs):05d}"
            judge.started(trial, epochs.setdefault(trial, 0), work.until, {})
            live.append(trial)
        trial = live.popleft()
        epochs[trial] += 1
        decision = judge.decide(Report(trial, epochs[trial], chance.random()))
        if decision is Decision.CONTINUE:
            live.append(trial)
        elif decision is Decision.STOP:
            judge.ended(trial, "finished")
    return 10**6 * fmean(seconds)


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

    return milliseconds(write, times, time.perf_counter)


def _fill(folder: Path, data: bytes) -> None:
    (folder / "state.pt").write_bytes(data)
