"""Every file that a run owns; nobody else joins path strings."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestune.durable import NO_ROOM, sync
from orchestune.errors import RunNameError, RunTaken, StorageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
ROOM = 1 << 20  # bytes that must be free before a run starts: its journal and log need that much at the least


@dataclass(frozen=True)
class RunPaths:
    """The folder of one run."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def question(self) -> Path:
        return self.root / "experiment.json"

    @property
    def events(self) -> Path:
        return self.root / "events.jsonl"

    @property
    def trials(self) -> Path:
        return self.root / "trials"

    @property
    def best(self) -> Path:
        return self.root / "best"

    @property
    def retrained(self) -> Path:
        """The winner, trained again on all data but the test split's."""
        return self.root / "retrained"

    @property
    def verified(self) -> Path:
        """The runs in which its best trials were trained again with fresh seeds."""
        return self.root / "verified"

    @property
    def log(self) -> Path:
        return self.root / "ray.log"

    @property
    def tensorboard(self) -> Path:
        return self.root / "tensorboard"

    def curves(self, trial: str) -> Path:
        """The trial's one file in TensorBoard, whose name for such files it must contain."""
        return self.tensorboard / trial / f"events.out.tfevents.{trial}"

    def picture(self, trial: str | None) -> Path:
        """Of one trial's curves, or of the run's."""
        return self.root / "plots" / f"{trial or 'curves'}.png"

    @classmethod
    def create(cls, storage: Path, name: str) -> RunPaths:
        """Makes the folder STORAGE/NAME, which must be new. Raises RunNameError, StorageError."""
        check_storage(storage, name)
        paths = cls(storage.absolute() / name)
        try:
            storage.mkdir(parents=True, exist_ok=True)
            check_room(storage)
            paths.root.mkdir()
            sync(storage)
        except FileExistsError as taken:  # since it was checked, another run took it
            raise RunTaken(storage, name, storage / name) from taken
        except OSError as problem:
            raise storage_error(storage, problem) from problem
        return paths

    @classmethod
    def create_fresh(cls, storage: Path, experiment: str) -> RunPaths:
        """The same with a name of its own: `digits_mlp-20261124-093000`, a number behind it where that is taken."""
        name = fresh_name(experiment)
        n = 1
        while True:
            try:
                return cls.create(storage, name if n == 1 else f"{name}-{n}")
            except RunTaken:
                n += 1


def fresh_name(experiment: str) -> str:
    """What a run is called whose user says nothing: `digits_mlp-20261124-093000`."""
    return f"{experiment[:50]}-{datetime.now():%Y%m%d-%H%M%S}"


def check_name(name: str) -> None:
    """Raises RunNameError where a run cannot be called so."""
    if not _NAME.fullmatch(name):
        raise RunNameError(
            f"run name {name!r} is not a plain name: use letters, digits, '.', '_' and '-', at most 80, "
            "the first a letter or a digit; the folder goes to --storage"
        )


def check_storage(storage: Path, name: str | None) -> None:
    """What can be refused before anything is imported or started. Raises RunNameError, StorageError."""
    if name is not None:
        check_name(name)
    above = next(folder for folder in (storage.absolute(), *storage.absolute().parents) if folder.exists())
    if not above.is_dir():
        raise StorageError(f"storage {storage}: {above} is a file")
    check_room(above)
    if name is not None and (storage / name).exists():
        raise RunTaken(storage, name, storage / name)


def check_room(folder: Path) -> None:
    """Raises StorageError where the folder cannot be written or its disk is full."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError(f"storage {folder} is not writable: choose another with --storage")
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise StorageError(f"storage {folder} is full: {free} bytes are free, a run needs {ROOM} to start")


def storage_error(folder: Path, problem: OSError) -> StorageError:
    """What the operating system said about the storage, in words that say what to do."""
    if problem.errno in NO_ROOM:
        free = shutil.disk_usage(folder).free if folder.exists() else 0
        return StorageError(f"storage {folder}: {problem.strerror} ({free} bytes free). Make room, then resume.")
    return StorageError(f"storage {folder}: {problem.strerror}. Choose another with --storage.")
