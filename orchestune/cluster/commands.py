"""The commands about a cluster and its runs: up, submit, resume, runs, logs, show, best, stop, fetch, down."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestune import catalog
from orchestune.arguments import given
from orchestune.cluster import fetching, launcher, ssh, submission
from orchestune.cluster.description import Description
from orchestune.cluster.jobs import Job, Jobs, tail
from orchestune.cluster.package import package
from orchestune.errors import ClusterError, OrchestuneError
from orchestune.overrides import apply_overrides
from orchestune.planning.plan import grid_mistake

POLL_S = 2.0  # between two looks at a job
STOP_WITHIN_S = 90.0


def up(options: argparse.Namespace) -> int:
    launcher.up(Description.read(options.cluster), _say)
    return 0


def down(options: argparse.Namespace) -> int:
    launcher.down(Description.read(options.cluster), _say)
    return 0


def submit(options: argparse.Namespace) -> int:
    project = Path.cwd()
    catalog.check_name(options.name, project)
    description, overrides = Description.read(options.cluster), given(options)
    experiment = apply_overrides(catalog.load(options.name, project), overrides)
    if (mistake := grid_mistake(experiment)) and not options.yes:
        raise OrchestuneError(mistake)
    storage, packed = submission.storage_of(description), package(project)
    with _jobs(description) as jobs:
        run = submission.submit(
            description, packed, jobs, experiment,
            name=options.name, run=options.run_name, storage=storage, overrides=overrides, say=_say,
        )  # fmt: skip
        _say(f"run {run} is queued on {description.name}; this machine may go away\n{_next(run, options.cluster)}")
        return _follow(jobs, run) if options.follow else 0


def resume(options: argparse.Namespace) -> int:
    description = Description.read(options.cluster)
    run, packed = str(options.run), package(Path.cwd())
    with _jobs(description) as jobs:
        submission.resume(description, packed, jobs, run, storage=submission.storage_of(description), say=_say)
        _say(f"run {run} goes on\n{_next(run, options.cluster)}")
    return 0


def runs(options: argparse.Namespace) -> int:
    with _jobs(Description.read(options.cluster)) as jobs:
        found = jobs.all()
    width = max((len(job.run) for job in found), default=0)
    for job in found:
        print(f"{job.run:{width}}  {_state(job)}")
    if not found:
        print("no run was submitted since this cluster is up")
    return 0


def logs(options: argparse.Namespace) -> int:
    with _jobs(Description.read(options.cluster)) as jobs:
        if options.follow:
            return _follow(jobs, options.run)
        print(jobs.log(jobs.of(options.run)), end="")
    return 0


def stop(options: argparse.Namespace) -> int:
    with _jobs(Description.read(options.cluster)) as jobs:
        job = jobs.of(options.run)
        if job.is_over:
            raise ClusterError(f"run {job.run!r} is over: {_state(job)}")
        jobs.stop(job)
        limit = time.monotonic() + STOP_WITHIN_S
        while not jobs.of(options.run).is_over:
            if time.monotonic() > limit:
                raise ClusterError(f"run {job.run!r} was told to stop and has not within {STOP_WITHIN_S:.0f} s")
            time.sleep(POLL_S)
    _say(f"stopped; nothing is lost. Go on with: orchestune resume {options.run} --cluster {options.cluster}")
    return 0


def show(options: argparse.Namespace) -> int:
    return _read(options, "show", ["--trial", options.trial] if options.trial else [])


def best(options: argparse.Namespace) -> int:
    return _read(options, "best", [])


def fetch(options: argparse.Namespace) -> int:
    description = Description.read(options.cluster)
    storage = submission.storage_of(description)
    if options.checkpoints and storage.bucket:
        raise ClusterError(
            f"the checkpoints of {options.run} lie in {storage.kept_at(options.run)}: take them from there"
        )
    there = submission.run_on_head(storage, options.run)
    here = fetching.fetch(description, options.run, there, options.into, checkpoints=options.checkpoints)
    _say(f"fetched     {here}\nlook        orchestune show {here}\n            tensorboard --logdir {here}")
    return 0


COMMANDS = {
    "up": up,
    "submit": submit,
    "resume": resume,
    "runs": runs,
    "logs": logs,
    "show": show,
    "best": best,
    "stop": stop,
    "fetch": fetch,
    "down": down,
}


@contextmanager
def _jobs(description: Description) -> Iterator[Jobs]:
    """The cluster's job server, through a tunnel that ends with the block."""
    with ssh.tunnel(description) as port:
        yield Jobs(port)


def _read(options: argparse.Namespace, command: str, more: list[str]) -> int:
    """What the head says of a run that lies on the cluster."""
    description = Description.read(options.cluster)
    words = ["orchestune", command, submission.run_on_head(submission.storage_of(description), options.run), *more]
    words += ["--json"] if options.json else []
    print(ssh.run(description, shlex.join(words), timeout=60), end="")
    return 0


def _follow(jobs: Jobs, run: str) -> int:
    """Prints what the run says until it is over. 0 where it has succeeded, or else 1: Ray keeps no exit code."""
    for piece in tail(jobs, run, lambda: time.sleep(POLL_S)):
        print(piece, end="", flush=True)
    return 0 if jobs.of(run).status == "SUCCEEDED" else 1


def _state(job: Job) -> str:
    began = f", began {job.began:%Y-%m-%d %H:%M} UTC" if job.began else ""
    said = f": {job.message.strip().splitlines()[-1]}" if job.status == "FAILED" and job.message.strip() else ""
    return f"{job.status.lower()}{began}{said}"


def _next(run: str, cluster: Path) -> str:
    where = "" if str(cluster) == "cluster.yaml" else f" --cluster {cluster}"
    return f"look        orchestune logs {run} --follow{where}\n            orchestune fetch {run}{where}"


def _say(line: str) -> None:
    print(line, flush=True)
