"""A run comes home: its journal, its TensorBoard logs and its best checkpoint; not every checkpoint."""

from __future__ import annotations

import shlex
from pathlib import Path

from orchestune.cluster import ssh
from orchestune.cluster.description import Description
from orchestune.errors import ClusterError
from orchestune.running.paths import check_name

# What trials go on from. `resume` needs it, on the cluster; reading a run does not.
CHECKPOINTS = "/trials/"
FETCHED = ".fetched"  # says from where; a run without it is nobody's copy, and not overwritten


def fetch(description: Description, run: str, there: str, into: Path, *, checkpoints: bool = False) -> Path:
    """Copies the folder `there` of the head to INTO/RUN and returns that folder; what is there already is brought up to
    date. Raises ClusterError, RunNameError."""
    check_name(run)
    here = into / run
    if (here / "events.jsonl").exists() and not (here / FETCHED).exists():
        raise ClusterError(f"{here} is a run of this machine's own: fetch into another folder with --into")
    ssh.run(description, f"test -e {shlex.quote(f'{there}/events.jsonl')}", timeout=30)
    here.mkdir(parents=True, exist_ok=True)
    (here / FETCHED).write_text(f"{description.head}:{there}\n")
    ssh.copy_from(description, f"{there}/", here, filters=[] if checkpoints else [f"- {CHECKPOINTS}"])
    return here
