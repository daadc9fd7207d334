"""A model as a folder of its own: weights, configuration, source, and a script that evaluates it without Ray."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors.torch import save_model

from orchestune.durable import whole_folder
from orchestune.errors import ExportError, FolderTaken, StorageError
from orchestune.winner.sources import sources
from orchestune.winner.winner import Winner, apart, check_has_model

SCRIPT = Path(__file__).with_name("exported") / "evaluate.py"
TOLERANCE = {"fp32": 1e-4}  # relative: another device or number of threads adds up in another order
COARSE = 1e-2  # in half precision
# Where Ray is found to be imported, the import fails.
WITHOUT_RAY = (
    "import runpy, sys; sys.modules['ray'] = None; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


def check_target(target: Path) -> None:
    """Raises FolderTaken, StorageError where nothing is to be written to."""
    if target.exists() and not target.is_dir():
        raise StorageError(f"{target} is a file: an export is a folder")
    if target.exists() and (names := sorted(path.name for path in target.iterdir())):
        raise FolderTaken(target, names[:3])


def export_best(winner: Winner, target: Path) -> dict[str, float]:
    """Writes the winner's model as it was at its best epoch; returns what it scores there, which is what it scored.

    Raises ExportError, and leaves nothing behind, where the folder cannot do that.
    """
    check_has_model(winner, "--export")
    with tempfile.TemporaryDirectory(prefix="orchestune-") as folder:
        made = winner.trained(folder)
        # Of several executions, the first: its metrics have its number.
        number = "_0" if winner.executions > 1 else ""
        expected = {
            name: winner.reported[name + number] for name in winner.reported if name + number in winner.reported
        }
        return write(winner, made, target, split="validation", expected=expected, epoch=winner.epoch)


def write(
    winner: Winner, made: Any, target: Path, *, split: str, expected: dict[str, Any], epoch: int
) -> dict[str, float]:
    """The folder of the model of `made`, whose metrics on `split` have to be those `expected` of it."""
    check_target(target)
    if getattr(made.data, split) is None:
        raise ExportError(f"{type(made).__name__} has no {split} split: nothing could tell whether this is its model")
    with _aside(target) as folder:
        _fill(folder, winner, made, split=split, expected=expected, epoch=epoch)
        found = evaluated(folder, split)
        if not set(found) & set(expected):
            raise ExportError(
                f"what the exported model is evaluated by, {', '.join(found)}, the journal does not have: "
                f"it has {', '.join(expected)}"
            )
        tolerance = TOLERANCE.get(made.params.precision, COARSE)
        if wrong := apart(expected, found, tolerance):
            raise ExportError(
                f"the exported model does not do what was reported at epoch {epoch}: {'; '.join(wrong)}. "
                "Nothing was written. Has the code or the data changed since the run?"
            )
    return found


def evaluated(folder: Path, split: str) -> dict[str, float]:
    """What the folder's script prints, in a process of its own that cannot import Ray and knows no project."""
    words = [sys.executable, "-P", "-c", WITHOUT_RAY, str(folder.absolute() / SCRIPT.name), "--split", split, "--json"]
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and Path(path) != Path.cwd()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise ExportError(
            f"the exported model cannot be built again without Ray and outside its project: {said[0]}. "
            "Nothing was written. What its class imports must be files of the project, without Ray"
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _fill(folder: Path, winner: Winner, made: Any, *, split: str, expected: dict[str, Any], epoch: int) -> None:
    record, trainable = winner.record, winner.experiment.trainable
    for where, text in sources(trainable, Path.cwd()).items():
        path = folder / "source" / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copyfile(SCRIPT, folder / SCRIPT.name)
    origin = {
        "trainable": record.question["trainable"],
        "seed": winner.seed,
        "max_epochs": winner.experiment.max_epochs,
        "run": winner.paths.name,
        "trial": winner.trial.id,
        "epochs": epoch,
        "split": split,
        "metrics": expected,
        "versions": {name: version(name) for name in ("orchestune", "torch", "safetensors", "numpy")},
    }
    for name, told in (("config.json", winner.config), ("origin.json", origin)):
        (folder / name).write_text(json.dumps(told, indent=2) + "\n")
    try:
        save_model(made.model, str(folder / "model.safetensors"))
    except (TypeError, ValueError, AttributeError, RuntimeError) as problem:  # a state that is more than tensors
        raise ExportError(
            f"the weights of {trainable.__name__} cannot be written as safetensors: {problem}"
        ) from problem


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """A folder that becomes `target` when the block ends well, and is gone otherwise."""
    try:
        with whole_folder(target.absolute()) as aside:
            yield aside
            for cache in [*aside.rglob("__pycache__")]:
                shutil.rmtree(cache)
    except OSError as problem:
        raise StorageError(f"{target}: {problem.strerror}. Choose another folder.") from problem
