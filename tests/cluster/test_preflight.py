"""What stands in a run's way is told before it is queued, all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestune.cluster import preflight
from orchestune.cluster.nodes import missing
from orchestune.cluster.preflight import Machine, inspect, look, mistakes, versions

HEAD = Machine("10.0.0.1", {"python": "3.11.7", "ray": "2.60.0"}, None)


def test_a_cluster_of_equals_has_no_mistakes() -> None:
    other = Machine("10.0.0.2", HEAD.versions, None)
    assert mistakes([HEAD, other], [], ["10.0.0.1", "10.0.0.2"], "/runs") == []


def test_all_mistakes_are_named() -> None:
    old = Machine("10.0.0.2", {"python": "3.10.1", "ray": "2.60.0"}, None)
    lonely = Machine("10.0.0.3", HEAD.versions, "it is another folder than the head's")
    one_way = Machine("10.0.0.4", HEAD.versions, None)
    found = mistakes([HEAD, old, lonely, one_way], ["10.0.0.5"], ["10.0.0.1", "10.0.0.2"], "/runs")
    assert found == [
        "10.0.0.5 does not answer: is its Ray running (`orchestune up`)?",
        "10.0.0.2 has python 3.10.1, the head has 3.11.7",
        "storage /runs on 10.0.0.3: it is another folder than the head's",
        "storage /runs on 10.0.0.4: what is written there does not reach the head",
    ]


def test_a_machine_looks_for_the_heads_file(tmp_path: Path) -> None:
    missing = look("10.0.0.2", str(tmp_path), "mark")
    assert missing.storage is not None
    assert "another folder" in missing.storage
    (tmp_path / "mark").touch()
    assert look("10.0.0.2", str(tmp_path), "mark").storage is None
    assert (tmp_path / "mark-10.0.0.2").exists()
    assert missing.versions == versions()


def test_storage_that_cannot_be_written(read_only_disk: Path) -> None:
    (found,) = look_at(read_only_disk)
    assert "Read-only file system" in found


def look_at(folder: Path) -> list[str]:
    seen = look("10.0.0.2", str(folder), ".")
    return [seen.storage] if seen.storage else []


@pytest.mark.ray
def test_a_real_cluster_of_one(ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    here = ray.util.get_node_ip_address()
    found = inspect(tmp_path / "runs", [here], {"cpu": 1})
    assert found["mistakes"] == []
    assert found["machines"] == [f"{here}: 2 CPUs, 2 GPUs"]
    assert list((tmp_path / "runs").iterdir()) == [], "it leaves nothing"
    monkeypatch.setattr(preflight, "JOINING", 1)
    asked = inspect(tmp_path / "runs", [here, "10.9.9.9"], {"cpu": 64})
    assert [mistake.split(":")[0] for mistake in asked["mistakes"]] == [
        "10.9.9.9 of cluster.yaml has not joined the cluster",
        "a trial asks for 64 CPUs, and there are 2",
    ]


def test_a_machine_is_there_under_whatever_address_it_joined() -> None:
    """One rule for `up` and `submit`: what the one takes for there, the other does not refuse."""
    expected = ["127.0.0.1", "10.9.9.2", "10.9.9.3"]
    assert missing(expected, ["127.0.0.1", "10.9.9.2"]) == ["10.9.9.3"]
    assert missing(expected, ["127.0.0.1", "10.9.9.2", "192.168.0.3"]) == []
    assert missing(["localhost", "10.9.9.2"], ["127.0.0.1"]) == ["10.9.9.2"], "names are resolved"
