"""Wall seconds from the command until some trial reads 97 % of 10,000 held-out MNIST images, three ways.

All search the same space on the same 50,000 images with batches of 32 and two cores: `orchestune run mnist_mlp` with
its default searcher and scheduler, KerasTuner's Hyperband with its torch backend, and plain Ray Tune with random search
and ASHA as its tutorial sets it up. By turns, once for each seed.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.efficiency import COMMAND, DISK, script
from benchmarks.mnist import GOAL, cost, files
from benchmarks.result import Headline, keep, options
from orchestune.running.journal import read_events

LIMIT = float("inf")  # of a way that ended without reaching the goal


def ours(seed: int) -> float:
    with tempfile.TemporaryDirectory(prefix="orchestune-", dir=DISK) as storage:
        began = time.time()
        cost([COMMAND, "run", "mnist_mlp", "--storage", storage, "--run-name", "run", "--data", str(files()),
              "--seed", str(seed), "--stop-at-score", str(GOAL)])  # fmt: skip
        reports = [e for e in read_events(Path(storage, "run", "events.jsonl")) if e["event"] == "report"]
    return next((e["t"] - began for e in reports if e["score"] is not None and e["score"] >= GOAL), LIMIT)


def other(name: str) -> Callable[[int], float]:
    def way(seed: int) -> float:
        with tempfile.TemporaryDirectory(prefix="orchestune-", dir=DISK) as folder:
            began = time.time()
            _, _, said = cost(script(name, folder, str(GOAL), str(seed)))
        reached = re.search(r"REACHED (\S+)", said)
        return float(reached[1]) - began if reached else LIMIT

    return way


WAYS: dict[str, Callable[[int], float]] = {"ours": ours, "keras": other("keras_mnist"), "raw": other("raw_mnist")}


def main() -> None:
    chosen = options(__doc__.partition("\n")[0])
    if files() is None:
        sys.exit("skipped: MNIST's files are not here; name their folder in ORCHESTUNE_DATA")
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for seed in range(1 if chosen.quick else 5):
        for name, way in WAYS.items():
            seconds[name].append(round(way(seed), 2))
            print(f"seed {seed}  {name:6} {seconds[name][-1]:7.1f} s", flush=True)
    medians = {name: round(median(of), 2) for name, of in seconds.items()}
    to = {name: round(medians[name] / medians["ours"], 2) for name in ("keras", "raw")}
    print(
        f"medians {medians}; KerasTuner's Hyperband / ours {to['keras']} (aim 10), "
        f"plain Ray Tune / ours {to['raw']} (aim 3)"
    )
    headline = Headline(
        name=f"wall seconds to a held-out accuracy of {GOAL} on MNIST, KerasTuner's Hyperband / ours",
        value=to["keras"],
        aim=">= 10",
    )
    keep(__file__, chosen, headline, {"seconds": seconds, "medians": medians, "to_ours": to})


if __name__ == "__main__":
    main()
