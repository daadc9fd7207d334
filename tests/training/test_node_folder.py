"""A folder built once per node: by one of many processes, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestune.errors import DataError
from orchestune.training import node_data
from orchestune.training.node_folder import folder_once_per_node

HOUSE = Path(__file__).parents[2]
filled: list[str] = []


def network(folder: Path, name: str) -> None:
    filled.append(name)
    (folder / "weights").mkdir()
    (folder / "weights" / "0.txt").write_text(name)


def breaks(folder: Path) -> None:
    (folder / "half.txt").write_text("half")
    raise ValueError("no")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHESTUNE_CACHE", str(tmp_path / "cache"))
    filled.clear()
    return tmp_path / "cache" / "folders"


def visible(home: Path) -> list[str]:
    return [path.name for path in home.iterdir() if not path.name.startswith(".")]


def test_filled_once(cache: Path) -> None:
    folder = folder_once_per_node(network, "a")
    assert folder_once_per_node(network, "a") == folder
    assert filled == ["a"]
    assert (folder / "weights" / "0.txt").read_text() == "a"
    assert visible(cache) == [folder.name]
    assert folder.name.startswith("network-")


def test_other_arguments_or_another_source_are_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = folder_once_per_node(network, "a"), folder_once_per_node(network, "b")
    monkeypatch.setattr(node_data.inspect, "getsource", lambda fill: "def network(): changed")
    assert len({first, second, folder_once_per_node(network, "a")}) == 3
    assert filled == ["a", "b", "a"]


def test_what_breaks_off_leaves_nothing(cache: Path) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            folder_once_per_node(breaks)
    assert visible(cache) == []
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_what_nobody_asked_for_in_a_month_is_swept_away() -> None:
    old, used = folder_once_per_node(network, "old"), folder_once_per_node(network, "used")
    for folder in (old, used):
        os.utime(folder, (1e9, 1e9))
    folder_once_per_node(network, "used")
    folder_once_per_node(network, "new")
    assert not old.exists()
    assert used.exists()


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ORCHESTUNE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="Choose another cache with ORCHESTUNE_CACHE"):
        folder_once_per_node(network, "a")


SLOW = """
import sys, time
from pathlib import Path
from orchestune.training.node_folder import folder_once_per_node

def slow(folder, witness):
    with open(witness, "a") as file:
        file.write("filled\\n")
    time.sleep(0.5)
    (folder / "done").write_text("")

assert (folder_once_per_node(slow, sys.argv[1]) / "done").exists()
"""


def test_of_many_processes_one_fills_it(tmp_path: Path) -> None:
    script, witness = tmp_path / "slow.py", tmp_path / "witness"
    script.write_text(SLOW)
    command = [sys.executable, str(script), str(witness)]
    running = [subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(HOUSE)}) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert witness.read_text() == "filled\n"
