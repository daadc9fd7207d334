"""Where a run's checkpoints are kept, and what that asks for while a session lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from orchestune.errors import RunTaken, StorageError
from orchestune.running.journal import Journal
from orchestune.running.mirror import JOURNAL, QUESTION, Mirror
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record
from orchestune.storage.bucket import Bucket
from orchestune.storage.folder import Folder
from orchestune.storage.storage import BUCKET, HEAD, split_run
from orchestune.training.checkpoint import CheckpointStore

TRIALS = "trials"  # in the bucket, as in a run's folder
FIRST_S = 30.0  # that a bucket may be out of reach before a run has begun: somebody waits for the first word


class Keeping:
    """Of one run. `kept_at` is what its question says: an address of a bucket, `head:`, or None for its own folder."""

    def __init__(self, kept_at: str | None, paths: RunPaths) -> None:
        self._paths = paths
        self._bucket = Bucket(kept_at) if kept_at and kept_at.startswith(BUCKET) else None
        self._kept = None
        self._begun = False  # it has written into the bucket
        if kept_at == HEAD:
            from orchestune.storage.head import Kept

            self._kept = Kept(paths.trials)
        near = self._kept or Folder(paths.trials)
        self.store = CheckpointStore(self._bucket.at(TRIALS) if self._bucket else near)

    def check_new(self) -> None:
        """Raises RunTaken where the bucket has anything of that name, StorageError where it cannot be reached."""
        if self._bucket and replace(self._bucket, patience_s=FIRST_S).below(""):
            storage, run = split_run(self._bucket.where)
            raise RunTaken(storage, run, self._bucket.where)

    def discard(self) -> None:
        """What a run that never began has left outside its folder. Raises StorageError."""
        if self._bucket and self._begun:
            bucket = replace(self._bucket, patience_s=FIRST_S)
            for name in (JOURNAL, TRIALS):
                bucket.delete(name)
            bucket.remove(QUESTION)

    @contextmanager
    def copied(self, journal: Journal, say: Callable[[str], None]) -> Iterator[None]:
        """Copies the journal during the block, where it has to be; what no journal knows is gone before."""
        if self._bucket is None:
            yield
            return
        mirror = Mirror(self._bucket, self._paths, journal, say)
        self._begun = True
        try:
            record = Record.of(journal.events)
            self.store.forget_unknown({trial.id: trial.leg for trial in record.trials.values()})
            yield
        except BaseException:
            try:
                mirror.close()
            except StorageError as problem:  # what ends the run says more
                say(str(problem))
            raise
        mirror.close()

    @contextmanager
    def served(self) -> Iterator[None]:
        """The checkpoints are within reach of every machine of the cluster. Needs Ray."""
        if self._kept is None:
            yield
        else:
            with self._kept.served():
                yield
