"""Runs whose checkpoints lie in a bucket, or on the head's disk out of the workers' reach, on real Ray."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from orchestune import Asha, Fifo
from orchestune.errors import RunTaken
from orchestune.running.journal import Event, read_events
from orchestune.running.mirror import folder_of_run, rebuild
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record
from orchestune.running.runner import resume, start
from orchestune.storage.bucket import Bucket
from orchestune.storage.storage import Storage
from tests.conftest import Plan, Server
from tests.end_to_end.test_on_ray import Listener, curves, epochs, without_ray
from tests.running.simulation import Halving, toy

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


class At(Listener):
    """Does something at the nth report."""

    def __init__(self, nth: int, act: Any) -> None:
        super().__init__()
        self.nth, self.act = nth, act

    def observe(self, event: Event, record: Record) -> None:
        super().observe(event, record)
        if event["event"] == "report" and self.heard.count("report") == self.nth:
            self.act()


@pytest.fixture
def storage(s3: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Storage.parse(s3.new())


def test_a_bucket_that_is_cut_off_in_the_middle(storage: Storage, s3: Server, tmp_path: Path, plan: Plan) -> None:
    witness = plan(seconds=0.05)

    def cut() -> None:
        with s3.cut():
            time.sleep(3)

    cutting = threading.Thread(target=cut)
    experiment = toy(scheduler=Halving(), num_samples=4)
    outcome = start(
        experiment, name="toy", storage=storage, run_name="mine", listeners=[At(4, cutting.start)], overrides={}
    )
    cutting.join()
    assert outcome.exit_code == 0
    assert outcome.paths.root == tmp_path / "home" / "orchestune-runs" / "mine"
    assert not outcome.paths.trials.exists(), "checkpoints lie in the bucket alone"
    assert len(epochs(witness)) == len(set(epochs(witness))) == outcome.record.epochs
    assert json.loads((outcome.paths.best / "config.json").read_text()) == outcome.record.best.config
    assert curves(outcome.record) == curves(without_ray(experiment, tmp_path)), "as it would have been in a folder"
    again = RunPaths(tmp_path / "again")
    rebuild(Bucket(storage.kept_at("mine")), again)
    assert again.events.read_bytes() == outcome.paths.events.read_bytes()
    assert (again.best / "toy.json").read_text() == (outcome.paths.best / "toy.json").read_text()
    shutil.rmtree(outcome.paths.root)
    with pytest.raises(RunTaken, match="orchestune resume s3://"):
        start(experiment, name="toy", storage=storage, run_name="mine", listeners=[])


def test_a_run_goes_on_from_its_bucket_on_a_new_machine(storage: Storage, plan: Plan) -> None:
    witness = plan(seconds=0.05)
    experiment = toy(scheduler=Asha(reduction_factor=3), num_samples=6)
    stop = At(6, lambda: os.kill(os.getpid(), signal.SIGINT))
    first = start(experiment, name="toy", storage=storage, run_name="mine", listeners=[stop])
    assert first.interrupted
    known = first.record.epochs
    shutil.rmtree(first.paths.root)
    root = folder_of_run(storage.kept_at("mine"))
    assert root == first.paths.root
    second = resume(experiment, RunPaths(root), listeners=[])
    assert second.exit_code == 0
    assert len(second.record.trials) == 6
    assert len(epochs(witness)) <= second.record.epochs + 2, "an epoch of each live trial, at the most, is done again"
    assert second.record.epochs > known
    assert len([e for e in read_events(second.paths.events) if e["event"] == "session"]) == 2


def test_machines_without_a_shared_folder(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker sees the head's mark here, so that each one has its files taken and given by the actor."""
    from orchestune.storage import head

    witness = plan(bytes=20_000_000)
    monkeypatch.setattr(head, "_mark", lambda folder, name: tmp_path / name)
    experiment = toy(scheduler=Halving(), num_samples=4)
    storage = Storage.parse(f"head:{tmp_path / 'kept'}")
    outcome = start(experiment, name="toy", storage=storage, run_name="mine", listeners=[])
    assert outcome.exit_code == 0
    assert len(epochs(witness)) == len(set(epochs(witness))) == outcome.record.epochs
    assert outcome.paths.root == tmp_path / "kept" / "mine"
    kept = sorted(outcome.paths.trials.glob("*/leg-*/epoch-*/toy.json"))
    assert kept
    assert all(path.stat().st_size > 20_000_000 for path in kept)
    assert json.loads((outcome.paths.best / "toy.json").read_text())[0] == outcome.record.best.best[0]
    assert not list(outcome.paths.root.glob(".keeper*"))
    plan()
    assert curves(outcome.record) == curves(without_ray(experiment, tmp_path)), "as it would have been in a folder"


def test_the_head_itself_uses_the_folder(tmp_path: Path, plan: Plan) -> None:
    plan()
    storage = Storage.parse(f"head:{tmp_path}")
    outcome = start(toy(scheduler=Fifo(), num_samples=2), name="toy", storage=storage, run_name="mine", listeners=[])
    assert outcome.exit_code == 0
    assert outcome.record.question["kept_at"] == "head:"
