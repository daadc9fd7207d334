"""Temporary folders in memory: these tests make thousands of things durable, and the disk is not their subject."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    memory = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="orchestune-test-", dir=memory if memory.is_dir() else None))
    yield path
    shutil.rmtree(path)
