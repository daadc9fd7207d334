"""What is in the journal stays as it was written, or is refused by the number of the line that is not."""

from __future__ import annotations

import errno
import itertools
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestune.durable import sealed
from orchestune.errors import JournalDamaged, RunStateError, StorageError
from orchestune.running.journal import Event, Journal, read_events

EVENTS: list[Event] = [
    {"event": "question", "v": 1, "question": {"metric": "score", "space": {"lr": [1e-4, 0.1], "J*": None}}},
    {"event": "leg", "trial": "0000", "config": {"lr": 0.001, "words": "è, \n and \u2028"}, "from": None},
    {"event": "report", "trial": "0000", "epoch": 1, "score": 0.1 + 0.2, "metrics": {}},
    {"event": "end", "trial": "0000", "why": 'a "crc": "00000000"}', "done": True},
]


def write(path: Path, events: list[Event]) -> bytes:
    journal = Journal(path)
    journal.append(*events)
    journal.close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def written(path: Path) -> bytes:
    return write(path, EVENTS)


# ---- whole


def test_what_is_appended_is_read(path: Path) -> None:
    journal = Journal(path)
    assert journal.is_empty
    for count, event in enumerate(EVENTS, start=1):
        journal.append(event)
        assert read_events(path) == EVENTS[:count], "a reader beside the writer"
    assert not journal.is_empty
    journal.close()
    assert len(path.read_bytes().splitlines()) == len(EVENTS)


def test_a_later_writer_goes_on(path: Path) -> None:
    for event in EVENTS:
        write(path, [event])
    journal = Journal(path)
    assert journal.events == EVENTS == read_events(path)
    journal.close()


def test_events_of_one_append_are_as_if_appended_singly(path: Path, written: bytes) -> None:
    other = path.with_name("other.jsonl")
    for event in EVENTS:
        write(other, [event])
    assert other.read_bytes() == written


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, {1}, b"bytes"])
def test_what_is_not_json_is_refused(value: Any, path: Path, written: bytes) -> None:
    journal = Journal(path)
    with pytest.raises((ValueError, TypeError), match="JSON"):
        journal.append({"event": "report", "epoch": 2}, {"event": "report", "metrics": {"loss": value}})
    assert path.read_bytes() == written, "the event before it is not written either"
    journal.append({"event": "more"})
    journal.close()
    assert read_events(path)[-1] == {"event": "more"}


def test_readers_never_write(path: Path, written: bytes) -> None:
    path.write_bytes(written + b'{"event": "cut o')
    os.utime(path, (1, 1))
    before = path.stat(), sorted(path.parent.iterdir())
    read_events(path)
    after = path.stat(), sorted(path.parent.iterdir())
    assert (after[0].st_mtime_ns, after[0].st_size, after[0].st_ino) == (1_000_000_000, len(written) + 16, before[0][1])
    assert before[1] == after[1]


# ---- torn


def test_every_cut_of_the_last_line(path: Path, written: bytes) -> None:
    """A line without its end was never acknowledged: readers leave it out, the next writer cuts it off."""
    start = len(b"".join(written.splitlines(keepends=True)[:-1]))
    for cut in range(start, len(written)):
        path.write_bytes(written[:cut])
        assert read_events(path) == EVENTS[:-1]
        assert path.stat().st_size == cut
        assert write(path, [EVENTS[-1]]) == written, "and goes on as if nothing had been"


def test_every_cut_of_the_first_line(path: Path) -> None:
    first = write(path, EVENTS[:1])
    for cut in range(len(first)):
        path.write_bytes(first[:cut])
        assert read_events(path) == []
        journal = Journal(path)
        assert journal.is_empty
        journal.close()


# ---- damaged


def flips(data: bytes) -> Any:
    """Each copy of `data` in which one bit is another, with the position of its byte."""
    for position, bit in itertools.product(range(len(data)), range(8)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << bit
        yield position, bytes(flipped)


def test_every_flipped_bit_is_noticed_at_its_line(path: Path, written: bytes) -> None:
    for position, flipped in flips(written):
        path.write_bytes(flipped)
        if position == len(written) - 1:  # the last line is now one that was never finished
            assert read_events(path) == EVENTS[:-1]
            continue
        with pytest.raises(JournalDamaged) as damage:
            read_events(path)
        line = written[:position].count(b"\n") + 1
        assert damage.value.line == line, f"byte {position}"
        assert f"{path}, line {line}: " in str(damage.value)


@pytest.mark.parametrize("line", range(len(EVENTS) - 1))
def test_a_line_removed(line: int, path: Path, written: bytes) -> None:
    lines = written.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:line] + lines[line + 1 :]))
    refused_at(path, line + 1)


@pytest.mark.parametrize("line", range(len(EVENTS)))
def test_a_line_twice(line: int, path: Path, written: bytes) -> None:
    lines = written.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: line + 1] + lines[line:]))
    refused_at(path, line + 2)


@pytest.mark.parametrize(("one", "two"), [*itertools.combinations(range(len(EVENTS)), 2)])
def test_two_lines_swapped(one: int, two: int, path: Path, written: bytes) -> None:
    lines = written.splitlines(keepends=True)
    lines[one], lines[two] = lines[two], lines[one]
    path.write_bytes(b"".join(lines))
    refused_at(path, one + 1)


@pytest.mark.parametrize("line", range(len(EVENTS)))
def test_a_line_of_another_journal(line: int, path: Path, written: bytes) -> None:
    others = write(path.with_name("other.jsonl"), [{**event, "other": 1} for event in EVENTS]).splitlines(keepends=True)
    lines = written.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:line], others[line], *lines[line + 1 :]]))
    refused_at(path, 2 if line == 0 else line + 1)  # the first line of a journal is sound by itself


@pytest.mark.parametrize("line", [b"", b"{}", b"null", b"\xff\xfe", b"[1]"], ids=str)
def test_a_line_of_something_else(line: bytes, path: Path, written: bytes) -> None:
    path.write_bytes(written + line + b"\n")
    refused_at(path, len(EVENTS) + 1)


def refused_at(path: Path, line: int) -> None:
    """By readers and by the writer, who leaves it as it is and holds no lock afterwards."""
    before = path.read_bytes()
    for open_it in (read_events, Journal, read_events, Journal):
        with pytest.raises(JournalDamaged) as damage:
            open_it(path)
        assert damage.value.line == line
    assert path.read_bytes() == before


@pytest.mark.parametrize("first", [{"event": "question", "v": 2}, {"event": "question"}, {"event": "leg", "v": "1"}])
def test_another_version_is_refused(first: Event, path: Path) -> None:
    path.write_text(sealed(first) + "\n")
    with pytest.raises(JournalDamaged, match=rf"line 1: journal version {first.get('v')!r}; this orchestune reads 1"):
        read_events(path)
    with pytest.raises(JournalDamaged, match="journal version"):
        Journal(path)


# ---- no journal


def test_no_run(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for folder in (tmp_path, tmp_path / "nowhere", file):
        with pytest.raises(RunStateError, match=rf"{folder} is not a run: it has no events\.jsonl"):
            read_events(folder / "events.jsonl")


def test_a_journal_that_cannot_be_read(path: Path) -> None:
    path.mkdir()
    with pytest.raises(RunStateError, match=r"events\.jsonl cannot be read: Is a directory"):
        read_events(path)


# ---- one writer

WRITER = """
import sys, time
from pathlib import Path
from orchestune.running.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.append({"event": "from the other process"})
print("ready", flush=True)
time.sleep(60)
"""


def test_a_second_writer_waits_for_the_death_of_the_first(path: Path, written: bytes) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        try:
            assert first.stdout.readline() == "ready\n"
            before = path.read_bytes()
            with pytest.raises(RunStateError, match=rf"{path.parent} is running: another process writes its journal"):
                Journal(path)
            assert path.read_bytes() == before
            assert len(read_events(path)) == len(EVENTS) + 1, "to read is always allowed"
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait()
    journal = Journal(path)
    journal.append({"event": "mine"})
    journal.close()
    assert [event["event"] for event in read_events(path)[-2:]] == ["from the other process", "mine"]


def test_a_second_writer_in_this_process(path: Path) -> None:
    first = Journal(path)
    with pytest.raises(RunStateError, match="is running"):
        Journal(path)
    first.close()
    Journal(path).close()


# ---- storage


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere: No such file or directory\. Choose another with --storage"):
        Journal(tmp_path / "nowhere" / "events.jsonl")


def test_a_folder_that_cannot_be_written(read_only_disk: Path) -> None:
    with pytest.raises(StorageError, match="Read-only file system"):
        Journal(read_only_disk / "events.jsonl")


@pytest.mark.parametrize("size", [10, 3000, 50_000])
def test_a_full_disk(size: int, small_disk: Path) -> None:
    """Lines of all lengths: where there is room for a part of one, that part is taken back."""
    filler = small_disk / "filler"
    filler.write_bytes(b"." * 4_000_000)
    journal, kept = Journal(small_disk / "events.jsonl"), [EVENTS[0]]
    journal.append(EVENTS[0])
    with pytest.raises(StorageError, match=r"No space left on device \(\d+ bytes free\)\. Make room, then resume"):  # noqa: PT012
        for number in range(10_000):
            batch = [{"event": "report", "epoch": number, "padding": "." * size}, {"event": "end"}]
            journal.append(*batch)
            kept += batch
    assert read_events(journal.path) == kept, "what was acknowledged, and nothing else"
    assert journal.path.read_bytes().endswith(b"\n")
    with pytest.raises(StorageError):
        journal.append({"event": "still full", "padding": "." * 200_000})
    filler.unlink()
    journal.append(EVENTS[1])
    journal.close()
    assert read_events(journal.path) == [*kept, EVENTS[1]]


def test_what_did_not_reach_the_disk_is_taken_back(path: Path, written: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    with monkeypatch.context() as broken:

        def fsync(descriptor: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        broken.setattr(os, "fsync", fsync)
        with pytest.raises(StorageError, match="Input/output error"):
            journal.append({"event": "lost"})
    assert path.read_bytes() == written
    journal.append({"event": "kept"})
    journal.close()
    assert read_events(path) == [*EVENTS, {"event": "kept"}]
