"""Ray on all machines of a description, and on none: `ray up` and `ray down` with what they leave undone."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from orchestune.cluster import nodes, ssh, token
from orchestune.cluster.description import TOKEN, Description
from orchestune.errors import ClusterError

Say = Callable[[str], None]

STARTED_WITHIN = 1800.0  # seconds for `ray up`: the first time it installs everything on the head
QUIET = 90.0  # seconds after which a worker that Ray is not at work on is waited for no longer
GIVEN_UP_AFTER = 30.0  # the same until it is clear that Ray has given it up: each of its rounds takes some 5 seconds
STEADY = 20.0  # seconds that a worker which was started from here has to stay: Ray may start it once more, on its own
TRIES = 3  # to start a worker from here
STOPPED_WITHIN = 120.0  # seconds for Ray to stop on a machine
_PATIENCE = 2.0  # seconds between two looks at who has joined

# Ray's processes of this account. In brackets, so that the shell that looks for them does not find itself.
_PROCESSES = (
    r"/[r]aylet|[g]cs_server|^[r]ay::|^[r]ay-dashboard|/[r]ay/(_private|dashboard|autoscaler|util)/|[r]ay\.util\.client"
)
LEFT = f'pgrep -u "$(id -u)" -f -a {shlex.quote(_PROCESSES)} | cut -c -100'


def up(description: Description, say: Say) -> None:
    """Starts Ray on all machines, or only where it does not run: what runs already is never restarted.

    Says what there is in the end. Raises ClusterError, in the end too, naming the workers that have not joined.
    """
    for tool in ("ssh", "rsync"):
        if shutil.which(tool) is None:
            raise ClusterError(f"{tool} is not installed here: a cluster's machines are reached with it")
    _check_token(description)
    probe = 'command -v rsync > /dev/null || echo no rsync; pgrep -u "$(id -u)" -x gcs_server > /dev/null && echo runs'
    found = ssh.run(description, f"{probe}; true", timeout=60)
    if "no rsync" in found:
        raise ClusterError(f"{description.head} has no rsync: install it there and on the workers")
    runs = "runs" in found.split()
    say(
        f"Ray runs on {description.head} already: it is left alone, and only workers that are missing are started"
        if runs
        else f"starting Ray on {description.head}; the first time it installs what it needs, which takes minutes"
    )
    _ray_up(description, ["--no-restart"] if runs else [])
    with ssh.tunnel(description) as port:
        there, missing = _wait_for_workers(description, port, say)
    say(_summary(there))
    if missing:
        raise ClusterError(
            f"{', '.join(missing)} did not join; the others can be used as they are. "
            f"What went wrong is in /tmp/ray/session_latest/logs/monitor.* on {description.head}; "
            "`orchestune up` tries again"
        )


def down(description: Description, say: Say) -> None:
    """Stops Ray on all machines and looks whether any of it is left.

    Raises ClusterError, after all that could be done, naming the machines where Ray may still run.
    """
    wrong = []
    say(f"stopping Ray on {description.head}")
    try:  # the head first: it would start its workers again
        _stop(description, description.head)
    except ClusterError as problem:
        wrong.append(str(problem))
    # A head that does not answer is no way to the workers.
    direct = bool(wrong)
    if description.workers:
        say(f"stopping Ray on {', '.join(description.workers)}")

    def stop(worker: str) -> str | None:
        try:
            _stop(description, worker, direct=direct)
        except ClusterError as problem:
            return str(problem)
        return None

    with ThreadPoolExecutor(max_workers=8) as pool:
        wrong += [problem for problem in pool.map(stop, description.workers) if problem]
    # Ray's notes of which machines it started; from stale ones the next start would wait for machines that are off.
    with suppress(FileNotFoundError):
        Path(f"/tmp/ray/cluster-{description.name}.state").unlink()
    if wrong:
        raise ClusterError("Ray may still run on some machines:" + "".join(f"\n  - {problem}" for problem in wrong))
    say(f"Ray runs on none of the {1 + len(description.workers)} machines any more")


# ---- up


def _check_token(description: Description) -> None:
    made = token.ensure()
    if description.token is None:
        raise ClusterError(
            f"{description.path}: file_mounts lacks {TOKEN!r}, without which whoever reaches the machines "
            f"can run code on them: write {TOKEN!r}: {made}"
        )
    if not description.token.exists() or not description.token.samefile(made):
        raise ClusterError(
            f"{description.path}: file_mounts sends {description.token}, and Ray's commands here use {made}: "
            "name that one there, or set RAY_AUTH_TOKEN_PATH"
        )


def _ray_up(description: Description, more: Sequence[str]) -> None:
    # Its cache of the configuration would hold what the file said before.
    plain = ["--log-style", "pretty", "--log-color", "false"]
    words = ["up", "-y", "--no-config-cache", "--disable-usage-stats", *plain, *more, description.path.name]
    # Unbuffered, so that what a machine complains of stands where it was said.
    settings = {**token.cluster_settings(), "PYTHONUNBUFFERED": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", *words],
            cwd=description.path.parent, env={**os.environ, **settings}, timeout=STARTED_WITHIN,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ClusterError(f"`ray up` did not end within {STARTED_WITHIN:.0f} s") from None
    if done.returncode:
        why = "".join(f"\n  {line}" for line in _why(done.stdout))
        raise ClusterError(f"`ray up` could not start Ray on {description.head}:{why}")


def _why(output: str) -> list[str]:
    """The last lines of what `ray up` printed before it gave up, without its own notes and traceback."""
    before = re.split(
        r"^.*(?:Failed to setup head node|New status: update-failed)", output, maxsplit=1, flags=re.MULTILINE
    )
    plain = re.sub(r"\x1b\[[0-9;]*m|\r", "", before[0])
    lines = [line.rstrip() for line in plain.splitlines() if line.strip()]
    return [line for line in lines if not re.match(r"\d{4}-\d\d-\d\d .*INFO|Shared connection to ", line)][-12:]


def _wait_for_workers(description: Description, port: int, say: Say) -> tuple[list[nodes.Node], list[str]]:
    """The machines that are there, and the workers that are not.

    Ray's launcher never tries a worker again whose start has failed once, so that one is started from here. Of a
    machine that was off, its late recovery may stop Ray again after that: then it is started once more.
    """
    there: list[nodes.Node] = []
    begun = time.monotonic()
    busy = dict.fromkeys(description.workers, begun)  # when Ray was last seen at work on it
    begun_with: set[str] = set()  # workers that Ray was seen at work on
    tried: set[str] = set()  # started from here, and not seen since
    starts: Counter[str] = Counter()
    whole: float | None = None  # since when all are there
    while True:
        before, states = len(there), dict[str, str]()
        with suppress(ClusterError):  # Ray's own interface takes seconds to come up
            there = nodes.joined(port)
            states = nodes.being_started(port)
        if len(there) > before and description.workers:
            say(f"{len(there)} of {1 + len(description.workers)} machines are there")
        missing = nodes.missing([description.head, *description.workers], [node.address for node in there])
        missing = [host for host in missing if host != description.head]  # it answers, or nothing here would
        for worker in tried - set(missing):  # it was there: should it go, it may be started anew
            tried.discard(worker)
            begun_with.discard(worker)
            busy[worker] = time.monotonic()
        if missing:
            whole = None
        elif there:
            whole = whole or time.monotonic()
            if not starts or _since(whole) > STEADY:
                return there, []
        for worker in missing:
            state = states.get(nodes.address(worker))
            if state in nodes.AT_WORK:
                busy[worker] = time.monotonic()
                begun_with.add(worker)
            elif state in nodes.GIVEN_UP and worker not in tried and starts[worker] < TRIES:
                # Before its first start it looks the same.
                if worker not in begun_with and _since(busy[worker]) < GIVEN_UP_AFTER:
                    continue
                tried.add(worker)
                starts[worker] += 1
                say(f"{worker}: Ray's launcher has given up on it; starting it from here")
                try:
                    _start_worker(description, worker)
                except ClusterError as problem:
                    say(str(problem))
                busy[worker] = time.monotonic()
        if (missing or not there) and _since(max([begun, *(busy[worker] for worker in missing)])) > QUIET:
            if not there:
                raise ClusterError(f"Ray on {description.head} was started, and does not say what it has")
            return there, missing
        time.sleep(_PATIENCE)


def _since(moment: float) -> float:
    return time.monotonic() - moment


def _start_worker(description: Description, worker: str) -> None:
    """With the worker's own commands, each in a new shell, as Ray would."""
    head = shlex.quote(nodes.address(description.head))
    for command in description.worker_commands:
        ssh.run(description, f"export RAY_HEAD_IP={head}; {command}", host=worker, timeout=STARTED_WITHIN)


def _summary(there: Sequence[nodes.Node]) -> str:
    def count(number: float, noun: str) -> str:
        return f"{number:g} {noun}{'' if number == 1 else 's'}"

    cpus, gpus = sum(node.cpus for node in there), sum(node.gpus for node in there)
    return f"{count(len(there), 'node')}, {count(cpus, 'CPU')}, {count(gpus, 'GPU')}"


# ---- down


def _stop(description: Description, host: str, *, direct: bool = False) -> None:
    """Raises ClusterError where Ray is not stopped, or it cannot be told."""
    commands = [
        # A machine on which nothing was ever installed has nothing to stop.
        "if command -v ray > /dev/null; then ray stop > /dev/null 2>&1; fi",
        f'if [ -n "$({LEFT})" ]; then ray stop --force > /dev/null 2>&1; sleep 1; fi',
        f"rm -f /tmp/ray/cluster-{shlex.quote(description.name)}.state",
        LEFT,
    ]
    left = ssh.run(description, "; ".join(commands), host=host, timeout=STOPPED_WITHIN, direct=direct)
    if left.strip():
        raise ClusterError(f"{host}: still there after `ray stop`: {', '.join(left.split(chr(10))).strip(', ')}")
