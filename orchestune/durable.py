"""Files that are whole or absent: what a crash may interrupt is written aside, flushed to the disk, then renamed."""

from __future__ import annotations

import errno
import json
import os
import zlib
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


def write_whole(path: Path, text: str) -> None:
    """Writes a small text file so that after any crash the old one or the new one is there."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync(path.parent)
