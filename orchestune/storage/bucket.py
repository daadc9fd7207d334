"""A bucket of S3, or of any storage that speaks its language, reached by every machine through Arrow's file system."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pyarrow import fs

from orchestune.environment import settings
from orchestune.storage.folder import room_in
from orchestune.storage.patience import PATIENCE_S, patiently
from orchestune.storage.storage import below, check_address

T = TypeVar("T")

CONNECT_S, SILENCE_S = 5.0, 10.0  # seconds after which a request has failed, and is tried again


@dataclass(frozen=True)
class Bucket:
    """The depot below `s3://BUCKET/PREFIX?region=...`.

    Who it is reached as is what AWS's own clients find: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws, or the
    role of the machine. Raises StorageError, UnknownName where the address is none.
    """

    where: str
    patience_s: float = PATIENCE_S  # that it may be out of reach
    is_near = False
    outlives_driver = True

    def __post_init__(self) -> None:
        check_address(self.where)

    def at(self, name: str) -> Bucket:
        """The depot of what lies below the key `name`."""
        return replace(self, where=below(self.where, name))

    @cached_property
    def _files(self) -> fs.S3FileSystem:
        options: dict[str, Any] = dict(parse_qsl(urlsplit(self.where).query))
        waits = {
            "connect_timeout": CONNECT_S,
            "request_timeout": SILENCE_S,
            "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=1),  # `patiently` tries, and knows why
        }
        with settings(_spares_a_search(options)):
            if not options.keys() & {"region", "endpoint_override"}:
                options["region"] = self._patiently(lambda: fs.resolve_s3_region(urlsplit(self.where).netloc))
            return fs.S3FileSystem(allow_delayed_open=True, background_writes=False, **options, **waits)

    def _path(self, key: str) -> str:
        parts = urlsplit(self.where)
        return str(PurePosixPath(parts.netloc, parts.path.strip("/"), key))

    def called(self, key: str) -> str:
        return f"s3://{self._path(key)}"

    def below(self, folder: str) -> list[str]:
        top = self._path(folder)
        chosen = fs.FileSelector(top, allow_not_found=True, recursive=True)
        found = self._patiently(lambda: self._files.get_file_info(chosen))
        return [info.path.removeprefix(f"{top}/") for info in found]

    def make(self, folder: str) -> None:
        """An empty object whose name ends with `/`, as S3's own console makes one."""
        self._patiently(lambda: self._files.create_dir(self._path(folder)))

    def read(self, key: str) -> str:
        def read() -> str:
            with self._files.open_input_stream(self._path(key)) as source:
                return bytes(source.read()).decode()

        return self._patiently(read)

    def write(self, key: str, text: str) -> None:
        def write() -> None:
            with self._files.open_output_stream(self._path(key)) as target:
                target.write(text.encode())

        self._patiently(write)

    def fill(self, folder: str, fill: Callable[[Path], None], last: str) -> None:
        with tempfile.TemporaryDirectory(prefix="orchestune-") as aside:
            with room_in(Path(aside)):
                fill(Path(aside))
            closing = Path(aside, last).read_text()
            Path(aside, last).unlink()
            self.put(Path(aside), folder)
        self.write(f"{folder}/{last}", closing)

    @contextmanager
    def opened(self, folder: str) -> Iterator[Path]:
        """A copy, which is gone after the block."""
        with tempfile.TemporaryDirectory(prefix="orchestune-") as aside:
            self.get(folder, Path(aside))
            yield Path(aside)

    def delete(self, folder: str, first: str | None = None) -> None:
        if first is not None:
            self.remove(f"{folder}/{first}")
        with suppress(FileNotFoundError):
            self._patiently(lambda: self._files.delete_dir(self._path(folder)))

    def remove(self, key: str) -> None:
        """The file, if it is there."""
        with suppress(FileNotFoundError):
            self._patiently(lambda: self._files.delete_file(self._path(key)))

    def put(self, path: Path, key: str) -> None:
        """A file of this machine, of any size."""
        self._copy(str(path), self._path(key), fs.LocalFileSystem(), self._files)

    def get(self, key: str, path: Path) -> None:
        """The same file on this machine."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._copy(self._path(key), str(path), self._files, fs.LocalFileSystem())

    def _copy(self, source: str, target: str, here: fs.FileSystem, there: fs.FileSystem) -> None:
        """A file, or a folder with all below it."""
        self._patiently(lambda: fs.copy_files(source, target, source_filesystem=here, destination_filesystem=there))

    def _patiently(self, act: Callable[[], T]) -> T:
        return patiently(self.where, act, self.patience_s)


def _spares_a_search(options: dict[str, Any]) -> dict[str, str]:
    """What AWS's client is told while it is made, or it asks for its region where only Amazon's machines answer.

    Elsewhere that is six seconds of silence, in every process.
    """
    if "endpoint_override" in options and ".amazonaws." not in options["endpoint_override"]:
        return {"AWS_EC2_METADATA_DISABLED": "true"}  # nor has it a role that somebody else's storage would know
    if os.environ.keys() & {"AWS_REGION", "AWS_DEFAULT_REGION"}:
        return {}
    return {"AWS_DEFAULT_REGION": options.get("region", "us-east-1")}
