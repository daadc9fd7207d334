"""Data prepared once per node: one build for many processes, one copy in memory for all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch.utils.data import TensorDataset

from orchestune.errors import DataError
from orchestune.training import Data, node_data
from orchestune.training.node_data import once_per_node

HOUSE = Path(__file__).parents[2]
built: list[int] = []


def numbers(count: int) -> Data:
    built.append(count)
    everything = torch.arange(3 * count).float().unsqueeze(1)
    return Data(train=(everything[:count], everything[:count, 0]), test=(everything[count:], everything[count:, 0]))


def items(count: int) -> Data:
    return Data(train=TensorDataset(torch.zeros(count, 1), torch.zeros(count)))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHESTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(node_data, "_opened", {})
    built.clear()
    return tmp_path / "cache" / "data"


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a new process would know."""
    monkeypatch.setattr(node_data, "_opened", {})


def test_built_once_and_read_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        forget(monkeypatch)
        data = once_per_node(numbers, 4)
        assert data.train[0].tolist() == [[0], [1], [2], [3]]  # type: ignore[index]
        assert data.test[1].tolist() == list(range(4, 12))  # type: ignore[index]
        assert data.validation is None
        assert once_per_node(numbers, 4) is data
    assert built == [4]


def test_other_arguments_or_another_source_are_other_data(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    once_per_node(numbers, 4)
    once_per_node(numbers, 5)
    assert built == [4, 5]
    forget(monkeypatch)
    monkeypatch.setattr(node_data.inspect, "getsource", lambda build: "def numbers(): changed")
    once_per_node(numbers, 4)
    assert built == [4, 5, 4]
    assert len(list(cache.glob("numbers-*.pt"))) == 3


def test_a_view_is_kept_without_what_it_is_a_view_of(cache: Path) -> None:
    def slice_of_much() -> Data:
        much = torch.zeros(1_000_000)
        return Data(train=(much[:10], much[:10]))

    once_per_node(slice_of_much)
    (kept,) = cache.glob("*.pt")
    assert kept.stat().st_size < 10_000


def test_what_a_trial_writes_stays_in_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    data = once_per_node(numbers, 4)
    data.train[0].zero_()  # type: ignore[index]
    forget(monkeypatch)
    assert once_per_node(numbers, 4).train[0].tolist() == [[0], [1], [2], [3]]  # type: ignore[index]


def test_a_build_that_breaks_leaves_nothing(cache: Path) -> None:
    def broken() -> Data:
        raise RuntimeError("no")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no"):
            once_per_node(broken)
    assert not list(cache.glob("*.pt"))
    with pytest.raises(DataError, match="split 'train' is a TensorDataset"):
        once_per_node(items, 3)


def test_a_cache_that_cannot_be_written(read_only_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTUNE_CACHE", str(read_only_disk))
    with pytest.raises(DataError, match=r"cannot be kept in .*Read-only file system\. Choose another with ORCHESTUNE"):
        once_per_node(numbers, 4)


def test_what_nobody_opens_for_a_month_goes(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    once_per_node(numbers, 1)
    once_per_node(numbers, 2)
    one, two = sorted(cache.glob("*.pt"), key=lambda path: path.stat().st_size)
    for path in (one, two):
        os.utime(path, (0, 0))
    forget(monkeypatch)
    once_per_node(numbers, 2)  # opened again
    once_per_node(numbers, 3)
    assert built == [1, 2, 3]
    assert not one.exists()
    assert two.exists()


PROCESS = """
import sys, time
import torch
from pathlib import Path
from orchestune.training import Data
from orchestune.training.node_data import once_per_node

def large(rows: int) -> Data:
    with open(sys.argv[1], "a") as log:
        log.write("built\\n")
    return Data(train=(torch.ones(rows, 256), torch.ones(rows)))

data = once_per_node(large, 100_000)
assert float(data.train[0].sum()) == 25_600_000
print("ready", flush=True)
sys.stdin.readline()
"""


def test_four_processes_hold_it_once(tmp_path: Path) -> None:
    """100 MB of data: built by one of them; their shares of memory (PSS) together grow by far less than each anew."""
    script = tmp_path / "process.py"
    script.write_text(PROCESS)
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(HOUSE), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, str(script), str(tmp_path / "log")], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(4)
    ]  # fmt: skip
    try:
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 4  # type: ignore[union-attr]
        assert (tmp_path / "log").read_text() == "built\n"
        of_data = [mapped(process.pid) for process in processes]
        assert 100e6 < sum(of_data) < 130e6, "once, not four times"
        assert max(of_data) < 40e6
    finally:
        for process in processes:
            process.communicate("\n")


def mapped(pid: int) -> float:
    """A process's share, in bytes, of the prepared files that it maps."""
    return sum(m.pss for m in psutil.Process(pid).memory_maps() if m.path.endswith(".pt"))  # type: ignore[attr-defined]
