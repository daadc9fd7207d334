"""An experiment becomes a job on a cluster: checked here, looked at there, packed, queued."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from orchestune.cluster import ssh
from orchestune.cluster.description import Description
from orchestune.cluster.jobs import Jobs
from orchestune.cluster.package import Package, words
from orchestune.errors import ClusterError, RunNameError
from orchestune.experiment import Experiment
from orchestune.planning.plan import plan
from orchestune.running.paths import check_name, fresh_name
from orchestune.storage.storage import OWN, Storage
from orchestune.training.resources import Resources

PREFLIGHT = 240  # seconds that looking at all machines may take, Ray's own start on the head included
Say = Callable[[str], None]


def storage_of(description: Description) -> Storage:
    """Where the cluster's runs lie, as its file says. Raises ClusterError, StorageError."""
    storage = description.storage
    if storage is None:
        raise ClusterError(
            f"{description.path} names no storage: export ORCHESTUNE_STORAGE=/a/folder/of/all/machines in its "
            "setup_commands"
        )
    chosen = Storage.parse(storage)
    if not chosen.bucket and not PurePosixPath(chosen.folder).is_absolute():
        raise ClusterError(f"storage {storage!r}: on a cluster it is an absolute path, the same on every machine")
    return chosen


def run_on_head(storage: Storage, run: str) -> str:
    """The run's folder on the head, for commands that begin in the home folder there."""
    return f"{OWN if storage.bucket else storage.folder}/{run}"


def words_of_run(name: str, run: str, storage: Storage, overrides: Mapping[str, str]) -> list[str]:
    """The command that the head runs. `overrides` as `cli` reads them: settings by name, `set NAME` for a domain."""
    given = []
    for key, text in overrides.items():
        parameter = key.removeprefix("set ")
        given += ["--set", f"{parameter}={text}"] if parameter != key else [f"--{key.replace('_', '-')}", text]
    return ["orchestune", "run", name, "--storage", str(storage), "--run-name", run, "--yes", *given]


def submit(
    description: Description, package: Package, jobs: Jobs, experiment: Experiment, *, name: str, run: str | None,
    storage: Storage, overrides: Mapping[str, str], say: Say,
) -> str:  # fmt: skip
    """Queues a new run and returns its name. Raises ClusterError with everything that stands in its way."""
    run = fresh_name(name) if run is None else run
    check_name(run)
    if run in {job.run for job in jobs.all()}:
        raise RunNameError(f"run {run!r} was submitted before: choose another --run-name, or `orchestune resume {run}`")
    machines, resources = preflight(description, storage, experiment.resources)
    say("\n".join(machines))
    say(plan(experiment, None, resources).short)
    say(f"taking along {words(package)} of {package.root}")
    _queue(jobs, package, run, words_of_run(name, run, storage, overrides))
    return run


def resume(description: Description, package: Package, jobs: Jobs, run: str, *, storage: Storage, say: Say) -> None:
    """Queues what goes on with a run that has ended too early. Raises ClusterError, RunNameError."""
    check_name(run)
    going = [job for job in jobs.all() if job.run == run and not job.is_over]
    if going:
        raise ClusterError(f"run {run!r} is {going[0].status.lower()}: `orchestune stop {run}` ends it")
    machines, _ = preflight(description, storage, None)
    say("\n".join(machines))
    there = storage.kept_at(run) if storage.bucket else run_on_head(storage, run)
    _queue(jobs, package, run, ["orchestune", "resume", str(there)])


def preflight(description: Description, storage: Storage, resources: Any) -> tuple[list[str], list[dict[str, float]]]:
    """The cluster's machines, a line each, and what each of them has under Ray's names.

    Raises ClusterError with every reason why no run can start there.
    """
    fixed = dataclasses.asdict(resources) if isinstance(resources, Resources) else None
    expected = [description.head, *description.workers]
    request = json.dumps({"storage": str(storage), "expected": expected, "resources": fixed})
    asked = shlex.join(["python", "-m", "orchestune.cluster.preflight", request])
    told = ssh.run(description, asked, timeout=PREFLIGHT).strip().splitlines()
    try:
        found = json.loads(told[-1])
    except (IndexError, ValueError) as problem:
        raise ClusterError(
            f"the head's look at its machines ended with: {told[-1] if told else 'nothing'}"
        ) from problem
    if found["mistakes"]:
        lines = "".join(f"\n  - {mistake}" for mistake in found["mistakes"])
        raise ClusterError(f"cluster {description.name} cannot run this:{lines}")
    return list(found["machines"]), list(found["resources"])


def _queue(jobs: Jobs, package: Package, run: str, command: Sequence[str]) -> None:
    """The job finds its own cluster in RAY_ADDRESS, which Ray sets there."""
    there = f'{shlex.join(command)} --address "$RAY_ADDRESS"'
    jobs.submit(run, there, folder=package.root, excludes=package.excludes)
