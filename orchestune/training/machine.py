"""What a training takes of the machine it runs on: threads, a GPU, and the same numbers each time."""

from __future__ import annotations

import os

import torch


def take(*, threads: int | None = None, gpu: bool = True, deterministic: bool = True) -> torch.device:
    """The device to train on: a GPU if there is one and it may. `threads` None leaves torch the ones it has.

    `deterministic`: the same numbers each time, with a warning where torch has no way to.
    """
    if threads is not None:
        torch.set_num_threads(max(1, threads))
    # Not use_deterministic_algorithms: it does the same and imports torch's compiler, for a second and a half.
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # for debugging
    gpu = gpu and torch.cuda.is_available()
    if gpu and deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
    return torch.device("cuda" if gpu else "cpu")
