"""What each of Optuna's samplers promises beyond the contract."""

from __future__ import annotations

import random
from typing import Any

import optuna
import pytest
from ray import tune

from orchestune.errors import SpaceError
from orchestune.searchers import Optuna
from orchestune.searchers.optuna import distribution, to_optuna
from orchestune.space import Space, when
from tests.contracts.spaces import GRIDS, SPACES

BOX = Space.parse({name: tune.uniform(0, 1) for name in "abc"})


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"sampler": "tpa"}, "sampler is one of 'tpe', 'gp', 'cmaes', 'qmc', got 'tpa'. Did you mean 'tpe'?"),
        ({"sampler": "qmc", "sequence": "sobel"}, "sequence is one of 'sobol', 'halton', got 'sobel'."),
        ({"n_initial_points": 0}, "n_initial_points is a whole number from 1 on, got 0"),
        ({"n_ei_candidates": True}, "n_ei_candidates is a whole number from 1 on, got True"),
        ({"sampler": "cmaes", "population": 3}, "population is a whole number from 4 on, got 3"),
        ({"population": 8}, "population=8 means nothing to sampler='tpe'; it is for cmaes"),
        ({"sampler": "qmc", "n_initial_points": 3}, "n_initial_points=3 means nothing to sampler='qmc'; it is for tpe"),
    ],
)
def test_impossible_settings_are_named(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  the sentence is compared below
        Optuna(**fields)
    assert str(refused.value).startswith(sentence)


def test_only_the_sequences_do_not_adapt() -> None:
    assert [Optuna(sampler=sampler).adapts for sampler in ("tpe", "gp", "cmaes", "qmc")] == [True, True, True, False]


def test_cmaes_refuses_what_has_no_order() -> None:
    space = Space.parse(
        {"act": tune.choice(["a", "b"]), "m": when("n", 1, tune.uniform(0, 1)), "n": tune.randint(0, 2)}
    )
    said = Optuna(sampler="cmaes").refuse(space)
    assert len(said) == 2
    assert said[0].startswith("parameter 'act': it is a choice, which has no order")
    assert said[1].startswith("parameter 'm': it is there only where 'n' is 1")
    assert all("use Optuna(sampler='tpe')" in sentence for sentence in said)
    with pytest.raises(SpaceError, match="act"):
        Optuna(sampler="cmaes").build(space)


@pytest.mark.parametrize("name", [name for name in SPACES if name not in GRIDS])
def test_every_value_is_one_of_optunas(name: str) -> None:
    for parameter in Space.parse(SPACES[name]).parameters:
        there = distribution(optuna, parameter)
        for value in parameter.grid(7):
            assert there._contains(there.to_internal_repr(to_optuna(parameter, value)))


def spread(sampler: str, pending: int) -> float:
    """How far apart the nearest two questions lie that are pending at once after 20 told ones."""
    asked = Optuna(sampler=sampler).build(BOX)
    for n in range(20 + pending):
        config = asked.ask(n)
        asked.born(n, config)
        if n < 20:
            asked.tell(n, {1: -sum((config[name] - 0.5) ** 2 for name in "abc")}, ended=True)
    last = [list(asked.configs[n].values()) for n in range(20, 20 + pending)]
    return min(sum(abs(x - y) for x, y in zip(a, b, strict=True)) for k, a in enumerate(last) for b in last[:k])


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_pending_trials_are_told_as_running(sampler: str) -> None:
    assert spread(sampler, 4) > 1e-3


def test_cmaes_closes_in_and_starts_again() -> None:
    asked = Optuna(sampler="cmaes").build(BOX, seed=3)
    for n in range(300):
        config = asked.ask(n)
        asked.born(n, config)
        asked.tell(n, {1: -sum((config[name] - 0.3) ** 2 for name in "abc")}, ended=True)
    assert max(scores[1] for scores in asked.scores.values()) > -1e-6


def test_steps_do_not_trap_cmaes() -> None:
    """Told the middles of the cells, two of these six searches end a cell or more away from the optimum."""
    space = Space.parse({"k": tune.randint(0, 30), "x": tune.uniform(0, 1), "j": tune.randint(0, 8)})
    for seed in range(6):
        asked = Optuna(sampler="cmaes").build(space, seed=seed)
        for n in range(150):
            config = asked.ask(n)
            asked.born(n, config)
            loss = abs(config["k"] - 26) + abs(config["x"] - 0.2) + 5 * abs(config["j"] - 7)
            asked.tell(n, {1: -loss}, ended=True)
        assert max(scores[1] for scores in asked.scores.values()) > -0.2


@pytest.mark.parametrize("sequence", ["sobol", "halton"])
def test_a_sequence_is_more_even_than_chance(sequence: str) -> None:
    """64 points, 64 cells: chance leaves 23 of them empty."""
    asked = Optuna(sampler="qmc", sequence=sequence).build(Space.parse({n: tune.uniform(0, 1) for n in "ab"}), seed=5)
    points = [asked.ask(n) for n in random.Random(0).sample(range(64), 64)]
    cells = {(int(8 * p["a"]), int(8 * p["b"])) for p in points}
    assert len(cells) >= (64 if sequence == "sobol" else 50)


def test_optuna_speaks_to_others_as_before() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    asked = Optuna().build(BOX)
    asked.born(0, asked.ask(0))
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING
