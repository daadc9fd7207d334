"""What a checkpoint costs that the head keeps, written by a worker through Ray, against the same in a folder.

Both ways write to the same disk of this machine and wait for it, so that the ratio is what the way through the actor
costs; a network between two machines comes on top.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import ray

from benchmarks.page import quote
from benchmarks.result import Headline, keep, options
from benchmarks.trial_cost import DISK
from orchestune.storage.depot import Depot
from orchestune.storage.folder import Folder
from orchestune.storage.head import FromAfar, Kept
from orchestune.training.checkpoint import CheckpointStore, Place

MIB = 1 << 20
SIZES = (1, 64)  # MiB of a checkpoint
WRITERS = (1, 4)  # at a time


@ray.remote(num_cpus=0)  # type: ignore[misc]
def written(depot: Depot, trial: str, mebibytes: int, count: int) -> None:
    """Checkpoints of one trial, one after the other; the last two are kept, as legs keep them."""
    store, content = CheckpointStore(depot), bytes(mebibytes * MIB)
    store.fence(trial, 1)
    for epoch in range(1, count + 1):
        store.write(Place(epoch, 1, trial), [], lambda folder: (folder / "state").write_bytes(content) and None)
        store.keep_only(trial, {Place(epoch, 1, trial), Place(epoch - 1, 1, trial)})


@ray.remote(num_cpus=0)  # type: ignore[misc]
def read(depot: Depot, trial: str, epoch: int) -> None:
    with CheckpointStore(depot).opened(Place(epoch, 1, trial)) as folder:
        (folder / "state").read_bytes()


def seconds(depot: Depot, round_: int, mebibytes: int, writers: int, count: int) -> tuple[float, float]:
    """Of writing all checkpoints, and of reading each writer's last."""
    trials = [f"{round_}-{mebibytes}-{writers}-{n}" for n in range(writers)]
    began = time.perf_counter()
    ray.get([written.remote(depot, trial, mebibytes, count) for trial in trials])
    between = time.perf_counter()
    ray.get([read.remote(depot, trial, count) for trial in trials])
    return between - began, time.perf_counter() - between


def main() -> None:
    chosen = options(__doc__.partition("\n")[0])
    rounds, megabytes = (1, 128) if chosen.quick else (5, 512)
    found: list[dict[str, Any]] = []
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=256 * MIB,
    )
    with tempfile.TemporaryDirectory(prefix="orchestune-", dir=DISK) as name:
        kept = Kept(Path(name, "kept"))
        with kept.served():
            ways: dict[str, Depot] = {"folder": Folder(Path(name, "folder")), "head": FromAfar(kept.where)}
            for depot in ways.values():
                seconds(depot, -1, 1, max(WRITERS), 1)  # the workers' start
            for size in SIZES:
                for writers in WRITERS:
                    count = max(megabytes // size // writers // (1 if size > 1 else 8), 2)
                    pairs = [{way: seconds(depot, n, size, writers, count) for way, depot in ways.items()}
                             for n in range(rounds)]  # fmt: skip
                    moved = size * writers * count
                    found.append(_row(size, writers, moved, pairs))
                    print("  ".join(f"{key} {value}" for key, value in found[-1].items()), flush=True)
    ray.shutdown()
    large = next(row for row in found if (row["mebibytes"], row["writers"]) == (SIZES[-1], 1))
    headline = Headline(
        name=f"time of a {SIZES[-1]} MiB checkpoint that the head keeps / in a folder",
        value=large["write_ratio"],
        aim="<= 3",
    )
    keep(__file__, chosen, headline, {"rows": found})
    if not chosen.quick and chosen.output is None:
        quote("cluster", tables({"rows": found}))


def tables(found: dict[str, Any]) -> list[str]:
    """The page's one."""
    rows: list[tuple[str, list[str]]] = [
        ("checkpoints of, MiB", [f"{row['mebibytes']}" for row in found["rows"]]),
        ("workers that write at a time", [f"{row['writers']}" for row in found["rows"]]),
        ("MiB a second, all workers together", [f"{row['head_mib_per_s']:.0f}" for row in found["rows"]]),
        ("the same in a folder", [f"{row['folder_mib_per_s']:.0f}" for row in found["rows"]]),
        ("time of writing, times a folder's", [f"{row['write_ratio']:.2g}" for row in found["rows"]]),
        ("time of reading, times a folder's", [f"{row['read_ratio']:.2g}" for row in found["rows"]]),
    ]
    return ["".join(f"{name:36}" + "".join(f"{value:>7}" for value in values) + "\n" for name, values in rows)]


def _row(size: int, writers: int, moved: int, pairs: list[dict[str, tuple[float, float]]]) -> dict[str, Any]:
    """Medians over the rounds; the ratios are of each round's own pair."""
    rate = {way: moved / statistics.median(pair[way][0] for pair in pairs) for way in pairs[0]}
    return {
        "mebibytes": size,
        "writers": writers,
        "head_mib_per_s": round(rate["head"], 1),
        "folder_mib_per_s": round(rate["folder"], 1),
        "write_ratio": round(statistics.median(pair["head"][0] / pair["folder"][0] for pair in pairs), 2),
        "read_ratio": round(statistics.median(pair["head"][1] / pair["folder"][1] for pair in pairs), 2),
    }


if __name__ == "__main__":
    main()
