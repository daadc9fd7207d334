"""Where trials keep their state: `TRIAL/leg-2/epoch-00010/`, which exists once its manifest verifies.

The manifest is written last and holds the hashes of the files and every report since the checkpoint before it, because
a checkpoint may be ahead of the journal: the driver can die between the two. A newer leg's folder fences older legs
off.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestune.durable import sealed, sync, unsealed, write_whole
from orchestune.errors import CheckpointDamaged

MANIFEST = "manifest.json"
_BLOCK = 1 << 20
NO_ROOM_LEFT = 1 << 20  # bytes free; with less, a write that failed is taken to have failed for want of room


class Fenced(RuntimeError):
    """This leg is outdated: the trial goes on elsewhere, and what this worker would write is not wanted."""


@dataclass(frozen=True, order=True)
class Place:
    """Which checkpoint: ordered by epoch, then by leg, so that the newest is the largest."""

    epoch: int
    leg: int
    trial: str

    @property
    def at(self) -> tuple[str, int, int]:
        """As journals and legs write it."""
        return self.trial, self.leg, self.epoch


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint says of itself. `reports` are those since the checkpoint before it, oldest first."""

    place: Place
    files: dict[str, str]  # name -> SHA-256
    reports: list[dict[str, Any]]


@dataclass(frozen=True)
class CheckpointStore:
    """All checkpoints of a run, below `root`. Trials write only under the number of their own leg."""

    root: Path

    def folder(self, place: Place) -> Path:
        return self.leg_folder(place.trial, place.leg) / f"epoch-{place.epoch:05d}"

    def leg_folder(self, trial: str, leg: int) -> Path:
        return self.root / trial / f"leg-{leg}"

    def test_file(self, trial: str) -> Path:
        """Where the trial's metrics on the test split are kept."""
        return self.root / trial / "test.json"

    def fence(self, trial: str, leg: int) -> None:
        """Opens `leg` and shuts every leg before it."""
        self.leg_folder(trial, leg).mkdir(parents=True, exist_ok=True)

    def is_fenced(self, trial: str, leg: int) -> bool:
        return any(newer > leg for newer in self._legs(trial))

    def write(self, place: Place, reports: list[dict[str, Any]], fill: Callable[[Path], None]) -> None:
        """Has `fill` write its files into the checkpoint's folder, then makes it exist. Raises Fenced, OSError."""
        if self.is_fenced(place.trial, place.leg):
            raise Fenced(f"trial {place.trial} went on as a later leg than {place.leg}")
        folder = self.folder(place)
        try:
            self._write(place, folder, reports, fill)
        except Exception as problem:
            free = shutil.disk_usage(self.root).free
            shutil.rmtree(folder, ignore_errors=True)
            if free < NO_ROOM_LEFT:  # torch says only that a write failed
                raise OSError(
                    errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({free} bytes free)", str(self.root)
                ) from problem
            raise

    def _write(self, place: Place, folder: Path, reports: list[dict[str, Any]], fill: Callable[[Path], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        fill(folder)
        files = {}
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            sync(path)
            files[path.relative_to(folder).as_posix()] = _sha256(path)
        record = {"trial": place.trial, "leg": place.leg, "epoch": place.epoch, "files": files, "reports": reports}
        write_whole(folder / MANIFEST, sealed(record) + "\n")
        sync(folder.parent)

    def places(self, trial: str) -> list[Place]:
        """Every checkpoint that was finished, oldest first; damage shows only when one is opened."""
        return sorted(
            Place(int(folder.name.removeprefix("epoch-")), leg, trial)
            for leg in self._legs(trial)
            for folder in self.leg_folder(trial, leg).glob("epoch-*")
            if (folder / MANIFEST).exists()
        )

    def manifest(self, place: Place) -> Manifest:
        """Reads what the checkpoint says of itself. Raises CheckpointDamaged."""
        return read_manifest(self.folder(place))

    def open(self, place: Place) -> Path:
        """The folder, after each file was compared with the manifest. Raises CheckpointDamaged naming the file."""
        folder = self.folder(place)
        verified(folder)
        return folder

    def newest(self, trial: str, said: Callable[[str], None], until: int | None = None) -> Manifest | None:
        """The newest checkpoint that verifies, of at most `until` epochs; `said` is told of each damaged one."""
        for place in reversed(self.places(trial)):
            if until is not None and place.epoch > until:
                continue
            try:
                self.open(place)
                return self.manifest(place)
            except CheckpointDamaged as damage:
                said(f"checkpoint damaged, using the one before: {damage}")
        return None

    def keep_only(self, trial: str, keep: set[Place]) -> None:
        """Deletes the others; a manifest goes first, so that nothing half deleted seems to exist."""
        for place in set(self.places(trial)) - keep:
            folder = self.folder(place)
            (folder / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(folder)

    def adopt(self, place: Place, trial: str, leg: int) -> Place:
        """Where `leg` of `trial` can start from a checkpoint: there if it is its own, or else from a copy, for its
        owner will delete it before long. The copy has no reports: they are another trial's. Raises CheckpointDamaged.
        """
        if place.trial == trial:
            return place
        source, adopted = self.open(place), Place(place.epoch, leg, trial)
        folder = self.folder(adopted)
        shutil.rmtree(folder, ignore_errors=True)  # of an attempt that a crash cut off
        self._write(adopted, folder, [], lambda empty: self._copy_files(source, empty))
        return adopted

    @staticmethod
    def _copy_files(source: Path, target: Path) -> None:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(MANIFEST), dirs_exist_ok=True)

    def copy(self, place: Place, target: Path, extra: dict[str, Any]) -> None:
        """Puts the verified checkpoint at `target` whole or not at all, with `extra` as its config.json."""
        aside = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(self.open(place), aside)
        write_whole(aside / "config.json", json.dumps(extra, indent=2, allow_nan=False) + "\n")
        for path in aside.rglob("*"):
            sync(path)
        shutil.rmtree(target, ignore_errors=True)
        aside.replace(target)
        sync(target.parent)

    def _legs(self, trial: str) -> Iterator[int]:
        folder = self.root / trial
        if folder.is_dir():
            for leg in folder.glob("leg-*"):
                yield int(leg.name.removeprefix("leg-"))


def read_manifest(folder: Path) -> Manifest:
    """What the checkpoint in `folder` says of itself. Raises CheckpointDamaged."""
    path = folder / MANIFEST
    try:
        record = unsealed(path.read_text().rstrip("\n"))
        place = Place(int(record["epoch"]), int(record["leg"]), str(record["trial"]))
        return Manifest(place, dict(record["files"]), list(record["reports"]))
    except (OSError, ValueError, KeyError) as problem:
        raise CheckpointDamaged(f"{path}: {problem}") from problem


def verified(folder: Path) -> Manifest:
    """The same, after each file was compared with it. Raises CheckpointDamaged naming the file."""
    manifest = read_manifest(folder)
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointDamaged(f"{path} is missing")
        if _sha256(path) != expected:
            raise CheckpointDamaged(f"{path} is not what was written (SHA-256 differs)")
    return manifest


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
