"""A folder that this machine sees: its own disk, or one that all machines share. Files are written in place."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestune.durable import sync, write_whole

NO_ROOM_LEFT = 1 << 20  # bytes free; with less, a write that failed is taken to have failed for want of room


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """What fails within the block while the disk of `folder` is full raises OSError with ENOSPC: torch, for one, says
    only that a write failed."""
    try:
        yield
    except Exception as problem:
        free = shutil.disk_usage(folder).free
        if free < NO_ROOM_LEFT:
            raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({free} bytes free)", str(folder)) from problem
        raise


@dataclass(frozen=True)
class Folder:
    """The depot that is a folder."""

    root: Path
    is_near = True
    outlives_driver = False

    @property
    def where(self) -> str:
        return str(self.root)

    def path(self, key: str) -> Path:
        return self.root / key

    def called(self, key: str) -> str:
        return str(self.root / key)

    def below(self, folder: str) -> list[str]:
        top = self.root / folder
        found = []
        for here, folders, files in os.walk(top):
            within = Path(here).relative_to(top)
            found += [(within / name).as_posix() for name in (*folders, *files)]
        return found

    def make(self, folder: str) -> None:
        (self.root / folder).mkdir(parents=True, exist_ok=True)

    def read(self, key: str) -> str:
        return (self.root / key).read_text()

    def write(self, key: str, text: str) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)

    def fill(self, folder: str, fill: Callable[[Path], None], last: str) -> None:
        """In place, for `last` is written last by `fill` too. Raises OSError with ENOSPC where there was no room."""
        path = self.root / folder
        try:
            with room_in(self.root):
                path.mkdir(parents=True, exist_ok=True)
                fill(path)
                sync(path.parent)
        except Exception:
            shutil.rmtree(path, ignore_errors=True)
            raise

    @contextmanager
    def opened(self, folder: str) -> Iterator[Path]:
        yield self.root / folder

    def delete(self, folder: str, first: str | None = None) -> None:
        path = self.root / folder
        if first is not None:
            (path / first).unlink(missing_ok=True)
        if path.exists():
            shutil.rmtree(path)
