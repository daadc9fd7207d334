"""An autoscaling cluster grows only when something waits: a run counts on the machines that may come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestune.errors import ClusterError
from orchestune.running.promised import FILE, expected, promised
from orchestune.running.room import Room
from orchestune.training.resources import Resources

HEAD = {"CPU": 0.0, "memory": 5e9, "node:10.0.0.1": 1.0}
SMALL = {"CPU": 8.0, "memory": 1e10, "node:10.0.0.2": 1.0}
WITH_GPU = {"CPU": 4.0, "GPU": 1.0, "memory": 1e10, "accelerator_type:L4": 1.0}
CONFIG = {
    "provider": {"type": "aws"},
    "max_workers": 12,
    "head_node_type": "head",
    "available_node_types": {
        "head": {"resources": {"CPU": 0}, "max_workers": 0},
        "cpu": {"resources": {"CPU": 8}, "min_workers": 1, "max_workers": 8},
        "gpu": {"resources": {"CPU": 4, "GPU": 1}, "max_workers": 4},
    },
}


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "autoscaling.yaml"
    monkeypatch.setenv(FILE, str(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    path.write_text(yaml.safe_dump(CONFIG))
    return path


def counts(machines: list[dict[str, float]]) -> tuple[int, int]:
    gpus = sum(machine.get("GPU", 0) > 0 for machine in machines)
    return len(machines) - gpus, gpus


def test_all_that_may_come() -> None:
    assert counts(promised([HEAD])) == (8, 4)


def test_those_that_are_there_are_not_promised_again() -> None:
    assert counts(promised([HEAD, SMALL, SMALL, WITH_GPU])) == (6, 3)


def test_the_head_may_be_of_a_workers_size(file: Path) -> None:
    alike = {"resources": {"CPU": 8}}
    types = {"head": alike, "cpu": {**alike, "max_workers": 4}}
    file.write_text(yaml.safe_dump({**CONFIG, "available_node_types": types}))
    assert len(promised([SMALL])) == 4
    assert len(promised([SMALL, SMALL, SMALL, SMALL])) == 1


def test_together_no_more_than_the_cluster_may_have(file: Path) -> None:
    file.write_text(yaml.safe_dump({**CONFIG, "max_workers": 10}))
    assert counts(promised([HEAD])) == (8, 2)
    assert counts(promised([HEAD, WITH_GPU, WITH_GPU, WITH_GPU])) == (7, 0)


def test_a_run_hands_out_legs_for_machines_that_may_come() -> None:
    room = Room(expected([HEAD]))
    assert room.fits(Resources(cpu=8))
    assert room.lacking(Resources(cpu=4, gpu=1)) is None
    assert "asks on one machine for 16 CPUs" in str(room.lacking(Resources(cpu=16)))


def test_a_machine_that_comes_changes_nothing_in_what_fits() -> None:
    before, after = Room(expected([HEAD])), Room(expected([HEAD, SMALL]))
    assert len(before._has) == len(after._has)


def test_no_file_no_promise(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FILE)
    assert promised([HEAD]) == []


def test_rays_own_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FILE)
    file.rename(file.with_name("ray_bootstrap_config.yaml"))
    assert len(promised([HEAD])) == 12


def test_machines_of_ones_own_are_all_there_are(file: Path) -> None:
    file.write_text(yaml.safe_dump({**CONFIG, "provider": {"type": "local"}}))
    assert promised([HEAD]) == []


@pytest.mark.parametrize(
    "text",
    ["provider: {type: aws}", "[1, 2]", "{", "provider: {type: aws}\nhead_node_type: h\navailable_node_types: 3"],
)
def test_a_file_that_is_none(text: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(ClusterError, match="does not say which machines may join"):
        promised([HEAD])


def test_a_named_file_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE, "/nowhere.yaml")
    with pytest.raises(ClusterError, match=r"/nowhere\.yaml"):
        promised([HEAD])


def test_the_shipped_file_for_ec2(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[2] / "clusters" / "aws.yaml"
    monkeypatch.setenv(FILE, str(path))
    told: dict[str, Any] = yaml.safe_load(path.read_text())
    assert len(promised([HEAD])) == told["max_workers"]
