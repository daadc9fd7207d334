"""Where a run's checkpoints are kept, and what that asks for while a session lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from orchestune.errors import RunTaken
from orchestune.running.journal import Journal
from orchestune.running.mirror import Mirror, pieces
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record
from orchestune.storage.bucket import Bucket
from orchestune.storage.folder import Folder
from orchestune.storage.storage import BUCKET, HEAD, split_run
from orchestune.training.checkpoint import CheckpointStore

FIRST_S = 30.0  # that a bucket may be out of reach before a run has begun: somebody waits for the first word


class Keeping:
    """Of one run. `kept_at` is what its question says: an address of a bucket, `head:`, or None for its own folder."""

    def __init__(self, kept_at: str | None, paths: RunPaths) -> None:
        self._paths = paths
        self._bucket = Bucket(kept_at) if kept_at and kept_at.startswith(BUCKET) else None
        self._kept = None
        if kept_at == HEAD:
            from orchestune.storage.head import Kept

            self._kept = Kept(paths.trials)
        near = self._kept or Folder(paths.trials)
        self.store = CheckpointStore(self._bucket.at("trials") if self._bucket else near)

    def check_new(self) -> None:
        """Raises RunTaken where the bucket has a run of that name, StorageError where it cannot be reached."""
        if self._bucket and pieces(replace(self._bucket, patience_s=FIRST_S)):
            storage, run = split_run(self._bucket.where)
            raise RunTaken(storage, run, self._bucket.where)

    def discard(self) -> None:
        """What a run that never began has left outside its folder."""
        if self._bucket:
            self._bucket.delete("")

    @contextmanager
    def copied(self, journal: Journal, say: Callable[[str], None]) -> Iterator[None]:
        """Copies the journal during the block, where it has to be; what no journal knows is gone before."""
        if self._bucket is None:
            yield
            return
        mirror = Mirror(self._bucket, self._paths, journal, say)
        try:
            record = Record.of(journal.events)
            self.store.forget_unknown({trial.id: trial.leg for trial in record.trials.values()})
            yield
        finally:
            mirror.close()

    @contextmanager
    def served(self) -> Iterator[None]:
        """The checkpoints are within reach of every machine of the cluster. Needs Ray."""
        if self._kept is None:
            yield
        else:
            with self._kept.served():
                yield
