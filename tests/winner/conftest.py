"""Finished runs of an experiment of this project, made in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
import torch

from orchestune import catalog
from orchestune.overrides import apply_overrides
from tests.running.simulation import session

HOUSE = Path(__file__).parents[2]
SHORT = {"num_samples": "4", "max_epochs": "3", "searcher": "random", "scheduler": "fifo"}


def finished(root: Path, **overrides: str) -> Path:
    """A run of `digits_mlp` in `root`."""
    told = {**SHORT, **overrides}
    with chdir(HOUSE):
        experiment = apply_overrides(catalog.load("digits_mlp", HOUSE), told)
    record = session(experiment, root, name="digits_mlp", overrides=told)
    assert record.run_end
    assert record.test
    return root


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Models as small as these train faster on one than on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be read alone."""
    return finished(tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder whose experiments the commands find."""
    monkeypatch.chdir(HOUSE)
    return HOUSE
