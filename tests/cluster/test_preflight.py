"""What stands in a run's way is told before it is queued, all of it."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestune.cluster import preflight
from orchestune.cluster.nodes import missing
from orchestune.cluster.preflight import Machine, inspect, look, mistakes, versions
from orchestune.storage.bucket import Bucket
from tests.conftest import Server

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
    assert not (tmp_path / "mark").exists(), "it leaves nothing in a folder that is not the head's"
    (tmp_path / "mark").mkdir()
    (tmp_path / "mark" / preflight.HEADS).touch()
    assert look("10.0.0.2", str(tmp_path), "mark").storage is None
    assert (tmp_path / "mark" / "10.0.0.2").exists()
    assert missing.versions == versions()


def test_storage_that_cannot_be_written(small_disk: Path) -> None:
    (small_disk / "mark").mkdir()
    (small_disk / "mark" / preflight.HEADS).touch()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert look("10.0.0.2", str(small_disk), "mark").storage == "Read-only file system"


def test_a_machine_that_does_not_reach_the_bucket(s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(s3.new())
    assert "another folder" in str(look("10.0.0.2", bucket.where, "mark").storage)
    bucket.write(f"mark/{preflight.HEADS}", "")
    assert look("10.0.0.2", bucket.where, "mark").storage is None
    assert sorted(bucket.below("mark")) == ["10.0.0.2", preflight.HEADS]
    monkeypatch.setattr(preflight, "PATIENCE", 4)
    with s3.cut():
        assert "was out of reach for 1 s" in str(look("10.0.0.2", bucket.where, "mark").storage)


def test_a_machine_need_not_see_what_the_head_keeps() -> None:
    assert look("10.0.0.2", None, "mark") == Machine("10.0.0.2", versions(), None)


@pytest.mark.ray
def test_a_real_cluster_of_one(ray_cluster: None, s3: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    here = ray.util.get_node_ip_address()
    found = inspect(str(tmp_path / "runs"), [here], {"cpu": 1})
    assert found["mistakes"] == []
    for storage in (f"head:{tmp_path / 'runs'}", s3.new()):
        assert inspect(storage, [here], {"cpu": 1})["mistakes"] == []
    (unwritable,) = inspect(s3.new().replace("runs-", "none-"), [here], {"cpu": 1})["mistakes"]
    assert "NO_SUCH_BUCKET" in unwritable
    assert found["machines"] == [f"{here}: 2 CPUs, 2 GPUs"]
    with monkeypatch.context() as patch, ExitStack() as until_the_end:
        patch.setattr(preflight, "PATIENCE", 4)
        patch.setattr(preflight, "_ask", lambda *_: until_the_end.enter_context(s3.cut()) or ([], []))
        (cut_off,) = inspect(s3.new(), [here], {"cpu": 1})["mistakes"]
    assert "was out of reach" in cut_off, "the bucket went away while the machines were asked"
    assert list((tmp_path / "runs").iterdir()) == [], "it leaves nothing"
    monkeypatch.setattr(preflight, "JOINING", 1)
    asked = inspect(str(tmp_path / "runs"), [here, "10.9.9.9"], {"cpu": 64})
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
