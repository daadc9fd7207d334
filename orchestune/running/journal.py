"""The journal: everything that happens to a run, one line an event, durable before it is acted on.

Version 1: JSON lines, the checksum (CRC-32) each line's last key; it goes on from the line before, so that a line
changed, lost, repeated or moved is noticed at its number. One writer, the driver, holds a lock that the kernel frees at
its death. Readers never write.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestune.durable import sealed, sync, unsealed
from orchestune.errors import JournalDamaged, RunStateError
from orchestune.running.paths import storage_error

VERSION = 1
Event = dict[str, Any]


def read_events(path: Path) -> list[Event]:
    """All events; an unterminated last line, never acknowledged, is left out. Raises JournalDamaged, RunStateError."""
    return [event for event, _, _ in _lines(path)]


def _lines(path: Path) -> Iterator[tuple[Event, int, int]]:
    """Each event with the byte at which its line ends and the checksum the next line goes on from."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as missing:
        raise RunStateError(f"{path.parent} is not a run: it has no {path.name}") from missing
    except OSError as problem:
        raise RunStateError(f"{path} cannot be read: {problem.strerror}") from problem
    end, crc = 0, 0
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        end += len(line) + 1
        try:
            event = unsealed(line.decode(), crc)
        except ValueError as problem:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
            raise JournalDamaged(path, number, f"the journal is damaged here, {problem}") from problem
        if number == 1 and event.get("v") != VERSION:
            raise JournalDamaged(path, 1, f"journal version {event.get('v')!r}; this orchestune reads {VERSION}")
        crc = int(event_crc(line), 16)
        yield event, end, crc


def event_crc(line: bytes) -> str:
    return line[-10:-2].decode()


class Journal:
    """The one writer of a run's journal."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the journal; `events` are those found. Raises RunStateError where another driver has it,
        JournalDamaged, StorageError."""
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as problem:
            raise storage_error(path.parent, problem) from problem
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            os.close(self._file)
            raise RunStateError(f"{path.parent} is running: another process writes its journal") from held
        try:
            self.events, self._end, self._crc = self._recover()
        except Exception:
            self.close()
            raise

    def _recover(self) -> tuple[list[Event], int, int]:
        events, end, crc = [], 0, 0
        for event, end, crc in _lines(self.path):  # noqa: B007 - the last values are wanted
            events.append(event)
        if os.fstat(self._file).st_size > end:
            os.ftruncate(self._file, end)  # a line that a crash cut off; nothing acted on it
            os.fsync(self._file)
        sync(self.path.parent)
        return events, end, crc

    def append(self, *events: Event) -> None:
        """Writes the events and returns when they are on the disk: all of them, or none and StorageError."""
        crc, lines = self._crc, []
        for event in events:
            line = sealed(event, crc)
            crc = int(event_crc(line.encode()), 16)
            lines.append(line + "\n")
        data = "".join(lines).encode()
        try:
            if os.write(self._file, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # a short write
            os.fsync(self._file)
        except OSError as problem:
            os.ftruncate(self._file, self._end)
            raise storage_error(self.path.parent, problem) from problem
        self._end, self._crc = self._end + len(data), crc

    @property
    def is_empty(self) -> bool:
        return self._end == 0

    @property
    def size(self) -> int:
        """Bytes that are on the disk for good: whole lines, never changed. Any thread may ask."""
        return self._end

    def close(self) -> None:
        """Lets go of the lock."""
        os.close(self._file)
