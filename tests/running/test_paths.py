"""A run's folder is its own, however many runs begin at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestune.errors import RunTaken
from orchestune.running.paths import RunPaths


def test_runs_that_begin_at_once_never_collide(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as many:
        made = list(many.map(lambda _: RunPaths.create_fresh(tmp_path, "digits_mlp"), range(24)))
    assert len({paths.root for paths in made}) == 24
    assert all(paths.root.is_dir() and paths.name.startswith("digits_mlp-2") for paths in made)


def test_of_runs_that_want_one_name_one_gets_it(tmp_path: Path) -> None:
    def create(_: int) -> bool:
        try:
            RunPaths.create(tmp_path, "mine")
        except RunTaken:
            return False
        return True

    with ThreadPoolExecutor(8) as many:
        assert sum(many.map(create, range(24))) == 1


def test_a_long_name_of_an_experiment_is_still_a_name(tmp_path: Path) -> None:
    assert len(RunPaths.create_fresh(tmp_path, "x" * 200).name) <= 80


@pytest.mark.parametrize("name", ["a", "A.b-c_1", "x" * 80])
def test_plain_names(name: str, tmp_path: Path) -> None:
    assert RunPaths.create(tmp_path / "deep" / "er", name).root.is_dir()
