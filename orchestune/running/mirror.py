"""A copy of a run's journal in its bucket, a sealed piece every few seconds: a bucket knows no appending.

Losing the driver's machine for good then loses at most those seconds. A piece is named by the byte of the journal that
it begins at, holds whole lines that were on the disk before, and is never written again with other ones.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from orchestune.durable import MANIFEST, write_whole
from orchestune.errors import RunStateError, StorageError
from orchestune.running.journal import Journal
from orchestune.running.paths import RunPaths
from orchestune.storage.storage import BUCKET, split_run

if TYPE_CHECKING:
    from orchestune.storage.bucket import Bucket

EVERY_S = 5.0
THREADS_PATIENCE_S, LAST_PATIENCE_S = 20.0, 60.0  # the thread tries again anyway; at the end somebody waits
PIECE = 4 << 20  # bytes at the most: what goes up in one request is there as a whole or not at all
AT_A_TIME = 16  # pieces that are read side by side
JOURNAL, BEST, QUESTION = "journal", "best", "experiment.json"
_PARTED = (
    "{bucket} has events that {folder} has not: the run went on elsewhere. Move that folder away, and resume {bucket}."
)
_LONG = 15  # digits of a piece's name, so that names sort as numbers do


class Mirror:
    """Copies a journal from a thread of its own, until it is closed."""

    def __init__(self, bucket: Bucket, paths: RunPaths, journal: Journal, say: Callable[[str], None]) -> None:
        """Raises RunStateError where the bucket has another journal than this one's beginning, StorageError."""
        self._paths, self._journal, self._say = paths, journal, say
        self._bucket, self._patience_s = bucket, bucket.patience_s
        self._sent = self._found()
        self._best_sent = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="journal to bucket", daemon=True)
        self._silent = False  # the bucket is out of reach, and that was said
        self.send()
        if paths.question.exists():
            bucket.write(QUESTION, paths.question.read_text())
        self._bucket = replace(bucket, patience_s=min(self._patience_s, THREADS_PATIENCE_S))
        self._thread.start()

    def send(self) -> None:
        """Copies what is new. Raises StorageError."""
        end = self._journal.size
        self._send_best()  # before the event that says there is one
        while self._sent < end:
            data = self._read(self._sent, min(end, self._sent + PIECE))
            whole = data[: data.rindex(b"\n") + 1] if b"\n" in data else self._read(self._sent, end)
            self._bucket.write(_key(self._sent), whole.decode())
            self._sent += len(whole)

    def close(self) -> None:
        """Copies the rest. Raises StorageError."""
        self._over.set()
        self._thread.join()
        self._bucket = replace(self._bucket, patience_s=min(self._patience_s, LAST_PATIENCE_S))
        try:
            self.send()
        except StorageError as problem:
            missing = f"the journal from byte {self._sent} on" if self._sent < self._journal.size else "its best/"
            raise StorageError(
                f"{problem}\nThe bucket lacks {missing}, which is in the run's folder here, {self._paths.root}."
            ) from problem

    def _send_best(self) -> None:
        if self._best_sent or not self._paths.best.exists():
            return
        files = [path for path in self._paths.best.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: path.name == MANIFEST):  # last: then it is whole
            self._bucket.put(path, f"{BEST}/{path.relative_to(self._paths.best).as_posix()}")
        self._best_sent = True

    def _found(self) -> int:
        """How many bytes the bucket has: this journal may have been copied by another session."""
        starts = pieces(self._bucket)
        if not starts:
            return 0
        newest = starts[-1]
        data = self._bucket.read(_key(newest)).encode()
        if self._read(newest, newest + len(data)) != data:
            raise RunStateError(_PARTED.format(bucket=self._bucket.where, folder=self._paths.root))
        return newest + len(data)

    def _read(self, start: int, end: int) -> bytes:
        with self._paths.events.open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def _go_on(self) -> None:
        while not self._over.wait(EVERY_S):
            try:
                self.send()
                self._silent = False
            except Exception as problem:  # the run goes on: its journal is on this machine's disk
                if not self._silent:
                    self._say(f"the journal is not copied at the moment, which is tried again and again: {problem}")
                self._silent = True


def pieces(bucket: Bucket) -> list[int]:
    """The bytes at which the pieces of the bucket's journal begin."""
    return sorted(int(name) for name in bucket.below(JOURNAL) if name.isdigit())


def _key(start: int) -> str:
    return f"{JOURNAL}/{start:0{_LONG}d}"


def rebuild(bucket: Bucket, paths: RunPaths) -> None:
    """Makes the run's folder from its bucket: the journal as far as it was copied, the question, the best checkpoint.

    A folder whose journal knows more keeps it. Raises RunStateError where the bucket has no run there or a journal that
    parts from the folder's, StorageError.
    """
    starts = pieces(bucket)
    if not starts:
        raise RunStateError(f"{bucket.where} is not a run: it has no {JOURNAL}")
    here = paths.events.read_bytes() if paths.events.exists() else b""
    # Of what is here already, the newest piece is compared: a journal's lines stand on all before them.
    begin = max((start for start, end in pairwise(starts) if end <= len(here)), default=0)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        wanted = [start for start in starts if start >= begin]
        found = list(pool.map(lambda start: bucket.read(_key(start)).encode(), wanted))
    data = here[:begin]
    for start, piece in zip(wanted, found, strict=True):
        if start != len(data):
            raise RunStateError(f"{bucket.where}: of its {JOURNAL} the bytes from {len(data)} to {start} are missing")
        data += piece
    if not data.startswith(here[: len(data)]):
        raise RunStateError(_PARTED.format(bucket=bucket.where, folder=paths.root))
    paths.root.mkdir(parents=True, exist_ok=True)
    beside = bucket.below("")
    if QUESTION in beside and not paths.question.exists():
        write_whole(paths.question, bucket.read(QUESTION))
    if f"{BEST}/{MANIFEST}" in beside and not (paths.best / MANIFEST).exists():
        with bucket.opened(BEST) as folder:
            shutil.copytree(folder, paths.best, dirs_exist_ok=True)
    if len(data) > len(here):
        write_whole(paths.events, data.decode())  # last: with it, the folder is a run's


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
