"""A copy of a run's journal in its bucket, a sealed piece every few seconds: a bucket knows no appending.

Losing the driver's machine for good then loses at most those seconds. A piece is named by the byte of the journal that
it begins at, holds whole lines that were on the disk before, and is never written again with other ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestune.durable import write_whole
from orchestune.errors import RunStateError, StorageError
from orchestune.running.journal import Journal
from orchestune.running.paths import RunPaths
from orchestune.storage.storage import BUCKET, split_run

if TYPE_CHECKING:
    from orchestune.storage.bucket import Bucket

EVERY_S = 5.0
JOURNAL, BEST, QUESTION = "journal", "best", "experiment.json"
_PARTED = (
    "{bucket} has events that {folder} has not: the run went on elsewhere. Move that folder away, and resume {bucket}."
)
_LONG = 15  # digits of a piece's name, so that names sort as numbers do


class Mirror:
    """Copies a journal from a thread of its own, until it is closed."""

    def __init__(self, bucket: Bucket, paths: RunPaths, journal: Journal, say: Callable[[str], None]) -> None:
        """Raises RunStateError where the bucket has another journal than this one's beginning, StorageError."""
        self._bucket, self._paths, self._journal, self._say = bucket, paths, journal, say
        self._sent = self._found()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="journal to bucket", daemon=True)
        self._silent = False  # the bucket is out of reach, and that was said
        self.send()
        self._thread.start()

    def send(self) -> None:
        """Copies what is new. Raises StorageError."""
        end = self._journal.size
        if end > self._sent:
            text = self._read(self._sent, end)
            self._bucket.write(f"{JOURNAL}/{self._sent:0{_LONG}d}", text)
            self._sent = end

    def close(self) -> None:
        """Copies the rest, and what is to be found beside the journal. Raises StorageError."""
        self._over.set()
        self._thread.join()
        try:
            self.send()
            if self._paths.question.exists():
                self._bucket.write(QUESTION, self._paths.question.read_text())
            if self._paths.best.exists():
                for path in sorted(p for p in self._paths.best.rglob("*") if p.is_file()):
                    self._bucket.put(path, f"{BEST}/{path.relative_to(self._paths.best).as_posix()}")
        except StorageError as problem:
            raise StorageError(
                f"{problem}\nThe run's folder, {self._paths.root}, has everything; the bucket lacks the journal from "
                f"byte {self._sent} on."
            ) from problem

    def _found(self) -> int:
        """How many bytes the bucket has: this journal may have been copied by another session."""
        sizes = pieces(self._bucket)
        if not sizes:
            return 0
        newest = sizes[-1]
        text = self._bucket.read(f"{JOURNAL}/{newest:0{_LONG}d}")
        end = newest + len(text.encode())
        if end > self._journal.size or self._read(newest, end) != text:
            raise RunStateError(_PARTED.format(bucket=self._bucket.where, folder=self._paths.root))
        return end

    def _read(self, start: int, end: int) -> str:
        with self._paths.events.open("rb") as file:
            file.seek(start)
            return file.read(end - start).decode()

    def _go_on(self) -> None:
        while not self._over.wait(EVERY_S):
            try:
                self.send()
                self._silent = False
            except StorageError as problem:  # the run goes on: its journal is on this machine's disk
                if not self._silent:
                    self._say(f"the journal is not copied at the moment, which is tried again and again: {problem}")
                self._silent = True


def pieces(bucket: Bucket) -> list[int]:
    """The bytes at which the pieces of the bucket's journal begin."""
    return sorted(int(name) for name in bucket.below(JOURNAL) if name.isdigit())


def rebuild(bucket: Bucket, paths: RunPaths) -> None:
    """Makes the run's folder from its bucket: the journal as far as it was copied, the question, the best checkpoint.

    A folder whose journal knows more is left as it is. Raises RunStateError where the bucket has no run there or a
    journal that parts from the folder's, StorageError.
    """
    found = pieces(bucket)
    if not found:
        raise RunStateError(f"{bucket.where} is not a run: it has no {JOURNAL}")
    text, size = "", 0
    for start in found:
        if start != size:
            raise RunStateError(f"{bucket.where}: of its {JOURNAL} the bytes from {size} to {start} are missing")
        piece = bucket.read(f"{JOURNAL}/{start:0{_LONG}d}")
        text, size = text + piece, size + len(piece.encode())
    here = paths.events.read_text() if paths.events.exists() else ""
    if here.startswith(text):
        return
    if not text.startswith(here):
        raise RunStateError(_PARTED.format(bucket=bucket.where, folder=paths.root))
    paths.root.mkdir(parents=True, exist_ok=True)
    beside = bucket.below("")
    if QUESTION in beside:
        write_whole(paths.question, bucket.read(QUESTION))
    for key in beside:
        if key.startswith(f"{BEST}/"):
            bucket.get(key, Path(paths.root, key))
    write_whole(paths.events, text)  # last: with it, the folder is a run's


def folder_of_run(text: str) -> Path:
    """The folder of a run that is named on the command line: of one in a bucket, this machine's, brought to what the
    bucket knows. Raises RunStateError, StorageError."""
    if not text.startswith(BUCKET):
        return Path(text)
    from orchestune.storage.bucket import Bucket

    storage, run = split_run(text)
    paths = RunPaths(storage.folder / run)
    rebuild(Bucket(text), paths)
    return paths.root
