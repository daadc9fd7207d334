"""Data prepared once per node: a file in the node's cache, mapped into the memory of every trial there.

Four trials at once so hold the examples once: the pages of the file are the kernel's, shared by all who map it.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

from orchestune.durable import sync
from orchestune.errors import DataError
from orchestune.training.data import SPLITS, Data
from orchestune.training.files import CACHE, cache_folder

UNUSED_S = 30 * 24 * 3600.0  # a prepared file that nobody opened for so long is deleted when another is made
_opened: dict[Path, Data] = {}  # what this process has mapped


def once_per_node(build: Callable[..., Data], *args: Any) -> Data:
    """`build(*args)`, its splits tensors, built by the first process of the node that asks and mapped by all.

    `args` are JSON values. They, the name of `build` and its source say what is built: whichever changes, it is built
    anew. What else `build` reads has to be among them, such as a file's checksum. The tensors are to be read: what a
    trial writes into them, its process's later trials see. Raises DataError where the cache cannot be written or a
    split is no tuple of tensors.
    """
    path = _place(build, args)
    if path not in _opened:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                if not path.exists():
                    _write(build(*args), path)
            os.utime(path)
        except OSError as problem:
            raise DataError(
                f"data cannot be kept in {path.parent}: {problem.strerror}. Choose another with {CACHE}."
            ) from problem
        _opened[path] = _read(path)
    return _opened[path]


def recipe(build: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """A name for what `build(*args)` makes: another one for another source or other arguments, JSON values."""
    text = json.dumps([build.__module__, build.__qualname__, inspect.getsource(build), args])
    name = re.sub(r"\W+", "_", build.__qualname__)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _place(build: Callable[..., Data], args: tuple[Any, ...]) -> Path:
    return cache_folder() / "data" / f"{recipe(build, args)}.pt"


def _write(data: Data, path: Path) -> None:
    splits: dict[str, list[Tensor]] = {}
    for name in SPLITS:
        split = getattr(data, name)
        if isinstance(split, tuple):
            splits[name] = [tensor.contiguous().clone() for tensor in split]  # a view would be saved with its whole
        elif split is not None:
            raise DataError(f"once_per_node keeps tensors: split {name!r} is a {type(split).__name__}")
    aside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        torch.save(splits, aside)
        sync(aside)
        aside.replace(path)
        sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)
    _sweep(path.parent)


def _read(path: Path) -> Data:
    splits = torch.load(path, mmap=True, weights_only=True)
    return Data(**{name: tuple(tensors) for name, tensors in splits.items()})


def _sweep(folder: Path) -> None:
    """What is mapped somewhere lives on until its last process lets go of it."""
    for path in folder.glob("*.pt"):
        if path.stat().st_mtime < time.time() - UNUSED_S:
            path.unlink(missing_ok=True)
