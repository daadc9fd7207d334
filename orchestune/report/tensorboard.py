"""A run in TensorBoard: a file of curves for each trial, and the HParams table, live while the run goes on.

All of it is derived from the journal, and made again from there wherever a dead driver, or whoever deleted the folder,
left gaps. No file stays open between two events: a paused trial costs nothing, and whatever is journaled is shown.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, TextIO

from orchestune.running.journal import Event, read_events
from orchestune.running.paths import RunPaths, storage_error
from orchestune.running.record import Record

if TYPE_CHECKING:
    from orchestune.experiment import Experiment
    from orchestune.report.summaries import Summaries

SUMMARIES = "orchestune.report.summaries"


class TensorBoardLog:
    """Made for one session of one run."""

    def open(self, terminal: TextIO, experiment: Experiment, paths: RunPaths) -> None:
        self._paths, self._space = paths, experiment.typed_space
        Thread(target=import_module, args=[SUMMARIES]).start()  # it takes a while, and so does Ray's start

    @cached_property
    def _summaries(self) -> Summaries:
        from orchestune.report.summaries import Summaries  # here: of all commands, only those that train need it

        return Summaries(self._paths.name, self._space)

    def observe(self, event: Event, record: Record) -> None:
        """Raises StorageError."""
        with self._told():
            if event["event"] == "session":
                if record.trials:
                    self._mend(read_events(self._paths.events))
            elif data := self._summaries.of(event, record):
                self._add(event, data)

    def say(self, text: str) -> None: ...
    def close(self) -> None: ...

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise storage_error(self._paths.root, problem) from problem

    def _add(self, event: Event, data: bytes) -> None:
        path = self._paths.curves(event["trial"])
        if event["event"] == "leg":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        elif path.exists():
            _append(path, data)
        else:  # deleted while the run goes on
            self._mend(_until(event, read_events(self._paths.events)), {event["trial"]})

    def _mend(self, past: list[Event], trials: set[str] | None = None) -> None:
        """Brings the files of `trials` (None: of all that lack something) to where `past` ends."""
        if trials is None:
            trials = self._lacking(past)
        record, whole = Record(), defaultdict[str, bytes](bytes)
        for event in past:
            record.apply(event)
            if event.get("trial") in trials:
                whole[event["trial"]] += self._summaries.of(event, record)
        for trial, data in whole.items():
            path = self._paths.curves(trial)
            path.parent.mkdir(parents=True, exist_ok=True)
            there = path.read_bytes() if path.exists() else b""
            if not data.startswith(there):
                path.unlink()
                there = b""
            _append(path, data[len(there) :])  # a TensorBoard that has read so far reads on

    def _lacking(self, past: list[Event]) -> set[str]:
        """The trials that may lack records: those that have not ended, and those whose file does not end so."""
        record, lacking = Record(), set()
        for event in past:
            record.apply(event)
            if event["event"] == "leg":
                lacking.add(event["trial"])
            elif event["event"] == "end":
                end = self._summaries.of(event, record)
                if _ends(self._paths.curves(event["trial"]), end):
                    lacking.discard(event["trial"])
        return lacking


def show_picture(paths: RunPaths, name: str, png: bytes, epochs: int) -> None:
    """Has TensorBoard show it among its images, after so many epochs of the run. Raises StorageError."""
    from orchestune.report.summaries import picture

    path = paths.curves("plots")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(path, picture(name, png, time.time(), epochs, first=not path.exists()))
    except OSError as problem:
        raise storage_error(paths.root, problem) from problem


def _until(event: Event, past: list[Event]) -> list[Event]:
    """`past` up to `event`: events are journaled together and told one by one."""
    same = [all(old.get(key) == event.get(key) for key in ("event", "trial", "epoch")) for old in past]
    return past[: same.index(True) + 1]


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def _ends(path: Path, data: bytes) -> bool:
    """Whether these are the file's last bytes."""
    if not path.exists() or path.stat().st_size < len(data):
        return False
    with path.open("rb") as file:
        file.seek(-len(data), os.SEEK_END)
        return file.read() == data
