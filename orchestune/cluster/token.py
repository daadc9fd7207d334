"""The token of a cluster: who holds it may run code there, so it is in files that nobody else can read."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from orchestune.durable import sync
from orchestune.errors import ClusterError


def token_file() -> Path:
    """Where Ray's own commands look for the token on this machine."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()


def ensure() -> Path:
    """The token's file, made if there is none, with mode 0600 in a folder of mode 0700. Raises ClusterError."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        raise ClusterError(
            "RAY_AUTH_TOKEN is set, and Ray would take that for the token: unset it, or put it in a file that only you "
            "can read and set RAY_AUTH_TOKEN_PATH to its name"
        )
    path = token_file()
    try:
        fresh = not path.parent.exists()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if fresh or path.parent == Path("~/.ray").expanduser():  # a folder of somebody else's choice keeps its mode
            path.parent.chmod(0o700)
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        if not path.read_text().strip():
            raise ClusterError(
                f"{path} is empty, and should hold the cluster's token: remove it, then a new one is made"
            )
    except OSError as problem:
        raise ClusterError(f"the cluster's token cannot be kept in {path}: {problem}") from problem
    return path


def cluster_settings() -> dict[str, str]:
    """The environment in which Ray's commands speak to a cluster."""
    return {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}


def _make(path: Path) -> None:
    """Whole or absent, and never readable by others; of two that make it at once the first one's stays."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # of mode 0600 from its birth
    aside = Path(name)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    sync(path.parent)
