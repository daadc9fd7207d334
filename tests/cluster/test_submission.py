"""What is asked here is what the head is told to run, and what a run's job says comes back whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestune.arguments import given, parse
from orchestune.cli import COMMANDS
from orchestune.cluster import submission
from orchestune.cluster.description import Description
from orchestune.cluster.jobs import Job, Jobs, tail
from orchestune.cluster.submission import preflight, run_on_head, storage_of, words_of_run
from orchestune.errors import ClusterError, UnknownName
from orchestune.storage.storage import Storage

LAB = Description(
    path=Path("cluster.yaml"), name="lab", head="10.0.0.1", workers=("10.0.0.2",), user="me", key=None, storage="/runs"
)


def test_the_head_is_told_what_was_asked_here() -> None:
    asked = ["--num-samples", "8", "--searcher", "grid(points=3)", "--set", "lr=loguniform(1e-4, 1e-1)"]
    overrides = given(parse(["run", "digits_mlp", *asked], COMMANDS))
    words = words_of_run("digits_mlp", "night", Storage.parse("/runs"), overrides)
    assert words[0] == "orchestune"
    there = parse(words[1:], COMMANDS)
    assert given(there) == overrides
    assert (there.name, there.run_name, there.storage, there.yes) == (
        "digits_mlp",
        "night",
        Storage(Path("/runs")),
        True,
    )


def test_where_runs_lie_is_said_in_one_place() -> None:
    assert storage_of(LAB) == Storage(Path("/runs"))
    assert storage_of(replace(LAB, storage="head:/runs")) == Storage(Path("/runs"), by_head=True)
    assert storage_of(replace(LAB, storage="s3://ours/runs")).bucket == "s3://ours/runs"
    with pytest.raises(ClusterError, match="names no storage: export ORCHESTUNE_STORAGE="):
        storage_of(replace(LAB, storage=None))
    with pytest.raises(ClusterError, match="'runs': on a cluster it is an absolute path"):
        storage_of(replace(LAB, storage="runs"))


@pytest.mark.parametrize(
    ("storage", "folder"),
    [("/runs", "/runs/night"), ("head:/runs", "/runs/night"), ("s3://ours/runs?region=x", "orchestune-runs/night")],
)
def test_where_a_run_is_on_the_head(storage: str, folder: str) -> None:
    """Of one in a bucket, below the home folder, in which commands over ssh begin."""
    assert run_on_head(Storage.parse(storage), "night") == folder


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ('noise\n{"mistakes": ["too few CPUs", "too old"], "machines": []}', "- too few CPUs\n  - too old"),
        ("Killed", "ended with: Killed"),
        ("", "ended with: nothing"),
    ],
)
def test_what_the_head_finds_wrong_is_told(printed: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission.ssh, "run", lambda *_, **__: printed)
    with pytest.raises(ClusterError, match=words):
        preflight(LAB, Storage(Path("/runs")), None)


class Server:
    """Stands for Ray's client: a job that runs for three looks."""

    def __init__(self) -> None:
        self.looks = 0

    def list_jobs(self) -> list[Any]:
        def job(name: str, start: int, status: str, run: str | None = "night") -> Any:
            about = {"run": run} if run else {}
            return SimpleNamespace(
                submission_id=name, start_time=start, metadata=about, message="", status=SimpleNamespace(value=status)
            )

        self.looks += 1
        newest = "RUNNING" if self.looks < 3 else "FAILED"
        return [job("night.2", 2000, newest), job("night", 1000, "STOPPED"), job("else", 3000, "RUNNING", None)]

    def get_job_logs(self, job: str) -> str:
        assert job == "night.2", "the newest one"
        return "abc"[: self.looks]


@pytest.fixture
def jobs() -> Jobs:
    found = Jobs.__new__(Jobs)
    found._client = Server()
    return found


def test_a_runs_newest_job_counts_and_strangers_do_not(jobs: Jobs) -> None:
    (job,) = jobs.all()
    assert (job.id, job.run, job.status, job.is_over) == ("night.2", "night", "RUNNING", False)
    with pytest.raises(UnknownName, match="Did you mean 'night'"):
        jobs.of("nigth")


def test_a_log_is_told_once_and_whole(jobs: Jobs) -> None:
    waits: list[int] = []
    assert "".join(tail(jobs, "night", lambda: waits.append(1))) == "abc"
    assert len(waits) == 2


def test_a_server_that_refuses_is_told_in_its_words() -> None:
    class Refusing:
        def list_jobs(self) -> None:
            raise RuntimeError("Authentication required: Unauthorized\nmore")

    found = Jobs.__new__(Jobs)
    found._client = Refusing()
    with pytest.raises(ClusterError, match=r"refuses: Authentication required: Unauthorized$"):
        found.all()


def test_jobs_know_when_they_are_over() -> None:
    states = {word: Job("a", "a", word, "", None).is_over for word in ("PENDING", "RUNNING", "FAILED", "STOPPED")}
    assert states == {"PENDING": False, "RUNNING": False, "FAILED": True, "STOPPED": True}
