"""How long `orchestune up` waits for workers, and which of them it starts itself, by a clock that costs no time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestune.cluster import launcher, nodes
from orchestune.cluster.description import Description
from orchestune.errors import ClusterError

HEAD, FIRST, SECOND = "10.0.0.1", "10.0.0.2", "10.0.0.3"
DESCRIPTION = Description(Path("cluster.yaml"), "c", HEAD, (FIRST, SECOND), "me", None, None)
Story = Callable[[float], tuple[list[str], dict[str, str]]]


class Clock:
    """Seconds pass while one sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Waited:
    """What came of waiting while the cluster did what `story` says for each second: who has joined, who is not yet."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, story: Story) -> None:
        self.clock, self.said = Clock(), list[str]()
        self.started: list[tuple[str, float]] = []
        monkeypatch.setattr(launcher, "time", self.clock)
        monkeypatch.setattr(nodes, "joined", lambda port: [nodes.Node(a, 4.0, 1.0) for a in story(self.clock.now)[0]])
        monkeypatch.setattr(nodes, "being_started", lambda port: story(self.clock.now)[1])
        monkeypatch.setattr(launcher, "_start_worker", lambda d, worker: self.started.append((worker, self.clock.now)))
        self.there, self.missing = launcher._wait_for_workers(DESCRIPTION, 0, self.said.append)


def test_a_worker_that_is_worked_on_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first time it installs everything, which takes as long as it takes."""

    def story(now: float) -> tuple[list[str], dict[str, str]]:
        return ([HEAD, FIRST, SECOND], {}) if now > 1200 else ([HEAD, FIRST], {SECOND: "setting-up"})

    waited = Waited(monkeypatch, story)
    assert waited.missing == []
    assert waited.said == ["2 of 3 machines are there", "3 of 3 machines are there"]
    assert launcher._summary(waited.there) == "3 nodes, 12 CPUs, 3 GPUs"


def test_a_worker_that_does_not_answer_is_named_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = Waited(monkeypatch, lambda now: ([HEAD, FIRST], {SECOND: "waiting-for-ssh"}))
    assert waited.missing == [SECOND]
    assert waited.clock.now == pytest.approx(launcher.QUIET, abs=5)
    assert waited.started == []


def test_a_worker_whose_start_failed_is_started_at_once_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def story(now: float) -> tuple[list[str], dict[str, str]]:
        return [HEAD, FIRST], {SECOND: "setting-up" if now < 20 else "uninitialized"}

    waited = Waited(monkeypatch, story)
    assert waited.started == [(SECOND, 20)]
    assert waited.missing == [SECOND]
    assert "given up" in waited.said[-1]


def test_a_worker_that_ray_has_not_come_to_yet_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called as one whose start has failed."""

    def story(now: float) -> tuple[list[str], dict[str, str]]:
        return ([HEAD, FIRST, SECOND], {}) if now > 25 else ([HEAD, FIRST], {SECOND: "uninitialized"})

    assert Waited(monkeypatch, story).started == []


def test_one_that_was_given_up_before_we_looked_is_started_too(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = Waited(monkeypatch, lambda now: ([HEAD, FIRST], {SECOND: "uninitialized"}))
    assert [worker for worker, _ in waited.started] == [SECOND]
    assert waited.started[0][1] == pytest.approx(launcher.GIVEN_UP_AFTER, abs=5)


def test_machines_that_go_by_other_addresses_in_the_cluster_count(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = Waited(monkeypatch, lambda now: (["192.168.0.1", "192.168.0.2", "192.168.0.3"], {}))
    assert (waited.missing, waited.clock.now) == ([], 0)


def test_a_ray_that_says_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def story(now: float) -> tuple[list[str], dict[str, str]]:
        raise ClusterError("not yet")

    with pytest.raises(ClusterError, match="does not say what it has"):
        Waited(monkeypatch, story)


def test_one_that_was_started_from_here_has_to_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's own recovery of a machine that was off may stop Ray there once more, just after it has joined."""

    def story(now: float) -> tuple[list[str], dict[str, str]]:
        there = 40 <= now < 50 or now >= 90
        return ([HEAD, FIRST, SECOND], {}) if there else ([HEAD, FIRST], {SECOND: "uninitialized"})

    waited = Waited(monkeypatch, story)
    assert [worker for worker, _ in waited.started] == [SECOND, SECOND]
    assert waited.started[1][1] == pytest.approx(40 + launcher.GIVEN_UP_AFTER, abs=5)
    assert waited.missing == []
    assert waited.clock.now == pytest.approx(90 + launcher.STEADY, abs=5)


def test_one_that_goes_again_and_again_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def story(now: float) -> tuple[list[str], dict[str, str]]:
        return ([HEAD, FIRST, SECOND], {}) if now % 50 > 40 else ([HEAD, FIRST], {SECOND: "update-failed"})

    waited = Waited(monkeypatch, story)
    assert [worker for worker, _ in waited.started] == [SECOND] * launcher.TRIES
    assert waited.missing == [SECOND]
