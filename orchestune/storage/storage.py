"""Where runs live: a folder, a bucket, or the disk of a cluster's head, chosen in one word."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, urlsplit

from orchestune.errors import StorageError, UnknownName

BUCKET, HEAD = "s3://", "head:"
# What an address may say after its `?`: pyarrow.fs.S3FileSystem's own names. Keys and secrets do not belong into one.
OPTIONS = ("region", "scheme", "endpoint_override")
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
            check_address(text)
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


def check_address(text: str) -> None:
    """Raises StorageError, UnknownName where it is none of a bucket."""
    parts = urlsplit(text)
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or "#" in text:
        raise StorageError(f"storage {text!r}: write s3://BUCKET/PREFIX, without '@' and '#'")
    for name, _ in parse_qsl(parts.query):
        if name not in OPTIONS:
            raise UnknownName("option of s3://", name, OPTIONS)


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
