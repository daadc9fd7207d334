"""Memory of four trials of `mnist_mlp` at once against one: what of it is the examples, and how often they are held.

The proportional set size (PSS) of the workers of `orchestune run`, read while they train: a page that four processes
map counts a quarter in each of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.efficiency import COMMAND, DISK
from benchmarks.mnist import PROJECT, files
from benchmarks.result import Headline, keep, options
from orchestune.running.journal import read_events

MB = 1e6


def held_by(workers: int) -> dict[str, float]:
    """Megabytes of all workers together, once each of them has trained an epoch."""
    with tempfile.TemporaryDirectory(prefix="orchestune-", dir=DISK) as storage:
        words = ["--storage", storage, "--run-name", "run", "--data", str(files()), "--num-samples", str(workers),
                 "--max-concurrent-trials", str(workers), "--cpus-per-trial", str(1 / 2), "--scheduler", "fifo",
                 "--max-epochs", "100"]  # fmt: skip
        running = subprocess.Popen([COMMAND, "run", "mnist_mlp", *words], cwd=PROJECT, stdout=subprocess.DEVNULL)
        try:
            events = Path(storage, "run", "events.jsonl")
            while trained(events) < workers:
                if running.poll() is not None:
                    sys.exit("the run ended before each worker had trained an epoch")
                time.sleep(0.5)
            found = [share(p) for p in psutil.Process(running.pid).children(recursive=True) if is_worker(p)]
        finally:
            running.terminate()
            running.wait()
    assert len(found) == workers, f"{len(found)} workers were found"
    return {"in all": sum(pss for pss, _ in found) / MB, "examples": sum(data for _, data in found) / MB}


def trained(events: Path) -> int:
    reports = [e["trial"] for e in read_events(events) if e["event"] == "report"] if events.exists() else []
    return len(set(reports))


def is_worker(process: psutil.Process) -> bool:
    return any("ray::MnistMLP" in word for word in process.cmdline())


def share(process: psutil.Process) -> tuple[float, float]:
    """(bytes of everything, bytes of the prepared examples)"""
    maps = process.memory_maps()
    return sum(m.pss for m in maps), sum(m.pss for m in maps if m.path.endswith(".pt"))


def main() -> None:
    chosen = options(__doc__.partition("\n")[0])
    if files() is None:
        sys.exit("skipped: MNIST's files are not here; name their folder in ORCHESTUNE_DATA")
    found = {str(workers): held_by(workers) for workers in (1, 4)}
    for workers, megabytes in found.items():
        print(f"{workers} at once: " + ", ".join(f"{name} {value:.0f} MB" for name, value in megabytes.items()))
    headline = Headline(
        name="memory that holds the examples, four trials at once / one",
        value=found["4"]["examples"] / found["1"]["examples"],
        aim="<= 1.1",
    )
    keep(__file__, chosen, headline, {"megabytes": found})


if __name__ == "__main__":
    main()
