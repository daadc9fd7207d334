"""Runs as jobs of a Ray cluster: through Ray's own job server, which is reached on this machine's `port`.

The server listens on the head's loopback alone; `ssh.tunnel` brings it here. A job's id is its run's name, with the
number of the attempt behind it where a run was resumed: `digits-1`, `digits-1.2`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestune.cluster.package import PACKING
from orchestune.environment import settings
from orchestune.errors import ClusterError, UnknownName

_CHATTER = ("ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env.packaging")  # of what they pack and send
# The same in a job's log, where it stands now and then, by chance.
_RAYS = re.compile(r"^(\S+ \S+\tINFO job_manager\.py:\d+ -- |Running entrypoint for job ).*\n?", re.MULTILINE)
OVER = ("SUCCEEDED", "FAILED", "STOPPED")


@dataclass(frozen=True)
class Job:
    """One run's newest job. `status` is Ray's word: PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED."""

    id: str
    run: str
    status: str
    message: str
    began: datetime | None

    @property
    def is_over(self) -> bool:
        return self.status in OVER


class Jobs:
    """What the cluster's job server is asked. Every method raises ClusterError where it does not answer."""

    def __init__(self, port: int) -> None:
        from ray.job_submission import JobSubmissionClient

        for name in _CHATTER:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = _asked(lambda: JobSubmissionClient(f"http://127.0.0.1:{port}"))

    def submit(self, run: str, command: str, *, folder: Path, excludes: Sequence[str]) -> str:
        """Queues a shell's `command` in a copy of `folder` on the head, and returns the job's id."""
        number = len([job for job in self._all() if job.metadata and job.metadata.get("run") == run]) + 1
        job = run if number == 1 else f"{run}.{number}"
        with settings(PACKING):
            return str(_asked(lambda: self._client.submit_job(
                entrypoint=command,
                submission_id=job,
                metadata={"run": run},
                runtime_env={"working_dir": str(folder), "excludes": list(excludes)},
            )))  # fmt: skip

    def all(self) -> list[Job]:
        """Of each run its newest job, the newest first."""
        newest: dict[str, Any] = {}
        for job in sorted(self._all(), key=lambda job: job.start_time or 0):
            if job.metadata and "run" in job.metadata:  # else somebody else's
                newest[job.metadata["run"]] = job
        return [_job(job) for job in reversed(newest.values())]

    def of(self, run: str) -> Job:
        """Raises UnknownName where no such run was submitted since the cluster is up."""
        found = {job.run: job for job in self.all()}
        if run not in found:
            raise UnknownName("run", run, found)
        return found[run]

    def log(self, job: Job) -> str:
        """What it has printed, in whole lines as long as it is not over, without what Ray says of itself."""
        text = str(_asked(lambda: self._client.get_job_logs(job.id)))
        if not job.is_over:
            text = text[: text.rfind("\n") + 1]
        return _RAYS.sub("", text)

    def stop(self, job: Job) -> None:
        """Ends it as Ctrl-C would: what it has is kept, and it can be resumed."""
        _asked(lambda: self._client.stop_job(job.id))

    def _all(self) -> list[Any]:
        return [job for job in _asked(self._client.list_jobs) if job.submission_id]


def tail(jobs: Jobs, run: str, poll: Any) -> Iterator[str]:
    """What the run's job prints, piece by piece, until it is over; `poll()` waits between two looks."""
    told = 0
    while True:
        job = jobs.of(run)
        text = jobs.log(job)
        if len(text) > told:
            yield text[told:]
            told = len(text)
        if job.is_over:
            return
        poll()


def _job(found: Any) -> Job:
    began = datetime.fromtimestamp(found.start_time / 1000, UTC) if found.start_time else None
    return Job(found.submission_id, found.metadata["run"], str(found.status.value), found.message or "", began)


def _asked(question: Any) -> Any:
    """Raises ClusterError with the server's own words; Ray's client raises RuntimeError, ConnectionError and more."""
    try:
        return question()
    except Exception as problem:
        lines = str(problem).strip().splitlines() or [type(problem).__name__]
        raise ClusterError(f"the cluster's job server refuses: {lines[0]}") from problem
