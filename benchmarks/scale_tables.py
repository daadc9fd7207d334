"""What `benchmarks/scale.py` found, in the tables of docs/scale.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LIVE = (10, 100, 1000)
WHOLE = "live table, TensorBoard, and on the disk"
EACH_TIME = "live table, made at every event"
EPOCH_S, MEGABYTES = 60, 50  # of the run that is reckoned with

Found = Mapping[str, Any]


def tables(found: Found) -> list[str]:
    return [reckoned(found), costs(found), alone(found), cheaper(found)]


def reckoned(found: Found) -> str:
    """What follows for so many workers."""
    pace, given = found["listeners"][WHOLE]["results_per_s"], found["quoted"]
    model, disk = found["default"]["next_leg_ms"], found["checkpoint_ms"][str(MEGABYTES)]
    return _table(
        [
            ("reckoned for so many workers", LIVE),
            (f"results a second, at {EPOCH_S} s an epoch", [n / EPOCH_S for n in LIVE]),
            ("shortest epoch that the driver keeps up with, s", [n / pace for n in LIVE]),
            ("the same, measured through Ray Tune, s", [n * given["trial_ms"] / 1000 for n in LIVE]),
            ("shortest leg, asked of the default's model, s", [n * model / 1000 for n in LIVE]),
            ("shortest trial, asked of hyperopt, s", [n * given["hyperopt_ms"] / 1000 for n in LIVE]),
            (f"MB/s of checkpoints, {MEGABYTES} MB an epoch", [n * MEGABYTES / EPOCH_S for n in LIVE]),
            ("disks such as this one that those keep busy", [n * disk / 1000 / EPOCH_S for n in LIVE]),
        ]
    )


def costs(found: Found) -> str:
    """What the conductor needs, with so many live trials."""
    paces = [found["conductor"][str(workers)] for workers in LIVE]
    free, synced = ([pace[key] for pace in paces] for key in ("without_fsync", "on_the_disk"))
    return _table(
        [
            (f"conductor, {found['ended_trials']:,} ended and so many live trials", LIVE),
            ("ms of a report, in memory", [pace["report_ms"] for pace in free]),
            ("ms of the next leg, in memory", [pace["next_leg_ms"] for pace in free]),
            ("results a second, in memory", [pace["results_per_s"] for pace in free]),
            ("results a second, each on the disk", [pace["results_per_s"] for pace in synced]),
            ("% of which the driver waits for the disk", [100 * pace["share_of_fsync"] for pace in paces]),
            ("s to read the journal at `resume`", [pace["replay_s"] for pace in paces]),
        ]
    )


def alone(found: Found) -> str:
    """Single parts; the listeners with 1,000 live trials and in memory, but for the last of them."""
    pace = {name: told["results_per_s"] for name, told in found["listeners"].items() if name != EACH_TIME}
    rows: list[tuple[str, Sequence[float]]] = [("parts, each alone", ())]
    rows += [(f"results a second: {name}", [told]) for name, told in pace.items()]
    rows += [
        ("ms of an fsync of a line", [found["fsync_ms"]]),
        ("ms of a leg that the default's model chooses", [found["default"]["next_leg_ms"]]),
        ("us of a place on one of 10 machines, and its return", [found["pool_us"]["10"]]),
        ("us of a place on one of 1,000 machines, and its return", [found["pool_us"]["1000"]]),
    ]
    return _table(rows + [(f"ms of a checkpoint of {size} MB", [ms]) for size, ms in found["checkpoint_ms"].items()])


def cheaper(found: Found) -> str:
    """What was made cheaper, before and now, in one run."""
    table = found["listeners"]
    rows: list[tuple[str, Sequence[Any]]] = [
        ("cheaper: before, now", ()),
        ("results a second, live table", [table[name]["results_per_s"] for name in (EACH_TIME, "live table")]),
    ]
    rows += [(f"ms of ASHA's word at a rung of {int(n):,}", [*both.values()]) for n, both in found["asha_ms"].items()]
    named = found["next_us"]
    rows += [(f"us of the next leg of {name}", [*_pair(named, name)]) for name in ("asha, promoting", "hyperband")]
    return _table(rows)


def _pair(named: Mapping[str, float], name: str) -> Iterable[float]:
    return (value for key, value in named.items() if key.startswith(name))


def _table(rows: Iterable[tuple[str, Sequence[float]]]) -> str:
    lines = [f"{name:56}" + "".join(f"{_number(value):>9}" for value in values) for name, values in rows]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _number(value: float) -> str:
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value >= 0.01 else f"{value:.1g}"
