"""Temporary folders in memory, as in `tests/running`: these runs, too, make thousands of things durable."""

from __future__ import annotations

from tests.running.conftest import tmp_path as tmp_path
