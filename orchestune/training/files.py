"""Files that a trainable learns from: in a folder that the user names, or downloaded once into the user's cache."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from orchestune.errors import DataError

DATA = "ORCHESTUNE_DATA"  # the environment variable that names the user's folder; `--data` sets it
CACHE = "ORCHESTUNE_CACHE"  # and where downloads and prepared data are kept; default ~/.cache/orchestune
SILENCE_S = 20  # of a mirror, after which the next one is asked
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file as its publisher has it. Of a gzip file, `sha256` is that of what it holds: archives are packed anew."""

    name: str
    sha256: str


def cache_folder() -> Path:
    """Where this user's downloads and prepared data are kept on this node."""
    named = os.environ.get(CACHE)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named).absolute() if named else Path(base) / "orchestune"


def data_folder() -> Path | None:
    """The folder that the user named, if one was."""
    named = os.environ.get(DATA)
    return Path(named).absolute() if named else None


def use_data_folder(folder: Path) -> None:
    """Names the user's folder to this process, and to the workers of its runs. Raises DataError."""
    _require(folder)
    os.environ[DATA] = str(folder.resolve())


def obtain(dataset: str, files: Sequence[RemoteFile], mirrors: Sequence[str]) -> Path:
    """The folder that holds `files`, in the user's folder (or its subfolder `dataset`), else in the cache.

    Only the cache is downloaded into, by one process at a time, from the first of `mirrors` (addresses that a file's
    name is put behind) that has the right file. Raises DataError naming what is missing and where it belongs. Files
    that were there before are not read here: `content` checks what it reads.
    """
    if given := data_folder():
        return _given(given, dataset, files)
    folder = cache_folder() / dataset
    if not _missing(folder, files):
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            for file in _missing(folder, files):  # looked at again: who held the lock may have brought them
                _download(file, mirrors, folder)
    except _NotToBeHad as told:
        raise DataError(
            f"{dataset} could not be downloaded:{told}\n"
            f"Without a network, put these files into a folder: {_names(files)}; "
            f"then name it: --data FOLDER, or {DATA}=FOLDER."
        ) from told
    except OSError as problem:
        raise DataError(
            f"{dataset} cannot be kept in {folder}: {problem.strerror}. Choose another with {CACHE}."
        ) from problem
    return folder


def content(folder: Path, file: RemoteFile) -> bytes:
    """What the file holds, unpacked and compared with its checksum. Raises DataError naming the file."""
    path = folder / file.name
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as cut:
        raise DataError(f"{path} is damaged or cut off ({path.stat().st_size} bytes, {cut}): {_again(path)}") from cut
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}") from problem
    found = hashlib.sha256(data).hexdigest()
    if found != file.sha256:
        raise DataError(
            f"{path} is not the file that was meant: SHA-256 of its content is {found}, not {file.sha256}: "
            f"{_again(path)}"
        )
    return data


class _NotToBeHad(Exception):
    """What each mirror said."""


def _require(folder: Path) -> None:
    if not folder.is_dir():
        raise DataError(f"the data folder {folder} does not exist: give another with --data or {DATA}")


def _given(folder: Path, dataset: str, files: Sequence[RemoteFile]) -> Path:
    _require(folder)
    for place in (folder / dataset, folder):
        missing = _missing(place, files)
        if not missing:
            return place
        if len(missing) < len(files):
            break  # it is here, and not whole
    raise DataError(
        f"{dataset} is not whole in the data folder {place}: {_names(missing)} missing. Needed there, or in its "
        f"subfolder {dataset!r}: {_names(files)}. Without --data and {DATA} they are downloaded."
    )


def _missing(folder: Path, files: Sequence[RemoteFile]) -> list[RemoteFile]:
    return [file for file in files if not (folder / file.name).is_file()]


def _names(files: Sequence[RemoteFile]) -> str:
    return ", ".join(file.name for file in files)


def _again(path: Path) -> str:
    return "delete it, and it is downloaded again" if cache_folder() in path.parents else "put the right one there"


def _download(file: RemoteFile, mirrors: Sequence[str], folder: Path) -> None:
    """Writes aside, checks, renames: under its name a file is whole and right."""
    said = ""
    aside = folder / f".{os.getpid()}.{file.name}"
    for mirror in mirrors:
        try:
            with urllib.request.urlopen(mirror + file.name, timeout=SILENCE_S) as source, aside.open("wb") as target:
                shutil.copyfileobj(source, target, _BLOCK)
            content(folder, replace(file, name=aside.name))
            aside.replace(folder / file.name)
            return
        except (OSError, HTTPException, DataError) as problem:  # URLError, HTTPError and timeouts are OSErrors
            said += f"\n  - {mirror + file.name}: {problem}"
        finally:
            aside.unlink(missing_ok=True)
    raise _NotToBeHad(said)
