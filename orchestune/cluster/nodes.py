"""Which machines a running cluster has, asked of Ray's own interface on the head, through the tunnel."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from orchestune.cluster.token import token_file
from orchestune.errors import ClusterError

# What Ray's launcher says of a machine that it is at work on, and of one that it does not try (again).
AT_WORK = {"syncing-files", "setting-up"}
GIVEN_UP = {"uninitialized", "update-failed", "failed"}


@dataclass(frozen=True)
class Node:
    """A machine that has joined, under the address it has in the cluster."""

    address: str
    cpus: float
    gpus: float


def joined(port: int) -> list[Node]:
    """The machines that Ray runs on now, the head first. Raises ClusterError."""
    answer = _get(port, "/api/v0/nodes?detail=1&limit=10000")
    alive = [node for node in answer["result"]["result"] if node["state"] == "ALIVE"]
    alive.sort(key=lambda node: not node["is_head_node"])
    return [
        Node(node["node_ip"], node["resources_total"].get("CPU", 0.0), node["resources_total"].get("GPU", 0.0))
        for node in alive
    ]


def being_started(port: int) -> dict[str, str]:
    """The workers that Ray means to have and that have not joined, by address, with what its launcher says.

    Raises ClusterError.
    """
    status = _get(port, "/api/cluster_status").get("clusterStatus") or {}
    report = status.get("autoscalerReport") or {}
    pending = {address: state for address, _, state in report.get("pendingNodes", [])}
    return {address: "failed" for address, _ in report.get("failedNodes", [])} | pending


def missing(expected: Sequence[str], there: Collection[str]) -> list[str]:
    """Which of the machines that a description names are not `there`, under the addresses that Ray gives.

    None where there are as many as there should be: a machine may have joined under another address than it is reached
    by.
    """
    if len(there) >= len(expected):
        return []
    return [host for host in expected if address(host) not in there]


def address(host: str) -> str:
    """What Ray calls a machine that a description calls `host`."""
    try:
        return socket.gethostbyname(host)
    except OSError:
        return host


def _get(port: int, path: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token_file().read_text().strip()}"}
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business with our loopback
    try:
        with direct.open(request, timeout=20) as reply:
            answer: dict[str, Any] = json.load(reply)["data"]
            return answer
    except urllib.error.HTTPError as refusal:
        if refusal.code in (401, 403):
            raise ClusterError(f"the cluster was started with another token than {token_file()} holds") from refusal
        raise ClusterError(f"Ray does not answer {path}: {refusal}") from refusal
    except (OSError, ValueError, KeyError) as problem:
        raise ClusterError(f"Ray does not answer {path}: {problem}") from problem
