"""Where trials keep their state: `TRIAL/leg-2/epoch-00010/`, which exists once its manifest verifies.

The manifest is written last and holds the hashes of the files and every report since the checkpoint before it, because
a checkpoint may be ahead of the journal: the driver can die between the two. A newer leg's folder fences older legs
off.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestune.durable import MANIFEST, sealed, sync, unsealed, whole_folder, write_whole
from orchestune.errors import CheckpointDamaged
from orchestune.storage.depot import Depot

_TRIAL = re.compile(r"\d{4,}")
_IN_LEG = re.compile(r"leg-(?P<leg>\d+)(?:/|$)")
_FINISHED = re.compile(rf"leg-(?P<leg>\d+)/epoch-(?P<epoch>\d+)/{re.escape(MANIFEST)}")
_BLOCK = 1 << 20


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
    """What a checkpoint says of itself.

    `reports` are those since the checkpoint before it, oldest first; in a depot that outlives the driver, all of its
    leg, for the checkpoint before it may be deleted when the journal comes back without its last seconds.
    """

    place: Place
    files: dict[str, str]  # name -> SHA-256
    reports: list[dict[str, Any]]


@dataclass(frozen=True)
class CheckpointStore:
    """All checkpoints of a run, in its depot. Trials write only under the number of their own leg."""

    depot: Depot

    @staticmethod
    def key(place: Place) -> str:
        """Where in the depot a checkpoint's files are."""
        return f"{place.trial}/leg-{place.leg}/epoch-{place.epoch:05d}"

    def fence(self, trial: str, leg: int) -> None:
        """Opens `leg` and shuts every leg before it."""
        self.depot.make(f"{trial}/leg-{leg}")

    def is_fenced(self, trial: str, leg: int) -> bool:
        return any(newer > leg for newer in self._legs(trial))

    def write(self, place: Place, reports: list[dict[str, Any]], fill: Callable[[Path], None]) -> None:
        """Has `fill` write its files into the checkpoint's folder, then makes it exist. Raises Fenced, OSError."""
        if self.is_fenced(place.trial, place.leg):
            raise Fenced(f"trial {place.trial} went on as a later leg than {place.leg}")
        self._write(place, reports, fill)

    def _write(self, place: Place, reports: list[dict[str, Any]], fill: Callable[[Path], None]) -> None:
        def whole(folder: Path) -> None:
            fill(folder)
            files = {}
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                sync(path)
                files[path.relative_to(folder).as_posix()] = _sha256(path)
            record = {"trial": place.trial, "leg": place.leg, "epoch": place.epoch, "files": files, "reports": reports}
            write_whole(folder / MANIFEST, sealed(record) + "\n")

        self.depot.fill(self.key(place), whole, MANIFEST)

    def places(self, trial: str) -> list[Place]:
        """Every checkpoint that was finished, oldest first; damage shows only when one is opened."""
        found = map(_FINISHED.fullmatch, self.depot.below(trial))
        return sorted(Place(int(match["epoch"]), int(match["leg"]), trial) for match in found if match)

    def manifest(self, place: Place) -> Manifest:
        """Reads what the checkpoint says of itself. Raises CheckpointDamaged."""
        key = f"{self.key(place)}/{MANIFEST}"
        try:
            return parsed(self.depot.read(key))
        except (OSError, ValueError, KeyError) as problem:
            raise CheckpointDamaged(f"{self.depot.called(key)}: {problem}") from problem

    @contextmanager
    def opened(self, place: Place) -> Iterator[Path]:
        """The folder, after each file was compared with the manifest. Raises CheckpointDamaged naming the file."""
        key, called = self.key(place), self.depot.called(self.key(place))
        with ExitStack() as opened:
            try:
                folder = opened.enter_context(self.depot.opened(key))
            except FileNotFoundError as gone:
                raise CheckpointDamaged(f"{called} is missing") from gone
            try:
                verified(folder, called)
            except CheckpointDamaged as damage:
                if not self.depot.is_near:  # `verified` alone would not see it: it is not to be chosen again
                    self.depot.write(f"{key}/{MANIFEST}", f"{damage}\n")
                raise
            yield folder

    def verified(self, place: Place) -> Manifest:
        """The manifest of a checkpoint that can be opened; of a depot that is far, of one whose files are all there:
        who opens it compares them. Raises CheckpointDamaged."""
        if self.depot.is_near:
            with self.depot.opened(self.key(place)) as folder:
                return verified(folder, self.depot.called(self.key(place)))
        manifest = self.manifest(place)
        there = set(self.depot.below(self.key(place)))
        if missing := sorted(manifest.files.keys() - there):
            raise CheckpointDamaged(f"{self.depot.called(f'{self.key(place)}/{missing[0]}')} is missing")
        return manifest

    def newest(self, trial: str, said: Callable[[str], None], until: int | None = None) -> Manifest | None:
        """The newest checkpoint that verifies, of at most `until` epochs; `said` is told of each damaged one."""
        for place in reversed(self.places(trial)):
            if until is not None and place.epoch > until:
                continue
            try:
                return self.verified(place)
            except CheckpointDamaged as damage:
                said(f"checkpoint damaged, using the one before: {damage}")
        return None

    def keep_only(self, trial: str, keep: set[Place]) -> None:
        """Deletes the others; a manifest goes first, so that nothing half deleted seems to exist."""
        for place in set(self.places(trial)) - keep:
            self.depot.delete(self.key(place), first=MANIFEST)

    def adopt(self, place: Place, trial: str, leg: int, said: Callable[[str], None]) -> Place | None:
        """Where `leg` of `trial` can start from a checkpoint: there if it is its own, or else from a copy, for its
        owner will delete it before long. The copy has no reports: they are another trial's.

        None where it shows only now, in a depot that is far, that it is damaged: `newest` will choose another.
        """
        if place.trial == trial:
            return place
        adopted = Place(place.epoch, leg, trial)
        self.depot.delete(self.key(adopted))  # of an attempt that a crash cut off
        try:
            with self.opened(place) as source:
                self._write(adopted, [], lambda empty: self._copy_files(source, empty))
        except CheckpointDamaged as damage:
            said(f"checkpoint damaged, using the one before: {damage}")
            return None
        return adopted

    @staticmethod
    def _copy_files(source: Path, target: Path) -> None:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(MANIFEST), dirs_exist_ok=True)

    def copy(self, place: Place, target: Path, extra: dict[str, Any]) -> None:
        """Puts the verified checkpoint at `target` whole or not at all, with `extra` as its config.json."""
        with self.opened(place) as source, whole_folder(target, instead=True) as aside:
            shutil.copytree(source, aside, dirs_exist_ok=True)
            write_whole(aside / "config.json", json.dumps(extra, indent=2, allow_nan=False) + "\n")

    def forget_unknown(self, newest: Mapping[str, int]) -> None:
        """Deletes what a journal that lost its last lines does not know, given each trial's newest leg: a trial that
        is born anew must not meet what its namesake has left."""
        found = {key.partition("/")[0] for key in self.depot.below("")}
        for trial in filter(_TRIAL.fullmatch, found - newest.keys()):
            self.depot.delete(trial)
        for trial, newest_leg in newest.items():
            for leg in self._legs(trial):
                if leg > newest_leg:
                    self.depot.delete(f"{trial}/leg-{leg}")

    def kept_test(self, place: Place) -> dict[str, Any] | None:
        """The metrics of this checkpoint on the test split, if they were kept."""
        try:
            return dict(json.loads(self.depot.read(self._test(place))))
        except FileNotFoundError:
            return None

    def keep_test(self, place: Place, metrics: dict[str, Any]) -> None:
        self.depot.write(self._test(place), json.dumps(metrics) + "\n")

    @staticmethod
    def _test(place: Place) -> str:
        return f"{place.trial}/test-{place.leg}-{place.epoch:05d}.json"

    def _legs(self, trial: str) -> set[int]:
        return {int(match["leg"]) for match in map(_IN_LEG.match, self.depot.below(trial)) if match}


def verified(folder: Path, called: str | None = None) -> Manifest:
    """What the checkpoint in `folder` says of itself, after each file was compared with it.

    Raises CheckpointDamaged naming the file, below what a user knows the folder by.
    """
    called = called or str(folder)
    try:
        manifest = parsed((folder / MANIFEST).read_text())
    except (OSError, ValueError, KeyError) as problem:
        raise CheckpointDamaged(f"{called}/{MANIFEST}: {problem}") from problem
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointDamaged(f"{called}/{name} is missing")
        if _sha256(path) != expected:
            raise CheckpointDamaged(f"{called}/{name} is not what was written (SHA-256 differs)")
    return manifest


def parsed(text: str) -> Manifest:
    """A manifest from its one sealed line. Raises ValueError, KeyError."""
    record = unsealed(text.rstrip("\n"))
    place = Place(int(record["epoch"]), int(record["leg"]), str(record["trial"]))
    return Manifest(place, dict(record["files"]), list(record["reports"]))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
