"""The real command, killed: what `orchestune resume` makes of it. The long loops are `make faults`."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestune import catalog
from orchestune.running.journal import read_events
from orchestune.running.record import Record
from tests.conftest import PROJECT, Plan
from tests.report.event_files import Curves
from tests.running.simulation import session

pytestmark = pytest.mark.ray
COMMAND = [sys.executable, "-m", "orchestune.cli"]


class Driver:
    """`orchestune ...` as a process of its own, in the toy project."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *words], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.family: list[psutil.Process] = []

    def send(self, number: signal.Signals) -> None:
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Its exit code and what it printed."""
        output, _ = self.process.communicate(timeout=100)
        return self.process.returncode, output

    def left(self) -> list[psutil.Process]:
        """Which of its processes are still there."""
        return [child for child in self.family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def drivers() -> Iterator[list[Driver]]:
    """Whatever a test starts is ended with it, by process id."""
    started: list[Driver] = []
    yield started
    for driver in started:
        if driver.process.poll() is None:
            driver.send(signal.SIGKILL)
            driver.end()
        for child in driver.left():
            child.kill()


def record(root: Path) -> Record:
    return Record.of(read_events(root / "events.jsonl"))


def essence(found: Record) -> list[tuple[Any, ...]]:
    return [(t.id, t.config, t.scores, t.status) for t in found.trials.values()]


def reports(root: Path) -> int:
    return (root / "events.jsonl").read_text().count('"event": "report"') if (root / "events.jsonl").exists() else 0


def wait_for(root: Path, count: int, driver: Driver) -> None:
    """Until the journal holds so many reports."""
    deadline = time.monotonic() + 60
    while reports(root) < count and driver.process.poll() is None:
        assert time.monotonic() < deadline, f"{reports(root)} reports in 60 s"
        time.sleep(0.01)


def run_words(storage: Path, name: str) -> list[str]:
    return ["run", "toy", "--storage", str(storage), "--run-name", name]


def trained(witness: Path) -> list[str]:
    return [line for line in witness.read_text().splitlines() if not line.startswith("test")]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """What it comes to where nothing happens, and no Ray is."""
    return session(catalog.load("toy", PROJECT), tmp_path_factory.mktemp("unbroken") / "run")


def test_a_killed_driver_loses_nothing(tmp_path: Path, plan: Plan, unbroken: Record, drivers: list[Driver]) -> None:
    witness, root = plan(seconds=0.05), tmp_path / "run"
    killed = Driver(*run_words(tmp_path, "run"))
    drivers.append(killed)
    wait_for(root, 20, killed)
    killed.send(signal.SIGKILL)
    killed.end()
    again = Driver("resume", str(root))
    drivers.append(again)
    wait_for(root, 25, again)
    assert not killed.left(), "resume ends what is left of the killed driver's Ray"

    again.process.send_signal(signal.SIGSTOP)  # or it might be done before the next command has started
    second = subprocess.run([*COMMAND, "resume", str(root)], cwd=PROJECT, capture_output=True, text=True, check=False)
    again.process.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert "is running: another process writes its journal" in second.stderr

    code, output = again.end()
    assert code == 0, output
    assert essence(record(root)) == essence(unbroken)
    shown = {trial.id: dict(Curves(root, trial.id).points("score")) for trial in record(root).trials.values()}
    assert shown == {trial.id: pytest.approx(trial.scores) for trial in record(root).trials.values()}
    epochs = trained(witness)
    assert len(epochs) - len(set(epochs)) <= 1
    third = subprocess.run([*COMMAND, "resume", str(root)], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (third.returncode, third.stdout) == (2, "")
    assert "is finished (done)" in third.stderr


def test_an_interrupted_run_ends_cleanly_and_goes_on(
    tmp_path: Path, plan: Plan, unbroken: Record, drivers: list[Driver]
) -> None:
    """Ctrl-C in the run, SIGTERM in the command that goes on with it."""
    witness, root, words = plan(seconds=0.05), tmp_path / "run", run_words(tmp_path, "run")
    for times, number in enumerate((signal.SIGINT, signal.SIGTERM), start=1):
        driver = Driver(*words)
        drivers.append(driver)
        wait_for(root, 10 * times, driver)
        asked = time.monotonic()
        driver.send(number)
        code, output = driver.end()
        assert code == 130
        assert time.monotonic() - asked < 15
        assert f"orchestune resume {root}" in output
        assert "Traceback" not in output
        assert not driver.left()
        ends = [e["why"] for e in read_events(root / "events.jsonl") if e["event"] == "leg_end"]
        assert ends == ["interrupted"] * times
        words = ["resume", str(root)]
    again = Driver(*words)
    drivers.append(again)
    code, output = again.end()
    assert code == 0, output
    assert essence(record(root)) == essence(unbroken)
    epochs = trained(witness)
    assert len(epochs) - len(set(epochs)) <= 2


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_ten_drivers_killed_at_random_moments(
    tmp_path: Path, plan: Plan, unbroken: Record, drivers: list[Driver]
) -> None:
    """12 trials, one worker; kill -9 at ten random moments: four while it starts, six while it trains."""
    witness, root, seed = plan(seconds=0.4), tmp_path / "run", int(os.environ.get("FAULTS_SEED", "0"))
    chance, words = random.Random(seed), run_words(tmp_path, "run")
    for kill in range(10):
        driver = Driver(*words)
        drivers.append(driver)
        if kill % 3 == 0:
            time.sleep(chance.uniform(0.1, 5))
        else:
            wait_for(root, reports(root) + 1, driver)
            time.sleep(chance.uniform(0, 2))
        if driver.process.poll() is None:
            driver.send(signal.SIGKILL)
        driver.end()
        if root.exists() and read_events_if_any(root):
            words = ["resume", str(root)]
            if record(root).run_end:
                break
        elif root.exists():  # killed before the question was asked: there is nothing to go on with
            root.rename(tmp_path / f"empty-{len(drivers)}")
    if not record(root).run_end:
        last = Driver(*words)
        drivers.append(last)
        code, output = last.end()
        assert code == 0, output
    assert essence(record(root)) == essence(unbroken)
    epochs = trained(witness)
    sessions = sum(e["event"] == "session" for e in read_events(root / "events.jsonl"))
    assert sessions >= 7
    assert len(epochs) - len(set(epochs)) <= sessions - 1, "at most the epoch that was being trained, each time"


def read_events_if_any(root: Path) -> bool:
    return (root / "events.jsonl").exists() and bool(read_events(root / "events.jsonl"))


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_ten_workers_killed_at_random_moments(
    tmp_path: Path, plan: Plan, unbroken: Record, drivers: list[Driver]
) -> None:
    """The same for the process that trains, found by its name among the driver's own children."""
    witness, root, chance = plan(seconds=0.15), tmp_path / "run", random.Random(int(os.environ.get("FAULTS_SEED", "0")))
    driver = Driver(*run_words(tmp_path, "run"), "--max-retries", "20")
    drivers.append(driver)
    wait_for(root, 1, driver)
    kills = 0
    while kills < 10 and driver.process.poll() is None:
        time.sleep(chance.uniform(0.1, 3))
        for child in psutil.Process(driver.process.pid).children(recursive=True):
            if child.is_running() and "WithTest" in " ".join(child.cmdline()):
                child.kill()
                kills += 1
    code, output = driver.end()
    assert code == 0, output
    assert kills >= 5
    assert essence(record(root)) == essence(unbroken)
    epochs = trained(witness)
    assert len(epochs) - len(set(epochs)) <= kills
