"""A cluster that has no machine for trials until a trial waits: Ray's own autoscaler, and machines that it pretends."""

from __future__ import annotations

import json

import pytest

from orchestune.running.journal import read_events
from tests.cluster.conftest import Lab
from tests.cluster.test_runs import SLOW, _each_epoch_once

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.timeout(600)]

COMMANDS = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
PRETENDED = {
    "cluster_name": "growing",
    "max_workers": 2,
    "idle_timeout_minutes": 1,
    "upscaling_speed": 1.0,
    "provider": {
        "type": "fake_multinode",
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    },
    "available_node_types": {
        "head": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "small": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
    "head_node_type": "head",
    **{f"{name}_commands": [] for name in COMMANDS},
    **{name: {} for name in ("auth", "docker", "file_mounts")},
    **{name: [] for name in ("cluster_synced_files", "rsync_exclude", "rsync_filter")},
    "file_mounts_sync_continuously": False,
}


def test_machines_come_because_trials_wait(lab: Lab) -> None:
    lab.hosts("up", *lab.seen, "growing")
    home = lab.root("growing")
    (home / "autoscaling.yaml").write_text(json.dumps(PRETENDED))
    (home / "project" / "experiments").mkdir(parents=True)
    (home / "project" / "experiments" / "slow.py").write_text(SLOW)
    settings = "export RAY_FAKE_CLUSTER=1 RAY_enable_autoscaler_v2=0 AUTOSCALER_UPDATE_INTERVAL_S=1"
    start = "ray start --head --num-cpus=0 --port=6379 --autoscaling-config=/root/autoscaling.yaml"
    lab.on("growing", f"{settings}; {start} --object-store-memory=100000000 --include-dashboard=false")
    ip = lab.hosts("ip", "growing").stdout.strip()
    run = f"orchestune run slow --address {ip}:6379 --storage /root/runs --run-name a --num-samples 4 --max-epochs 5"
    said = lab.on("growing", f"cd project; export ORCHESTUNE_AUTOSCALING=/root/autoscaling.yaml; {run}", timeout=300)
    assert "best        trial" in said
    told = read_events(home / "runs" / "a" / "events.jsonl")
    _each_epoch_once(told, trials=4, epochs=5)
    kinds = [event["event"] for event in told if event["event"] in ("leg", "report")]
    assert kinds[:2] == ["leg", "leg"], "as many at a time as may come"
    lab.on("growing", "ray stop")
