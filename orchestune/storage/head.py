"""The disk of a cluster's head, for a handful of machines that share no folder: an actor there takes and gives files.

The driver runs on the head and uses the folder itself; so does every worker on that machine. What the others write
comes through Ray, in blocks, at the pace of the network and of one process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestune.durable import sync
from orchestune.storage.depot import Depot
from orchestune.storage.folder import Folder, room_in

BLOCK = 8 << 20  # bytes that travel at a time
AT_A_TIME = 8  # workers that are served side by side


class Keeper(Folder):
    """The actor: a folder of its machine, of which it keeps nothing in mind, so that it may be started anew."""

    def files(self, folder: str) -> list[str]:
        """Of what is below a folder, the files."""
        return [key for key in self.below(folder) if self.path(f"{folder}/{key}").is_file()]

    def put(self, key: str, start: int, block: bytes) -> None:
        """A block of a file, from its byte `start` on; the one at 0 begins the file anew."""
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.write(block)

    def finish(self, keys: list[str], last: str, text: str) -> None:
        """The files that were put are on the disk, and only then is there the one that says so."""
        for key in keys:
            sync(self.path(key))
        self.write(last, text)
        sync(self.path(last).parent.parent)

    def get(self, key: str, start: int) -> bytes:
        """The block of a file that begins at its byte `start`: empty behind its end."""
        with self.path(key).open("rb") as file:
            file.seek(start)
            return file.read(BLOCK)


@dataclass(frozen=True)
class FromAfar:
    """The depot as a machine sees it that is not the head. Errors are those that the head's folder raises."""

    where: str
    is_near: ClassVar[bool] = False
    outlives_driver: ClassVar[bool] = False

    @cached_property
    def _keeper(self) -> Any:
        return ray.get_actor(_parts(self.where)[0])

    def _ask(self, method: str, *words: Any) -> Any:
        try:
            return ray.get(getattr(self._keeper, method).remote(*words))
        except ray.exceptions.RayTaskError as told:
            if isinstance(told.cause, OSError):
                raise told.cause from None
            raise

    def called(self, key: str) -> str:
        return f"{_parts(self.where)[1]}/{key} on the head"

    def below(self, folder: str) -> list[str]:
        return list(self._ask("below", folder))

    def make(self, folder: str) -> None:
        self._ask("make", folder)

    def read(self, key: str) -> str:
        return str(self._ask("read", key))

    def write(self, key: str, text: str) -> None:
        self._ask("write", key, text)

    def fill(self, folder: str, fill: Callable[[Path], None], last: str) -> None:
        with tempfile.TemporaryDirectory(prefix="orchestune-") as name:
            aside = Path(name)
            with room_in(aside):
                fill(aside)
            try:
                keys = [
                    self._put(path, f"{folder}/{path.relative_to(aside).as_posix()}")
                    for path in sorted(aside.rglob("*"))
                    if path.is_file() and path != aside / last
                ]
                self._ask("finish", keys, f"{folder}/{last}", (aside / last).read_text())
            except OSError:
                self.delete(folder, last)
                raise

    def _put(self, path: Path, key: str) -> str:
        with path.open("rb") as file:
            start = 0
            while (block := file.read(BLOCK)) or start == 0:
                self._ask("put", key, start, block)
                start += len(block)
                if not block:  # an empty file
                    break
        return key

    @contextmanager
    def opened(self, folder: str) -> Iterator[Path]:
        """A copy, which is gone after the block."""
        with tempfile.TemporaryDirectory(prefix="orchestune-") as name:
            for key in self._ask("files", folder):
                self._get(f"{folder}/{key}", Path(name, key))
            yield Path(name)

    def _get(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            while block := self._ask("get", key, file.tell()):
                file.write(block)

    def delete(self, folder: str, first: str | None = None) -> None:
        self._ask("delete", folder, first)


@dataclass(frozen=True)
class Kept(Folder):
    """The depot as the driver sees it: a folder of its machine, which the others reach while it is `served`."""

    name: str = field(default_factory=lambda: f"keeper-{uuid4().hex[:12]}")  # of the actor

    @property
    def where(self) -> str:
        return f"head://{self.name}{self.root}"

    @contextmanager
    def served(self) -> Iterator[None]:
        """Needs Ray. A file beside the folder, named as the actor is, tells a machine that it has the folder itself."""
        self.root.mkdir(parents=True, exist_ok=True)
        mark = _mark(self.root, self.name)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        lasting = {"max_restarts": -1, "max_task_retries": -1}  # it has no state that could be lost
        options = {"name": self.name, "num_cpus": 0, "max_concurrency": AT_A_TIME, **lasting}
        keeper = ray.remote(Keeper).options(scheduling_strategy=here, **options).remote(self.root)
        mark.touch()
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)
            ray.kill(keeper)


def near_or_far(where: str) -> Depot:
    """The folder itself on the head, or else the way to it."""
    name, folder = _parts(where)
    if _mark(folder, name).exists():
        return Folder(folder)
    return FromAfar(where)


def _parts(where: str) -> tuple[str, Path]:
    """The actor's name and the head's folder; no address as others are: a folder's name may hold any character."""
    name, _, folder = where.removeprefix("head://").partition("/")
    return name, Path("/", folder)


def _mark(folder: Path, name: str) -> Path:
    return folder.with_name(f".{name}")
