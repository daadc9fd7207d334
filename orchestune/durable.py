"""Files and folders that are whole or absent: what a crash may cut off is written aside, flushed, then renamed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"  # of a checkpoint: the file that is written last, and says that all others are there
# What a disk says when it has no room for us; the run stops there instead of blaming a trial.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def checksum(text: str, after: int = 0) -> str:
    """CRC-32 of `text`, continued from the number `after`, as eight hexadecimal digits."""
    return f"{zlib.crc32(text.encode(), after):08x}"


def sealed(record: dict[str, Any], after: int = 0) -> str:
    """One line of strict JSON whose last key, `crc`, covers all before it (and what came before the line)."""
    body = json.dumps(record, allow_nan=False, separators=(", ", ": "))[:-1]
    return f'{body}, "crc": "{checksum(body, after)}"}}'


def unsealed(line: str, after: int = 0) -> dict[str, Any]:
    """The record of a sealed line. Raises ValueError saying what is wrong with it."""
    body, mark, tail = line.rpartition(', "crc": "')
    if not mark or tail[8:] != '"}':
        raise ValueError("it does not end with a checksum")
    if tail[:8] != checksum(body, after):
        raise ValueError("its checksum does not match what it says")
    record = json.loads(body + "}")
    if not isinstance(record, dict):
        raise ValueError("it is not an object")
    return record


def sync(path: Path) -> None:
    """Flushes a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a small file so that after any crash the old one or the new one is there."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync(path.parent)


@contextmanager
def whole_folder(target: Path, *, instead: bool = False) -> Iterator[Path]:
    """A folder, empty at first, that is `target` once the block has ended well: it is there whole or not at all.

    `instead`: of what is there by that name, which otherwise has to be an empty folder at the most.
    """
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)  # of a process of that number that was killed
    aside.mkdir(parents=True)
    try:
        yield aside
        for path in aside.rglob("*"):
            sync(path)
        if instead:
            shutil.rmtree(target, ignore_errors=True)
        aside.replace(target)
        sync(target.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
