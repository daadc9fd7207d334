"""The live table ranks every trial: it must not cost a large run its driver, nor a small one what it shows."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.table import Table

from orchestune import console
from orchestune.console import AHEAD, SHARE, ProgressConsole
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record
from tests.running.simulation import session, toy

REPORT = {"event": "report", "trial": "0000"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Tables:
    """Made in place of the real ones: each takes `cost` seconds of this clock, and says how many trials it shows."""

    def __init__(self, cost: float) -> None:
        self.cost, self.now, self.shown = cost, 0.0, list[int]()

    def clock(self) -> float:
        return self.now

    def trials(self, record: Record, most: int) -> Table:
        self.now += self.cost
        self.shown.append(record.reports)
        return Table()


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Tables:
    made = Tables(request.param)
    monkeypatch.setattr(console.table, "trials", made.trials)
    return made


def watched(tables: Tables, tmp_path: Path, events: int, every: float) -> list[int]:
    """So many reports, `every` so many seconds; the tables that were shown before the end."""
    progress, record = ProgressConsole(clock=tables.clock), Record(question={"metric": "score", "mode": "max"})
    progress.open(Terminal(), toy(), RunPaths(tmp_path))
    for _ in range(events):
        tables.now += every
        record.reports += 1
        progress.observe(REPORT, record)
    before = list(tables.shown)
    progress.close()
    assert tables.shown[-1] == events, "the last table shows all there is"
    return before


@pytest.mark.parametrize("tables", [0.002], indirect=True, ids=["two-milliseconds"])
def test_a_small_run_shows_every_event_once(tables: Tables, tmp_path: Path) -> None:
    assert watched(tables, tmp_path, events=200, every=0.05) == list(range(1, 201))
    assert len(tables.shown) == 200


@pytest.mark.parametrize("tables", [0.4], indirect=True, ids=["slow"])
def test_a_large_run_keeps_its_driver(tables: Tables, tmp_path: Path) -> None:
    took = len(watched(tables, tmp_path, events=20_000, every=0.005)) * tables.cost
    assert SHARE * 100 <= took <= SHARE * (100 + took) + AHEAD + tables.cost


def test_where_there_is_no_terminal_each_ended_trial_is_counted(tmp_path: Path) -> None:
    progress, said = ProgressConsole(), io.StringIO()
    progress.open(said, toy(), RunPaths(tmp_path))
    record = session(toy(), tmp_path / "run", observe=progress.observe)
    lines = said.getvalue().splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert record.ended == len(record.trials) == 5
