"""What BayesOpt promises beyond the contract: no repeats, several pending at once, and a bounded cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ray import tune

from orchestune.searchers import BayesOpt, Searcher
from orchestune.searchers.bayesopt import kept
from orchestune.searchers.fresh import unasked
from orchestune.space import Space, when
from orchestune.space.plain import form
from orchestune.surrogate.columns import Columns
from tests.contracts.spaces import GRIDS, SPACES

SMALL = {
    "when": ({"a": tune.choice(["x", "y"]), "b": when("a", "x", tune.randint(0, 4))}, 5),
    "steps": ({"a": tune.quniform(0, 1, 0.5), "b": tune.choice([1, 2, 2])}, 6),
    "log": ({"a": tune.lograndint(1, 13)}, 12),
}


def told(asked: Searcher, count: int, pending: int = 0) -> None:
    for n in range(count + pending):
        config = asked.ask(n)
        asked.born(n, config)
        if n < count:
            asked.tell(n, {1: -abs(hash_of(config) - 0.3)}, ended=True)


def hash_of(config: dict) -> float:
    return sum(map(ord, form(config))) % 97 / 97


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("initial", [1, 3, 50])
def test_a_small_space_is_asked_whole_before_anything_twice(name: str, initial: int) -> None:
    mapping, size = SMALL[name]
    asked = BayesOpt(n_initial_points=initial).build(Space.parse(mapping), seed=1)
    told(asked, size + 2)
    assert len({form(asked.configs[n]) for n in range(size)}) == size
    assert form(asked.configs[size]) in {form(asked.configs[n]) for n in range(size)}


def test_pending_trials_are_kept_away_from() -> None:
    space = Space.parse({"x": tune.uniform(0, 1), "y": tune.uniform(0, 1)})
    asked = BayesOpt(n_initial_points=4, acquisition="ei").build(space)
    for n in range(20):
        config = asked.ask(n)
        asked.born(n, config)
        if n < 16:
            asked.tell(n, {1: -((config["x"] - 0.4) ** 2) - (config["y"] - 0.4) ** 2}, ended=True)
    last = [asked.configs[n] for n in range(16, 20)]
    apart = [math.dist(a.values(), b.values()) for k, a in enumerate(last) for b in last[:k]]
    assert min(apart) > 1e-3  # without lies the four are the same to ten digits


def test_the_model_holds_the_best_and_a_sample_of_the_rest() -> None:
    losses = {n: float(n) for n in range(1000)}
    chosen = kept(losses, 300, np.random.default_rng(0))
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 300
    assert set(range(150)) <= set(chosen)
    assert max(chosen) > 900
    assert kept({3: 0.0, 1: 2.0}, 300, np.random.default_rng(0)) == [1, 3]


@pytest.mark.parametrize("name", [name for name in SPACES if name not in GRIDS])
def test_columns_see_what_will_run(name: str) -> None:
    """Snapping a row is encoding the configuration that it stands for: the space itself is the oracle."""
    space = Space.parse(SPACES[name])
    columns = Columns(space)
    rows = np.random.default_rng(0).random((200, columns.width))
    for row, snapped in zip(rows, columns.snapped(rows), strict=True):
        config = columns.config(row)
        assert space.contains(config)
        assert columns.point(space.values(config)) == pytest.approx(snapped, abs=1e-9)


def test_a_new_configuration_is_found_where_draws_do_not_find_it() -> None:
    space = Space.parse({"x": tune.randint(0, 500)})
    asked = {form({"x": x}) for x in range(500) if x != 321}
    assert unasked(space, asked, np.random.default_rng(0)) == {"x": 321}
    assert unasked(space, asked | {form({"x": 321})}, np.random.default_rng(0)) is None


def test_it_forgets_what_lies_outside() -> None:
    asked = BayesOpt(n_initial_points=1).build(Space.parse({"x": tune.uniform(0, 1)}))
    told(asked, 3)
    alone = asked.ask(9)
    asked.born(3, {"x": 7.0})
    asked.tell(3, {1: 0.9}, ended=True)
    assert asked.ask(9) == alone


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"acquisition": "uct"}, "acquisition is one of 'ucb', 'ei', 'poi', got 'uct'. Did you mean 'ucb'?"),
        ({"kappa": -1}, "kappa is a finite number from 0 on, got -1"),
        ({"xi": math.nan}, "xi is a finite number from 0 on, got nan"),
        ({"n_initial_points": 0}, "n_initial_points is a whole number from 1 on, got 0"),
    ],
)
def test_impossible_settings_are_named(fields: dict, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  the whole sentence is compared below
        BayesOpt(**fields)
    assert str(refused.value) == sentence
