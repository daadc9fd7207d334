"""Ray for the length of one run: a cluster of its own on this machine, or one that is there already."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import ray

from orchestune.environment import settings
from orchestune.errors import ClusterError

OBJECT_STORE = 128 * 2**20  # bytes; trials share data by files, so the object store carries only results

# How Tune has to be for legs; read when a Tuner starts.
TUNE_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # TensorBoard and tables come from the journal
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # Tune's own state is never read
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a missing metric would abort the run without our words
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is the run's business
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "1",  # a decision for every report
    # Tune would ask for one actor after another; how many legs there may be is known better to who hands them out.
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}
RAY_SETTINGS = {
    # Ray's memory monitor aborts the whole run; the kernel's killer costs one worker, whose leg is issued again.
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A trial that asks for no GPU sees none: Ray's own default would show it every GPU of the machine.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}


_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}


@dataclass(frozen=True)
class RaySession:
    """`processes` are Ray's own here, as (pid, time of birth), if this run started them."""

    processes: list[tuple[int, float]]


@contextmanager
def ray_session(address: str | None) -> Iterator[RaySession]:
    """Ray, for the length of the block. Raises ClusterError.

    `address` None starts a cluster on this machine that nobody else joins and that ends with the block; a Ray that this
    process has started before is used as it is and left running.
    """
    if ray.is_initialized():
        yield RaySession([])
        return
    if address is not None:
        _knock(address)
    with settings(RAY_SETTINGS):
        try:
            if address is None:
                ray.init(address="local", include_dashboard=False, object_store_memory=OBJECT_STORE, **_QUIET)
                children = psutil.Process().children(recursive=True)
                processes = [(child.pid, child.create_time()) for child in children]
            else:
                ray.init(address=address, **_QUIET)
                processes = []
        except Exception as problem:
            raise ClusterError(_words(address, problem)) from problem
        try:
            yield RaySession(processes)
        finally:
            ray.shutdown()


def machines() -> list[dict[str, float]]:
    """What each machine of the cluster has now, under Ray's names."""
    nodes = sorted((node for node in ray.nodes() if node["Alive"]), key=lambda node: str(node["NodeID"]))
    return [dict(node["Resources"]) for node in nodes]


def end_leftovers(processes: Sequence[tuple[int, float]]) -> None:
    """Ends what is left of a local cluster whose driver was killed: two of Ray's helper processes never notice it."""
    left = []
    for pid, born in processes:
        try:
            process = psutil.Process(pid)
            if process.create_time() == born:  # else the number went to a stranger
                process.terminate()
                left.append(process)
        except psutil.NoSuchProcess:
            continue
    for process in psutil.wait_procs(left, timeout=3)[1]:
        process.kill()


def _knock(address: str) -> None:
    """Raises ClusterError where nobody listens; Ray itself would try for more than a minute, and then die."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit()) or "/" in host:
        raise ClusterError(f"address {address!r}: write HOST:PORT, as `ray start --head` prints it")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as problem:
        raise ClusterError(f"no Ray cluster listens at {address!r}: {problem}. Is it up?") from problem


def _words(address: str | None, problem: Exception) -> str:
    first = next(iter(str(problem).strip().splitlines()), type(problem).__name__)
    if address is None:
        return f"Ray did not start on this machine: {first}"
    return (
        f"no Ray cluster answers at {address!r}: {first} Is it up (`ray status --address {address}`), and does this "
        "machine have its token (RAY_AUTH_MODE=token and ~/.ray/auth_token)?"
    )
