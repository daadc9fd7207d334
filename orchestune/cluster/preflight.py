"""Whether a cluster can run what is about to be submitted. Runs on the head, which alone reaches every machine.

`python -m orchestune.cluster.preflight REQUEST` prints one JSON object as its last line: `{"mistakes": [...],
"machines": [...], "resources": [...]}`: a sentence each, and what each machine has under Ray's names.
"""

from __future__ import annotations

import json
import platform
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from orchestune.cluster.nodes import missing
from orchestune.errors import StorageError
from orchestune.storage.depot import depot_at
from orchestune.storage.storage import Storage

PACKAGES = ("ray", "torch", "orchestune")
PATIENCE = 60  # seconds for all machines together to answer
HEADS = "head"  # the name of the head's file in the storage
JOINING = 60  # seconds that are given to a machine on its way: Ray restarts some right after `orchestune up`


@dataclass(frozen=True)
class Machine:
    """What one machine says of itself."""

    address: str
    versions: dict[str, str]
    storage: str | None  # what is wrong with the run's storage there; None: written, and the head's file is seen


def versions() -> dict[str, str]:
    """Of Python and of what has to be the same on every machine."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def look(address: str, storage: str | None, mark: str) -> Machine:
    """Runs on the machine at `address`: is the head's file below `mark` there, and can one be written beside it?"""
    if storage is None:  # the head alone keeps the run's files
        return Machine(address, versions(), None)
    wrong, depot = None, depot_at(storage, PATIENCE / 4)
    try:
        depot.read(f"{mark}/{HEADS}")
        depot.write(f"{mark}/{address}", address)
    except FileNotFoundError:
        wrong = "it is another folder than the head's: what the head wrote there is not seen"
    except OSError as problem:
        wrong = str(problem.strerror or problem)
    except StorageError as problem:
        wrong = str(problem)
    return Machine(address, versions(), wrong)


def mistakes(machines: Sequence[Machine], silent: Sequence[str], written: Sequence[str], storage: str) -> list[str]:
    """Everything that is wrong: the first of `machines` is the head, `silent` are those that did not answer, `written`
    the addresses whose files the head sees."""
    wrong = [f"{address} does not answer: is its Ray running (`orchestune up`)?" for address in silent]
    head = machines[0]
    for machine in machines:
        differing = [name for name in head.versions if machine.versions.get(name) != head.versions[name]]
        wrong += [
            f"{machine.address} has {name} {machine.versions.get(name)}, the head has {head.versions[name]}"
            for name in differing
        ]
        if machine.storage:
            wrong.append(f"storage {storage} on {machine.address}: {machine.storage}")
        elif machine.address not in written:
            wrong.append(f"storage {storage} on {machine.address}: what is written there does not reach the head")
    return wrong


def inspect(chosen: str, expected: Sequence[str], resources: dict[str, Any] | None) -> dict[str, Any]:
    """Asks every machine of the cluster that this machine is the head of.

    `chosen` is the storage as `--storage` has it, `expected` are addresses of those that there should be, `resources`
    the fields of `Resources` for one trial, None where each trial's own are asked.
    """
    import ray

    from orchestune.running.room import Room
    from orchestune.training.resources import Resources

    if not ray.is_initialized():
        ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    nodes = _joined(expected)
    here = ray.util.get_node_ip_address()
    nodes.sort(key=lambda node: node["NodeManagerAddress"] != here)
    storage, mark = Storage.parse(chosen), f".preflight-{uuid.uuid4().hex[:12]}"
    depot = depot_at(storage.bucket or str(storage.folder), PATIENCE / 4)
    try:  # whatever goes wrong with the storage, at the end too, is an answer
        depot.write(f"{mark}/{HEADS}", here)
        try:
            machines, silent = _ask(nodes, None if storage.by_head else depot.where, mark)
            written = [machine.address for machine in machines] if storage.by_head else depot.below(mark)
        finally:
            depot.delete(mark)
    except OSError as problem:
        said = f"storage {storage} on the head: {problem.strerror or problem}"
        return {"mistakes": [said], "machines": [], "resources": []}
    except StorageError as problem:
        return {"mistakes": [f"on the head: {problem}"], "machines": [], "resources": []}
    absent = missing(expected, _addresses(nodes))
    wrong = [f"{host} of cluster.yaml has not joined the cluster: `orchestune up` starts it" for host in absent]
    wrong += mistakes(machines, silent, written, str(storage)) if machines else [f"{a} does not answer" for a in silent]
    has = [dict(node["Resources"]) for node in nodes]
    if resources is not None:
        lacking = Room(has).lacking(Resources(**resources))
        wrong += [f"a trial {lacking}"] if lacking else []
    return {"mistakes": wrong, "machines": [_words(node) for node in nodes], "resources": has}


def _joined(expected: Sequence[str]) -> list[dict[str, Any]]:
    """The machines that are there, all of `expected` among them or else after `JOINING` seconds."""
    import ray

    limit = time.monotonic() + JOINING
    while True:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        if not missing(expected, _addresses(nodes)) or time.monotonic() > limit:
            return nodes
        time.sleep(1)


def _addresses(nodes: Sequence[dict[str, Any]]) -> list[str]:
    return [node["NodeManagerAddress"] for node in nodes]


def _ask(nodes: Sequence[dict[str, Any]], storage: str | None, mark: str) -> tuple[list[Machine], list[str]]:
    """What the machines say, and the addresses of those that said nothing. They need no storage where it is None."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        remote = ray.remote(look).options(num_cpus=0, scheduling_strategy=there, max_retries=0)
        asked[remote.remote(node["NodeManagerAddress"], storage, mark)] = node["NodeManagerAddress"]
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=PATIENCE)
    machines, silent = [], []
    for answer, address in asked.items():
        if answer not in ready:
            silent.append(address)
            continue
        try:
            machines.append(ray.get(answer))
        except ray.exceptions.RayError:  # it went away, or cannot import what the head can
            silent.append(address)
    return machines, silent


def _words(node: dict[str, Any]) -> str:
    has = node["Resources"]
    amounts = [f"{has[name]:g} {word}" for name, word in (("CPU", "CPUs"), ("GPU", "GPUs")) if has.get(name)]
    return f"{node['NodeManagerAddress']}: {', '.join(amounts) or 'nothing for trials'}"


def main() -> None:
    request = json.loads(sys.argv[1])
    print(json.dumps(inspect(request["storage"], request["expected"], request["resources"])))


if __name__ == "__main__":
    main()
