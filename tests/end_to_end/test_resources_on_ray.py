"""Real placement: as many trials at a time as fit, each with its own share, on two CPUs and two logical GPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from models.occupant import Occupant
from ray import tune

from orchestune import Experiment, Fifo, Grid, Resources
from orchestune.errors import ClusterError
from orchestune.running.journal import read_events
from orchestune.running.runner import Outcome, start
from tests.conftest import PROJECT

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

GIB = 2**30


def occupants(folder: Path, xs: list[float], resources: Any, together: int = 1, **changes: Any) -> Experiment:
    meet = folder / "meet"
    meet.mkdir()
    return Experiment(
        trainable=Occupant,
        space={"x": tune.grid_search(xs), "meet": str(meet), "together": together},
        metric="score",
        mode="max",
        searcher=Grid(),
        scheduler=Fifo(),
        num_samples=None,
        max_epochs=1,
        resources=resources,
        **changes,
    )


def run(experiment: Experiment, folder: Path) -> Outcome:
    return start(experiment, name="occupants", storage=folder, run_name="run", listeners=[])


def told(outcome: Outcome) -> list[dict[str, Any]]:
    """What the trials reported, in the order in which they began."""
    reports = [event["metrics"] for event in read_events(outcome.paths.events) if event["event"] == "report"]
    return sorted(reports, key=lambda metrics: metrics["began"])


def live_at_a_time(outcome: Outcome) -> int:
    """How many legs were handed out and not yet over."""
    live, most = set[str](), 0
    for event in read_events(outcome.paths.events):
        if event["event"] == "leg":
            live.add(event["trial"])
        elif event["event"] == "end":
            live.remove(event["trial"])
        most = max(most, len(live))
    return most


def at_a_time(reports: list[dict[str, Any]]) -> int:
    return max(sum(r["began"] <= one["began"] < r["ended"] for r in reports) for one in reports)


@pytest.mark.parametrize(
    ("resources", "most"),
    [
        (Resources(cpu=0.5, gpu=0.5), 4),
        (Resources(cpu=0.25, memory=3 * GIB // 2), 1),
        (Resources(cpu=0.25, custom={"slot": 1}), 1),
    ],
    ids=lambda value: value.words() if isinstance(value, Resources) else "",
)
def test_as_many_at_a_time_as_fit(resources: Resources, most: int, tmp_path: Path) -> None:
    outcome = run(occupants(tmp_path, [float(n) for n in range(most + 1)], resources, together=most), tmp_path)
    reports = told(outcome)
    assert len(reports) == most + 1
    assert at_a_time(reports) == live_at_a_time(outcome) == most, "and nobody waits inside Tune"
    assert [json.loads(report["granted"]) for report in reports] == [resources.bundle] * (most + 1)
    devices = Counter(report["devices"] for report in reports[:most])
    if resources.gpu:
        assert devices == {"0": 2, "1": 2}, "each sees one device, and shares it with one other"
    else:
        assert set(devices) == {""}, "who asks for no GPU sees none"


def cpus(config: dict[str, Any]) -> Resources:
    return Resources(cpu=config["x"])


def test_trials_of_different_sizes(tmp_path: Path) -> None:
    """A worker that waits to be used again holds its share; a trial of another size must get it all the same."""
    outcome = run(occupants(tmp_path, [1.0, 2.0, 3.0, 0.5], cpus), tmp_path)
    ends = {trial.config["x"]: (trial.status, trial.fault, trial.why) for trial in outcome.record.trials.values()}
    assert ends.pop(3.0) == ("failed", "config", "the configuration asks for 3 CPUs, and there are 2")
    assert {status for status, _, _ in ends.values()} == {"finished"}
    assert outcome.exit_code == 0
    reports = told(outcome)
    assert [report["score"] for report in reports] == [1.0, 2.0, 0.5], "nobody overtakes"
    assert [json.loads(report["granted"]) for report in reports] == [{"CPU": 1.0}, {"CPU": 2.0}, {"CPU": 0.5}]
    assert at_a_time(reports) == live_at_a_time(outcome) == 1, "no two of them fit at a time"


def test_more_memory_than_there_is(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="a trial asks for 4 GiB of memory, and there are 2 GiB: ask for less"):
        run(occupants(tmp_path, [1.0], Resources(memory=4 * GIB)), tmp_path)
    assert not (tmp_path / "run").exists()


def test_a_name_that_no_machine_has(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"asks for 1 of 'slto', and there is none. Did you mean 'slot'\?"):
        run(occupants(tmp_path, [1.0], Resources(custom={"slto": 1})), tmp_path)


def test_after_out_of_memory_the_worker_is_another(tmp_path: Path) -> None:
    """What CUDA holds after such an error dies with the process alone."""
    outcome = run(occupants(tmp_path, [1.0, 2.0, -1.0, 3.0], Resources(), max_concurrent_trials=1), tmp_path)
    failed = outcome.record.trials["0002"]
    assert (failed.status, failed.fault) == ("failed", "config")
    assert "DefaultCPUAllocator: can't allocate memory" in failed.why
    assert outcome.exit_code == 0
    first, second, after = (report["pid"] for report in told(outcome))
    assert first == second, "without an error it is used again"
    assert after != first
    assert not psutil.pid_exists(first)


ON_3_AND_5 = """
import json, sys
from pathlib import Path
import ray
from orchestune import Resources
from orchestune.environment import settings
from orchestune.running.ray_session import RAY_SETTINGS
from tests.end_to_end.test_resources_on_ray import at_a_time, occupants, run, told
folder = Path(sys.argv[1])
with settings(RAY_SETTINGS):
    ray.init(address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False,
             logging_level="ERROR", object_store_memory=100 * 2**20)
    outcome = run(occupants(folder, [1.0, 2.0, 3.0], Resources(gpu=1), together=2), folder)
    reports = told(outcome)
    print(json.dumps([at_a_time(reports), *[report["devices"] for report in reports]]))
"""


def test_whole_gpus_of_those_that_the_driver_may_see(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(PROJECT), str(PROJECT.parents[2])])
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "3,5", "PYTHONPATH": paths}
    command = [sys.executable, "-c", ON_3_AND_5, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    most, *seen = json.loads(done.stdout)
    assert most == 2
    assert sorted(seen[:2]) == ["3", "5"], "two trials at a time have one GPU each, and not the same"
    assert seen[2] in ("3", "5")
