"""The real TensorBoard, asked over HTTP what it shows of a run, with either of its two ways of reading files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestune import Fifo
from orchestune.report.summaries import Summaries
from orchestune.running.journal import Event, read_events
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record
from tests.report.test_tensorboard import EVERYTHING, Measured, log_of, run
from tests.running.simulation import Crash, session, toy

CURVES = toy(trainable=Measured, scheduler=Fifo())
ALL = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]


class Viewer:
    """A TensorBoard of its own, on this machine's own address."""

    def __init__(self, root: Path, log: Path, fast: str) -> None:
        self._log = log
        command = ["-m", "tensorboard.main", "--logdir", str(root), "--host", "127.0.0.1", "--port", "0"]
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, *command, f"--load_fast={fast}", "--reload_interval", "1"], stdout=file, stderr=file
            )

    def wait(self) -> None:
        """Until it serves."""
        found = until(lambda: re.search(r"http://127\.0\.0\.1:\d+/", self._log.read_text()))
        self._address = found[0]

    def get(self, route: str, **query: str) -> Any:
        with urllib.request.urlopen(f"{self._address}data/{route}?{urllib.parse.urlencode(query)}") as answer:
            return json.load(answer)

    def post(self, route: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._address}data/{route}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def curve(self, trial: str, tag: str) -> list[tuple[int, Any]]:
        """(step, value); none while the tag is not there."""
        run = f"tensorboard/{trial}"
        if tag not in self.get("plugin/scalars/tags").get(run, {}):
            return []
        return [(step, value) for _, step, value in self.get("plugin/scalars/scalars", run=run, tag=tag)]

    def rows(self) -> dict[str, Any]:
        """The HParams table: trial -> parameters, best metrics and status."""
        asked = {"experimentName": "", "allowedStatuses": ALL, "colParams": [], "startIndex": 0, "sliceSize": 999}
        groups = self.post("plugin/hparams/session_groups", asked)["sessionGroups"]
        assert all(len(group["sessions"]) == 1 for group in groups)
        return {
            group["name"].split()[0]: {
                "parameters": group["hparams"],
                "metrics": {value["name"]["tag"]: value["value"] for value in group["metricValues"]},
                "status": group["sessions"][0]["status"],
            }
            for group in groups
        }


def until(ask: Callable[[], Any], wanted: Callable[[Any], bool] = bool) -> Any:
    """What `ask` answers once it is what is wanted."""
    deadline = time.monotonic() + 40
    while not wanted(answer := ask()):
        assert time.monotonic() < deadline, f"after 40 s still {answer}"
        time.sleep(0.2)
    return answer


@pytest.fixture(params=["auto", "false"], ids=["fast", "slow"])
def view(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Path], Viewer]]:
    started: list[Viewer] = []

    def start(root: Path) -> Viewer:
        started.append(Viewer(root, tmp_path / "tensorboard.log", request.param))
        started[-1].wait()
        return started[-1]

    yield start
    for viewer in started:
        viewer.process.terminate()
        viewer.process.wait(timeout=20)


def test_a_run_of_every_kind_of_parameter(view: Callable[[Path], Viewer], tmp_path: Path) -> None:
    record = run(EVERYTHING, tmp_path / "run")
    space = EVERYTHING.typed_space
    viewer = view(tmp_path / "run")
    runs = until(lambda: viewer.get("runs"), lambda found: len(found) == 24)
    assert sorted(runs) == [f"tensorboard/{trial}" for trial in record.trials]
    tags = until(lambda: viewer.get("plugin/scalars/tags"), lambda found: all(found[run] for run in runs))
    assert {tuple(sorted(found)) for found in tags.values()} == {("best/score", "score")}
    experiment = viewer.post("plugin/hparams/experiment", {"experimentName": ""})
    assert {info["name"] for info in experiment["hparamInfos"]} == set(space.names)
    assert [info["name"]["tag"] for info in experiment["metricInfos"]] == ["best/score"]
    rows = viewer.rows()
    assert rows.keys() == record.trials.keys()
    for trial in record.trials.values():
        parameters = rows[trial.id]["parameters"]
        assert parameters.keys() == space.values(trial.config).keys()
        assert ("momentum" in parameters) == (trial.config["optimizer"] == "sgd")
        assert parameters["clip"] == str(trial.config["clip"])
        assert parameters["model/amsgrad"] is trial.config["model"]["amsgrad"]
        assert rows[trial.id]["metrics"] == {"best/score": pytest.approx(trial.scores[1])}
        assert rows[trial.id]["status"] == "STATUS_SUCCESS"


def test_a_run_while_it_is_killed_and_goes_on(view: Callable[[Path], Viewer], tmp_path: Path) -> None:
    """Killed in the third trial, in the midst of telling a report; the TensorBoard stays open."""
    root = tmp_path / "run"
    log, summaries = log_of(CURVES, root), Summaries("run", CURVES.typed_space)

    def observe(event: Event, record: Record) -> None:
        if (event["event"], event.get("trial"), event.get("epoch")) == ("report", "0002", 2):
            with RunPaths(root).curves("0002").open("ab") as file:
                file.write(summaries.of(event, record)[:40])
            raise Crash
        log.observe(event, record)

    with pytest.raises(Crash):
        session(CURVES, root, observe=observe)
    viewer = view(root)
    until(lambda: viewer.get("runs"), lambda found: len(found) == 3)
    until(lambda: viewer.curve("0002", "score"), lambda points: len(points) == 1)
    rows = viewer.rows()
    assert rows["0000"]["status"] == "STATUS_SUCCESS"
    assert rows["0002"]["status"] == "STATUS_UNKNOWN"

    record = run(CURVES, root)
    reports = [e for e in read_events(root / "events.jsonl") if e["event"] == "report"]
    for trial in record.trials.values():
        scores = [(epoch, pytest.approx(score)) for epoch, score in sorted(trial.scores.items())]
        until(lambda: viewer.curve(trial.id, "score"), lambda points: len(points) >= len(scores))  # noqa: B023
        assert viewer.curve(trial.id, "score") == scores
        assert viewer.curve(trial.id, "lr") == [(epoch, 0.5**epoch) for epoch, _ in scores]
    ended = until(viewer.rows, lambda rows: all(row["status"] == "STATUS_SUCCESS" for row in rows.values()))
    for trial in record.trials.values():
        assert trial.best
        at_best = next(e["metrics"] for e in reports if (e["trial"], e["epoch"]) == (trial.id, trial.best[0]))
        loss = "NaN" if at_best["loss"] is None else pytest.approx(at_best["loss"])
        assert ended[trial.id]["metrics"] == {"best/score": pytest.approx(trial.best[1]), "best/loss": loss}
