"""Where runs live: a folder, a bucket, or the disk of a cluster's head, chosen in one word."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from orchestune.errors import StorageError

BUCKET, HEAD = "s3://", "head:"
OWN = "orchestune-runs"  # in the home folder of who runs: the folders of runs whose checkpoints lie in a bucket


@dataclass(frozen=True)
class Storage:
    """`folder`, on the driver's disk, has a folder for each run: its journal, its logs, its best checkpoint.

    Checkpoints lie there too, seen by every machine; or, with `bucket`, below that address, with a copy of the journal;
    or, with `by_head`, there all the same, and the machines of a cluster that share no folder reach them through Ray.
    """

    folder: Path
    bucket: str | None = None
    by_head: bool = False

    @classmethod
    def parse(cls, text: str) -> Storage:
        """From `FOLDER`, `s3://BUCKET/PREFIX?OPTIONS` or `head:/FOLDER`. Raises StorageError."""
        if text.startswith(BUCKET):
            if not urlsplit(text).netloc:
                raise StorageError(f"storage {text!r}: write s3://BUCKET/PREFIX")
            return cls(Path.home() / OWN, bucket=text)
        if text.startswith(HEAD):
            folder = text.removeprefix(HEAD)
            if not PurePosixPath(folder).is_absolute():
                raise StorageError(f"storage {text!r}: write head:/FOLDER, an absolute path on the head's disk")
            return cls(Path(folder), by_head=True)
        if "://" in text:
            raise StorageError(f"storage {text!r}: a folder, s3://BUCKET/PREFIX or head:/FOLDER is needed")
        return cls(Path(text))

    def kept_at(self, run: str) -> str | None:
        """What the journal says of where the run's checkpoints are; None for its own folder."""
        if self.bucket is not None:
            return below(self.bucket, run)
        return HEAD if self.by_head else None

    def __str__(self) -> str:
        return self.bucket or f"{HEAD if self.by_head else ''}{self.folder}"


def below(address: str, name: str) -> str:
    """The address of what lies below another one's path."""
    parts = urlsplit(address)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()


def split_run(address: str) -> tuple[Storage, str]:
    """The storage and the name of the run at `s3://BUCKET/PREFIX/RUN?OPTIONS`. Raises StorageError."""
    parts = urlsplit(address)
    above, _, run = parts.path.rstrip("/").rpartition("/")
    if not parts.netloc or not run:
        raise StorageError(f"run {address!r}: write s3://BUCKET/PREFIX/RUN")
    return Storage.parse(parts._replace(path=above).geturl()), run
