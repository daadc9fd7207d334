"""What thinks about configurations thinks in one thread."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from ray import tune
from scipy import linalg
from sklearn.gaussian_process import _gpr
from threadpoolctl import threadpool_info, threadpool_limits

from orchestune.schedulers import MultiFidelityRungs
from orchestune.schedulers.base import Continue, Report, Start
from orchestune.searchers import BayesOpt, Declaration, MultiFidelity, Optuna
from orchestune.space import Space
from orchestune.surrogate.threads import one_thread

HOUSE = Path(__file__).parents[2]
SPACE = Space.parse({"x": tune.uniform(0, 1), "y": tune.uniform(0, 1)})


def threads() -> int:
    return max(int(library["num_threads"]) for library in threadpool_info())


@pytest.fixture
def two() -> Iterator[None]:
    with threadpool_limits(2):
        if threads() < 2:
            pytest.skip("on one core there is but one thread")
        yield


def test_they_are_given_back(two: None) -> None:
    with one_thread():
        assert threads() == 1
    assert threads() == 2


LATER = """
import sys
import numpy
from threadpoolctl import threadpool_info, threadpool_limits
from orchestune.surrogate.threads import one_thread
with one_thread():
    assert "scipy" not in sys.modules
import scipy.linalg
threadpool_limits(2)
print(*[library["num_threads"] for library in threadpool_info()])
with one_thread():
    print(*[library["num_threads"] for library in threadpool_info()])
"""


def test_a_library_that_comes_later_is_held_too(two: None) -> None:
    done = subprocess.run([sys.executable, "-c", LATER], cwd=HOUSE, capture_output=True, text=True, check=True)
    before, within = (line.split() for line in done.stdout.splitlines())
    assert len(before) > 1, "SciPy has brought its own"
    assert set(before) == {"2"}
    assert set(within) == {"1"}


@pytest.fixture
def seen(two: None, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """How many threads there are whenever a matrix is factorized, by whomever."""
    found: set[int] = set()

    def watched(module: object, name: str) -> None:
        original = getattr(module, name)

        def factorized(*args: object, **kwargs: object) -> object:
            found.add(threads())
            return original(*args, **kwargs)

        monkeypatch.setattr(module, name, factorized)

    watched(np.linalg, "cholesky")
    watched(linalg, "cholesky")
    watched(_gpr, "cholesky")
    watched(torch.linalg, "cholesky")
    return found


@pytest.mark.parametrize(
    "declared", [MultiFidelity(n_initial_points=4), BayesOpt(n_initial_points=4), Optuna(sampler="gp")],
    ids=["multifidelity", "bayesopt", "optuna-gp"],
)  # fmt: skip
def test_a_searcher_thinks_in_one_thread(declared: Declaration, seen: set[int]) -> None:
    searcher = declared.build(SPACE)
    for n in range(12):
        config = SPACE.from_unit(np.random.default_rng(n).random(2).tolist())
        searcher.born(n, config)
        searcher.tell(n, {1: config["x"] + config["y"]}, ended=True)
    searcher.ask(12)
    assert seen == {1}


def test_the_scheduler_that_searches_thinks_in_one_thread(seen: set[int]) -> None:
    scheduler = MultiFidelityRungs(n_initial_points=4, random_share=0).build(SPACE, 9, None, 0)
    for n in range(12):
        work = scheduler.next()
        assert isinstance(work, Start | Continue)
        trial, config = (work.trial, {}) if isinstance(work, Continue) else (f"{n:04d}", work.config)
        assert config is not None
        scheduler.started(trial, 0, work.until, config)
        scheduler.decide(Report(trial, work.until, 1.0 * n))
    assert seen == {1}
