"""Why a leg broke off, and whose fault it was."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import Any

import ray.cloudpickle
from ray.exceptions import RayTaskError

from orchestune.durable import NO_ROOM
from orchestune.errors import CheckpointDamaged, DataError, RunAborted, StorageError
from orchestune.training.checkpoint import Fenced

SAME_ERRORS = 3  # so many trials in a row with one traceback: it is the code, not the configuration

_COLOR = re.compile(r"\x1b\[[0-9;]*m")

# What is raised where memory cannot be had: known by its kind, or by words that no other error begins with.
_NO_MEMORY = re.compile(
    r"""(?:[\w.]+\.)?(?:
        (?:OutOfMemoryError|MemoryError|_ArrayMemoryError)(?::|$)  # torch's, on any accelerator; Python's; numpy's
      | OSError:[ ]\[Errno[ ]12\]                         # ENOMEM: no room to map a file, to start a process
      | (?:RuntimeError|AcceleratorError):[ ](?:
            (?:CUDA|HIP|XPU|MPS[ ]backend)[ ]out[ ]of[ ]memory
          | (?:CUDA|HIP)(?:[ ]driver)?[ ]error:[ ]out[ ]of[ ]memory
          | Triton[ ]Error[ ]\[\w+\]:[ ]out[ ]of[ ]memory
          | \w+[ ]error:[ ]\w+_ALLOC(?:ATION)?_FAILED       # cuBLAS, cuDNN, cuFFT, cuSOLVER and their HIP twins
          | (?:\[enforce[ ]fail[ ]at[ ][^\]]*\][ ].*)?DefaultCPUAllocator:[ ](?:can't[ ]allocate|not[ ]enough)[ ]memory
          | unable[ ]to[ ]mmap[ ].*Cannot[ ]allocate[ ]memory
          | std::bad_alloc
        )
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Failure:
    """Why a leg broke off. `signature` is equal for two failures at the same place in the code."""

    fault: str  # config, code, machine, storage or data
    error: str
    signature: str = ""

    @property
    def why(self) -> str:
        """The error in one line."""
        return raised(self.error).splitlines()[0]


class Streak:
    """Trials that fail one after the other at the same place of the code; one that ends otherwise ends the streak."""

    def __init__(self) -> None:
        self._signature, self._times = "", 0

    def add(self, failure: Failure) -> None:
        """Raises RunAborted where it is the code by now, not the configuration."""
        self._times = self._times + 1 if failure.signature == self._signature else 1
        self._signature = failure.signature
        if self._times >= SAME_ERRORS:
            raise RunAborted(f"{SAME_ERRORS} trials in a row failed at the same place:\n{failure.error}")


def failure_of(trial: Any) -> Failure:
    """Whose fault it was: the machine's where the worker died, the storage's where it is full or out of reach, the
    data's where they are absent or damaged, the configuration's where it asked for too much memory, else the code's."""
    with open(trial.pickled_error_file, "rb") as file:  # noqa: PTH123 - written by this process a moment ago
        error = ray.cloudpickle.load(file)
    cause, text = getattr(error, "cause", None), _COLOR.sub("", str(error))
    in_code = isinstance(error, RayTaskError) or getattr(error, "actor_init_failed", False)
    if not in_code or isinstance(cause, CheckpointDamaged | Fenced):
        return Failure("machine", text)
    if isinstance(cause, OSError) and cause.errno in NO_ROOM:
        return Failure("storage", f"{cause}. Make room, then resume.")
    kind, _, said = raised(text).partition(": ")
    if kind == f"{DataError.__module__}.{DataError.__qualname__}":
        return Failure("data", said)
    if kind == f"{StorageError.__module__}.{StorageError.__qualname__}":
        return Failure("storage", f"{said}. Nothing is lost: resume when it is there again.")
    if is_memory(cause, text):
        return Failure("config", text)
    # The kind of error and the lines it passed through, without the values in its message.
    frames = [line.strip() for line in text.splitlines() if line.lstrip().startswith('File "')]
    return Failure("code", text, "\n".join([raised(text).partition(":")[0], *frames]))


def is_memory(cause: object, text: str) -> bool:
    """Whether a leg failed for want of memory. `cause` is what was raised, where that could be had from the worker,
    and `text` its traceback."""
    if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno == errno.ENOMEM):
        return True
    return _NO_MEMORY.match(raised(text)) is not None


def raised(text: str) -> str:
    """The error that a traceback ends with: its kind and its message, which may have several lines.

    Where the message holds a traceback of its own, as of what a DataLoader's worker met, it is the error in there.
    """
    lines = text.strip().splitlines() or [""]
    frames = [number for number, line in enumerate(lines) if line.startswith('  File "')]
    after = lines[frames[-1] + 1 :] if frames else []
    return "\n".join(line for line in after if not line.startswith("    ")) or lines[-1]
