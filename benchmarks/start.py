"""How long it takes from `orchestune run digits_mlp` to the first training step, by part, and back to the prompt.

The real command, timed from outside: its journal says when Ray was up, when the first leg was handed out and when its
report came; Ray's processes say when they were born. By turns with the same question in plain Ray Tune.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.result import Headline, keep, options
from orchestune.running.journal import read_events

PROJECT = Path(__file__).parents[1]
COMMAND = [str(Path(sys.executable).with_name("orchestune")), "run", "digits_mlp"]
SMALL = ["--num-samples", "2", "--max-epochs", "2", "--max-concurrent-trials", "2"]
DISK = "/var/tmp"  # /tmp may be memory

# What the command imports before it starts Ray, in its order, and what an actor imports.
DRIVER = ["orchestune.cli", "ray", "ray.tune", "orchestune.console", "orchestune.running.runner", "torch",
          "sklearn.datasets", "sklearn.model_selection", "experiments.digits_mlp", "hyperopt"]  # fmt: skip
WORKER = ["ray", "ray.tune", "torch", "sklearn.datasets", "sklearn.model_selection", "trainables.mlp",
          "orchestune.training.legs"]  # fmt: skip
IMPORT = """
import importlib, json, sys, time
took = {}
for name in sys.argv[1:]:
    began = time.perf_counter()
    importlib.import_module(name)
    took[name] = round(time.perf_counter() - began, 3)
print(json.dumps(took))
"""


def ours() -> dict[str, float]:
    """Seconds by part, in order. The first step began where the first report came, less the step's own seconds."""
    with tempfile.TemporaryDirectory(prefix="orchestune-", dir=DISK) as storage:
        began = time.time()
        done = subprocess.run(
            [*COMMAND, "--storage", storage, "--run-name", "start", *SMALL],
            cwd=PROJECT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        ended = time.time()
        assert done.returncode == 0, done.stderr
        events = read_events(Path(storage, "start", "events.jsonl"))
    first = {name: next(e for e in events if e["event"] == name) for name in ("session", "leg", "report", "run_end")}
    moments = {
        "command": began,
        "interpreter, imports, experiment": min(born for _, born in first["session"]["processes"]),
        "ray.init": first["session"]["t"],
        "first leg": first["leg"]["t"],
        "first actor": first["report"]["t"] - first["report"]["seconds"],
        "first step, checkpoint, report": first["report"]["t"],
        "the rest of the run": first["run_end"]["t"],
        "shutdown": ended,
    }
    return _parts(moments) | {"to the first step": moments["first actor"] - began, "in all": ended - began}


def raw() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="orchestune-", dir=DISK) as storage:
        began = time.time()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.raw_digits", storage],
            cwd=PROJECT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        ended = time.time()
        assert done.returncode == 0, done.stderr
        marks = json.loads(Path(storage, "marks.json").read_text())
    moments = {
        "command": began,
        "interpreter, imports, ray.init": marks["ray_up"],
        "first actor": marks["step"],
        "first step, report": marks["report"],
        "the rest of the run, shutdown": ended,
    }
    return _parts(moments) | {"to the first step": marks["step"] - began, "in all": ended - began}


def imports(names: list[str]) -> dict[str, float]:
    """Seconds that each import adds to those before it, in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, *names], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def _parts(moments: dict[str, float]) -> dict[str, float]:
    names = list(moments)
    return {name: moments[name] - moments[before] for before, name in pairwise(names)}


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(median(row[name] for row in rows), 3) for name in rows[0]}


def _table(title: str, parts: dict[str, float]) -> str:
    return "\n".join([f"\n{title}", *(f"  {name:36} {seconds:7.2f} s" for name, seconds in parts.items())])


# What was taken out of the start, and the seconds to the first step (median of 3) before and after on one machine.
TRIMMED: list[dict[str, object]] = [
    {
        "what": "scikit-learn is imported where the digits are first needed, which is never in the command; hyperopt "
        "is imported, the journal replayed and the commit asked for while Ray starts",
        "before": 8.28,
        "after": 7.54,
    },
    {"what": "tried and left out: RAY_preload_python_modules=torch,ray.tune", "before": 8.28, "after": 9.72},
]


def main() -> None:
    chosen = options(__doc__.partition("\n")[0])
    rounds = 1 if chosen.quick else 5
    ways = {"ours": ours, "raw": raw}
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            rows[name].append(way())
            print(f"{name:5} {rows[name][-1]['to the first step']:6.2f} s to the first step", flush=True)
    loads = {
        name: _medians([imports(modules) for _ in range(rounds)])
        for name, modules in {"driver": DRIVER, "worker": WORKER}.items()
    }
    medians = {name: _medians(of) for name, of in rows.items()}
    print(_table("orchestune run digits_mlp", medians["ours"]), _table("plain Ray Tune", medians["raw"]))
    for name, of in loads.items():
        print(_table(f"imports of the {name}, each after those above it", of))
    figures = {
        "seconds": medians,
        "imports_seconds": loads,
        "rounds": {name: [{part: round(s, 3) for part, s in row.items()} for row in of] for name, of in rows.items()},
        "trimmed": TRIMMED,
    }
    headline = Headline(
        name="seconds from the command to the first training step, plain Ray Tune / ours",
        value=medians["raw"]["to the first step"] / medians["ours"]["to the first step"],
        aim=">= 0.8",
    )
    keep(__file__, chosen, headline, figures)


if __name__ == "__main__":
    main()
