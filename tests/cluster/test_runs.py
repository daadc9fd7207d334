"""From the laptop to three machines and back: submit, follow, look, stop, resume, fetch."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import HOUSE, MACHINES, SHARED, Lab

pytestmark = [pytest.mark.ray, pytest.mark.cluster, pytest.mark.timeout(600)]

SLOW = '''"""Does a trial on every machine learn anything?"""

import time

from ray import tune

from orchestune import Asha, Experiment, Random


class Slow(tune.Trainable):
    metrics = ("score",)

    def setup(self, config):
        self.x, self.epoch = config["x"], 0

    def step(self):
        self.epoch += 1
        time.sleep(0.3)
        if self.x > 2:
            raise RuntimeError("no such place")
        return {"score": self.x + 0.01 * self.epoch}

    def save_checkpoint(self, folder):
        with open(f"{folder}/epoch", "w") as file:
            file.write(str(self.epoch))

    def load_checkpoint(self, folder):
        with open(f"{folder}/epoch") as file:
            self.epoch = int(file.read())


experiment = Experiment(
    trainable=Slow, space={"x": tune.uniform(0, 1)}, metric="score", mode="max", searcher=Random(), scheduler="fifo",
    num_samples=6, max_epochs=20,
)
'''


@pytest.fixture(scope="module")
def project(lab: Lab) -> Lab:
    """The laptop's project, with experiments in it."""
    for name in ("experiments", "trainables"):
        shutil.copytree(HOUSE / name, lab.project / name, ignore=shutil.ignore_patterns("__pycache__"))
    (lab.project / "experiments" / "slow.py").write_text(SLOW)
    (lab.project / "runs").mkdir()
    (lab.project / "runs" / "old").write_bytes(bytes(10**6))  # is not to go along
    (lab.project / ".gitignore").write_text("runs/\n")
    return lab


def events(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "events.jsonl").read_text().splitlines() if (folder / "events.jsonl").exists() else []
    return [json.loads(line) for line in lines]


def wait_for(happened: Callable[[], Any], seconds: float = 120) -> Any:
    limit = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.5)
    return found


def hosts_of(folder: Path) -> set[str]:
    return {event["host"] for event in events(folder) if event["event"] == "report"}


def test_a_run_from_the_laptop_and_back(project: Lab) -> None:
    printed = project.laptop(
        "orchestune submit digits_mlp --run-name first --num-samples 6 --max-epochs 4 --scheduler fifo --follow"
    )
    assert "taking along" in printed
    assert "INFO" not in printed, "Ray's own chatter"
    assert all(f"{address}: 1 CPUs" in printed for address in MACHINES.values())
    assert "6 trials, 24 epochs at the most; 3 at a time" in printed
    assert "best        trial" in printed
    there = project.shared / "first"
    assert "succeeded" in project.laptop("orchestune runs")
    assert "best        trial" in project.laptop("orchestune logs first")
    shown = project.laptop("orchestune show first --cluster cluster.yaml")
    project.laptop("orchestune fetch first")
    here = project.project / "runs" / "first"
    assert (here / "events.jsonl").read_bytes() == (there / "events.jsonl").read_bytes()
    for file in [path for path in (there / "best").rglob("*") if path.is_file()]:
        assert (here / file.relative_to(there)).read_bytes() == file.read_bytes()
    assert not (here / "trials").exists()
    assert [path.parent.name for path in (here / "tensorboard").rglob("events.out*")]
    best = json.loads(project.laptop("orchestune best runs/first --json"))
    assert best["epochs"] == 4
    assert re.search(rf"trial {best['id']}\b", shown)
    assert (best["score"], best["config"]) == _best(there)


def _best(folder: Path) -> tuple[float, dict[str, Any]]:
    told = events(folder)
    winner = max((event for event in told if event["event"] == "report"), key=lambda event: event["score"])
    born = next(event for event in told if event["event"] == "leg" and event["trial"] == winner["trial"])
    return winner["score"], born["config"]


def test_what_cannot_run_is_refused_before_it_is_queued(project: Lab) -> None:
    refused = project.run("laptop", "cd project && orchestune submit digits_mlp --run-name much --cpus-per-trial 2")
    assert refused.returncode == 2
    assert "a trial asks on one machine for 2 CPUs, and there is 1" in refused.stdout
    wrong = project.run("laptop", "cd project && orchestune submit digits_mpl")
    assert wrong.returncode == 2
    assert "Did you mean 'digits_mlp'" in wrong.stdout
    assert "much" not in project.laptop("orchestune runs")


def test_a_run_whose_trials_fail_fails(project: Lab) -> None:
    failed = project.run(
        "laptop",
        "cd project && orchestune submit slow --run-name broken --num-samples 1 --set 'x=uniform(3, 4)' --follow",
        timeout=200,
    )
    assert failed.returncode == 1
    assert "no such place" in failed.stdout
    assert re.search(r"broken +failed", project.laptop("orchestune runs"))


def test_stopped_and_resumed(project: Lab) -> None:
    project.laptop("orchestune submit slow --run-name halved")
    there = project.shared / "halved"
    wait_for(lambda: len(events(there)) > 20)
    assert "stopped; nothing is lost" in project.laptop("orchestune stop halved")
    assert re.search(r"halved +stopped", project.laptop("orchestune runs"))
    project.laptop("orchestune resume halved --cluster cluster.yaml")
    project.laptop("orchestune logs halved --follow", timeout=200)
    told = events(there)
    assert told[-1]["event"] == "run_end"
    assert hosts_of(there) == set(MACHINES), "trials ran on every machine"
    _each_epoch_once(told, trials=6, epochs=20)


@pytest.mark.faults
def test_machines_that_share_no_folder(project: Lab) -> None:
    """The head keeps the run on a disk that no worker sees."""
    elsewhere(project, "cluster-head.yaml", "head:/root/kept")
    project.laptop("orchestune submit slow --cluster cluster-head.yaml --run-name kept --max-epochs 10 --follow")
    there = project.root("head") / "kept" / "kept"
    told = events(there)
    assert told[-1]["event"] == "run_end"
    _each_epoch_once(told, trials=6, epochs=10)
    assert hosts_of(there) == set(MACHINES)
    assert not (project.root("w1") / "kept").exists()
    assert (there / "best" / "epoch").read_text() == "10"
    project.laptop("orchestune fetch kept --cluster cluster-head.yaml")
    assert events(project.project / "runs" / "kept") == told


def test_a_bucket_that_is_cut_off_and_a_head_that_dies(project: Lab) -> None:
    """Half a minute without the bucket, then the head's death, and in the end its own copy of the run is lost."""
    address = project.bucket()
    elsewhere(project, "cluster-s3.yaml", address)
    project.laptop("orchestune submit slow --cluster cluster-s3.yaml --run-name far --max-epochs 24")
    there = project.root("head") / "orchestune-runs" / "far"
    wait_for(lambda: len(events(there)) > 20)
    project.hosts("cut", "s3")
    time.sleep(30)
    project.hosts("heal", "s3")
    cut = len(events(there))
    wait_for(lambda: len(events(there)) > cut + 10)
    project.hosts("kill", "head")
    project.hosts("start", "head")
    before = events(there)
    assert before[-1]["event"] != "run_end"
    said = project.laptop("orchestune up --cluster cluster-s3.yaml")
    assert said.splitlines()[-1] == "3 nodes, 3 CPUs, 0 GPUs"
    project.laptop("orchestune resume far --cluster cluster-s3.yaml")
    project.laptop("orchestune logs far --follow", timeout=300)
    told = events(there)
    assert told[: len(before)] == before
    assert [event["event"] for event in told].count("session") == 2
    assert told[-1]["event"] == "run_end"
    _each_epoch_once(told, trials=6, epochs=24)
    assert hosts_of(there) == set(MACHINES)
    shutil.rmtree(there)
    run = address.replace("/ours", "/ours/far")
    assert "best        trial" in project.on("head", f"orchestune show '{run}'")
    assert events(there) == told
    project.laptop("orchestune fetch far --cluster cluster-s3.yaml")
    assert (project.project / "runs" / "far" / "best" / "epoch").exists()


def elsewhere(lab: Lab, name: str, storage: str) -> None:
    """The same cluster, with its runs in another place."""
    here = f"ORCHESTUNE_STORAGE={SHARED}"
    text = (lab.project / "cluster.yaml").read_text()
    assert here in text
    (lab.project / name).write_text(text.replace(here, f"ORCHESTUNE_STORAGE='{storage}'"))


def test_one_worker_cut_off_and_healed_and_one_killed(project: Lab) -> None:
    """What the first still does while nobody hears it is not wanted: its trials have gone on elsewhere.

    The last of those that train: the second machine is not taken back.
    """
    project.laptop("orchestune submit slow --run-name torn --num-samples 7")
    there = project.shared / "torn"
    wait_for(lambda: {"w1", "w2"} <= hosts_of(there))
    for host in ("w1", "w2"):
        project.hosts("cut", host)
    project.hosts("kill", "w2")
    project.hosts("heal", "w2")
    try:
        wait_for(lambda: {"w1", "w2"} <= lost(there))
    finally:
        project.hosts("heal", "w1")
    try:
        project.laptop("orchestune logs torn --follow", timeout=300)
    finally:
        project.hosts("start", "w2")  # without Ray
    told = events(there)
    assert told[-1]["event"] == "run_end"
    _each_epoch_once(told, trials=7, epochs=20)


def lost(folder: Path) -> set[str]:
    """The machines whose death ended a leg."""
    found = {}
    told = events(folder)
    for event in told:
        if event["event"] == "report":
            found[event["trial"], event["leg"]] = event["host"]
    died = [event for event in told if event["event"] == "leg_end" and event["why"] == "worker_died"]
    return {found[event["trial"], event["leg"]] for event in died if (event["trial"], event["leg"]) in found}


@pytest.mark.faults
@pytest.mark.parametrize("seconds", [5, 50])
def test_a_machine_that_is_back_is_taken_back(project: Lab, seconds: float) -> None:
    """It was off, and Ray's launcher may be at work on it at this moment, or have given it up."""
    project.hosts("cut", "w2")
    project.hosts("kill", "w2")
    time.sleep(seconds)
    project.hosts("heal", "w2")
    project.hosts("start", "w2")
    said = project.laptop("orchestune up")
    assert said.splitlines()[-1] == "3 nodes, 3 CPUs, 0 GPUs"
    time.sleep(10)
    project.laptop("orchestune submit slow --run-name whole --num-samples 3 --max-epochs 3 --follow")
    assert hosts_of(project.shared / "whole") == set(MACHINES)


def _each_epoch_once(told: list[dict[str, Any]], trials: int, epochs: int) -> None:
    reports = [(event["trial"], event["epoch"]) for event in told if event["event"] == "report"]
    assert sorted(reports) == [(f"{n:04d}", epoch) for n in range(trials) for epoch in range(1, epochs + 1)]


def test_the_shared_folder_is_where_cluster_yaml_says(project: Lab) -> None:
    assert f"ORCHESTUNE_STORAGE={SHARED}" in (project.project / "cluster.yaml").read_text()
