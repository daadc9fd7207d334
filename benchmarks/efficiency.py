"""CPU-seconds of ten configurations of `mnist_mlp`, ten epochs each, on 20,000 images: the search against a plain loop.

All processes count, from the command's start to its end: the same configurations, network, batches of 32 and optimizer
in a plain loop over tensors, in `orchestune run`, in plain Ray Tune as its tutorial writes it and in KerasTuner with
its torch backend, by turns. The plain loop is measured twice: with `torch.optim.Adam(weights, lr)` as one writes it,
and with `fused=True`, which `orchestune` sets by itself.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.mnist import EPOCHS, IMAGES, TRIALS, Used, cost, files
from benchmarks.result import Headline, keep, options
from orchestune.running.journal import read_events

DISK = "/var/tmp"  # /tmp may be memory
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # as Ray gives its workers: more only add CPU-seconds at this size
COMMAND = str(Path(sys.executable).with_name("orchestune"))
Row = dict[str, float]


def script(name: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{name}", *words]


def of_all(command: list[str]) -> Row:
    used, wall, _ = cost(command, **ONE_THREAD)
    return {"cpu_seconds": used.total, "wall_seconds": wall}


def plain() -> Row:
    return of_all(script("plain_mnist"))


def fused() -> Row:
    return of_all(script("plain_mnist", "--fused"))


def raw() -> Row:
    with tempfile.TemporaryDirectory(prefix="orchestune-", dir=DISK) as storage:
        return of_all(script("raw_mnist", storage))


def keras() -> Row:
    with tempfile.TemporaryDirectory(prefix="orchestune-", dir=DISK) as folder:
        return of_all(script("keras_mnist", folder))


def ours() -> Row:
    """With its parts. Training, evaluation and checkpoints are the workers' wall seconds: each has a core."""
    with tempfile.TemporaryDirectory(prefix="orchestune-", dir=DISK) as storage:
        used, wall, _ = cost(
            [COMMAND, "run", "mnist_mlp", "--storage", storage, "--run-name", "run", "--data", str(files()),
             "--searcher", "random", "--scheduler", "fifo", "--num-samples", str(TRIALS), "--max-epochs", str(EPOCHS),
             "--set", f"images={IMAGES}"],
            **ONE_THREAD,
        )  # fmt: skip
        reports = [e["telemetry"] for e in read_events(Path(storage, "run", "events.jsonl")) if e["event"] == "report"]
    assert len(reports) == TRIALS * EPOCHS
    parts = {part: sum(report[part] for report in reports) for part in ("train_s", "evaluate_s", "checkpoint_s")}
    workers, driver = used.below("ray::MnistMLP"), used.below(COMMAND)
    return {
        "cpu_seconds": used.total,
        "wall_seconds": wall,
        "training": parts["train_s"],
        "evaluation": parts["evaluate_s"],
        "checkpoints": parts["checkpoint_s"],
        "the workers' start and the rest of them": workers - sum(parts.values()),
        "driver": driver,
        "Ray's own processes": used.total - workers - driver,
    }


WAYS: dict[str, Callable[[], Row]] = {"plain": plain, "fused": fused, "ours": ours, "raw": raw, "keras": keras}


def medians(rows: list[Row]) -> Row:
    return {name: round(median(row[name] for row in rows), 2) for name in rows[0]}


def main() -> None:
    chosen = options(__doc__.partition("\n")[0])
    if files() is None:
        sys.exit("skipped: MNIST's files are not here; name their folder in ORCHESTUNE_DATA")
    ways = {name: WAYS[name] for name in ("fused", "ours")} if chosen.quick else WAYS
    rows: dict[str, list[Row]] = {name: [] for name in ways}
    for _ in range(1 if chosen.quick else 2):
        for name, way in ways.items():
            rows[name].append(way())
            print(f"{name:6} {rows[name][-1]['cpu_seconds']:7.1f} CPU-seconds", flush=True)
    found = {name: medians(of) for name, of in rows.items()}
    for part, seconds in found["ours"].items():
        print(f"  {part:42} {seconds:7.2f} s")
    base = found.get("plain", found["fused"])["cpu_seconds"]
    ratios = {name: round(of["cpu_seconds"] / base, 2) for name, of in found.items()}
    print("against the plain loop:", ratios)
    figures: dict[str, Any] = {
        "seconds": found,
        "ratio_to_plain": ratios,
        "ours_to_fused_plain": round(found["ours"]["cpu_seconds"] / found["fused"]["cpu_seconds"], 2),
        "rounds": rows,
    }
    print("ours against the plain loop with fused=True:", figures["ours_to_fused_plain"])
    headline = Headline(name="CPU-seconds of the search / of the same epochs in a plain loop over tensors",
                        value=ratios["ours"], aim="<= 1.15")  # fmt: skip
    keep(__file__, chosen, headline, figures)


if __name__ == "__main__":
    Used()  # orphans are this process's from now on
    main()
