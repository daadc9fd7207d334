"""A folder built once per node: a pretrained network's files, which every trial there starts from."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from orchestune.durable import whole_folder
from orchestune.errors import DataError
from orchestune.training.files import CACHE, cache_folder
from orchestune.training.node_data import UNUSED_S, recipe


def folder_once_per_node(fill: Callable[..., object], *args: Any) -> Path:
    """The folder that `fill(folder, *args)` wrote its files into, filled by the first process of the node that asks.

    It is named after `fill`'s source and `args`, JSON values, as `once_per_node` names its data: what else `fill` reads
    has to be among them, a file's checksum or a text. It is there whole or not at all, and deleted when it was not
    asked for in thirty days and another is made. Raises DataError where the cache cannot be written.
    """
    folder = cache_folder() / "folders" / recipe(fill, args)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if not folder.exists():
                _fill(folder, fill, args)
        os.utime(folder)
    except OSError as problem:
        raise DataError(f"{folder} cannot be kept: {problem}. Choose another cache with {CACHE}.") from problem
    return folder


def _fill(folder: Path, fill: Callable[..., object], args: tuple[Any, ...]) -> None:
    with whole_folder(folder) as aside:
        fill(aside, *args)
    _sweep(folder.parent)


def _sweep(home: Path) -> None:
    """Those too that a killed process left half filled."""
    for folder in home.iterdir():
        if folder.is_dir() and folder.stat().st_mtime < time.time() - UNUSED_S:
            shutil.rmtree(folder, ignore_errors=True)
