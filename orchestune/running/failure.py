"""Why a leg broke off, and whose fault it was."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import ray.cloudpickle
from ray.exceptions import RayTaskError

from orchestune.durable import NO_ROOM
from orchestune.errors import CheckpointDamaged
from orchestune.training.checkpoint import Fenced

_COLOR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Failure:
    """Why a leg broke off. `signature` is equal for two failures at the same place in the code."""

    fault: str  # config, code, machine or storage
    error: str
    signature: str = ""


def failure_of(trial: Any) -> Failure:
    """Whose fault it was: the machine's where the worker died, the storage's where it is full, the configuration's
    where it asked for too much memory, else the code's."""
    with open(trial.pickled_error_file, "rb") as file:  # noqa: PTH123 - written by this process a moment ago
        error = ray.cloudpickle.load(file)
    cause, text = getattr(error, "cause", None), _COLOR.sub("", str(error))
    in_code = isinstance(error, RayTaskError) or getattr(error, "actor_init_failed", False)
    if not in_code or isinstance(cause, CheckpointDamaged | Fenced):
        return Failure("machine", text)
    if isinstance(cause, OSError) and cause.errno in NO_ROOM:
        return Failure("storage", str(cause))
    last = text.strip().splitlines()[-1]
    if "OutOfMemoryError" in last or "MemoryError" in last:  # torch.cuda's, or the host's
        return Failure("config", text)
    # The kind of error and the lines it passed through, without the values in its message.
    frames = [line.strip() for line in text.splitlines() if line.lstrip().startswith('File "')]
    return Failure("code", text, "\n".join([last.partition(":")[0], *frames]))
