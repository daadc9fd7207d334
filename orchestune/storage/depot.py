"""What checkpoints ask of the place where they lie, whichever that is. A key is a relative path with `/` between."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from orchestune.storage.patience import PATIENCE_S
from orchestune.storage.storage import BUCKET, HEAD


class Depot(Protocol):
    """Every machine that a run's trials run on reaches the same one, by `depot_at(where)`.

    Raises FileNotFoundError for a key that is not there, OSError or StorageError where the depot itself fails.
    """

    @property
    def where(self) -> str:
        """The depot in a word, which another machine makes its own from."""

    @property
    def is_near(self) -> bool:
        """Whether opening a folder costs no more than reading it, so that whatever is there may be verified."""

    @property
    def outlives_driver(self) -> bool:
        """Whether it is still there when the driver's machine is lost, and so may know more than the journal's copy."""

    def called(self, key: str) -> str:
        """What a user knows the key by."""

    def below(self, folder: str) -> list[str]:
        """The keys of all files and folders at any depth below `folder`, relative to it; none where it is not there."""

    def make(self, folder: str) -> None:
        """Has the folder there, empty if it is new."""

    def read(self, key: str) -> str: ...

    def write(self, key: str, text: str) -> None:
        """A small file, which is there as a whole or not at all."""

    def fill(self, folder: str, fill: Callable[[Path], None], last: str) -> None:
        """Has `fill` write files into a folder of this machine, which become those of `folder`.

        `last` is the name of the one that says that all others are there: it comes last, and where anything fails it
        does not come.
        """

    def opened(self, folder: str) -> AbstractContextManager[Path]:
        """A folder of this machine with the same files, for the length of the block, to be read only."""

    def delete(self, folder: str, first: str | None = None) -> None:
        """The folder with all below it; the file called `first` goes first. One that is not there is deleted."""


def depot_at(where: str, patience_s: float = PATIENCE_S) -> Depot:
    """The depot that says this of itself; `patience_s` is how long it may be out of reach, where it can be."""
    if where.startswith(BUCKET):
        from orchestune.storage.bucket import Bucket

        return Bucket(where, patience_s)
    if where.startswith(HEAD):
        from orchestune.storage.head import near_or_far

        return near_or_far(where)
    from orchestune.storage.folder import Folder

    return Folder(Path(where))
