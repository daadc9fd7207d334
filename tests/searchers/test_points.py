"""Known good configurations: read from whatever a user writes, asked first, and learned from."""

from __future__ import annotations

from typing import Any

import pytest
from ray import tune

from orchestune.errors import SpaceError
from orchestune.searchers import FINISHED, BayesOpt, Grid, HyperOpt, Optuna, Random
from orchestune.searchers.points import PointsFirst, complete
from orchestune.space import Space
from orchestune.space.plain import form
from tests.contracts.spaces import SPACES

PARSED = {name: Space.parse(mapping) for name, mapping in SPACES.items()}


@pytest.mark.parametrize("name", SPACES)
def test_a_whole_configuration_means_itself(name: str) -> None:
    space = PARSED[name]
    drawn = [complete(space, {}, 0, place) for place in range(20)]
    for place, config in enumerate(drawn):
        assert space.contains(config)
        assert complete(space, config, 1, place) == config
        assert complete(space, space.values(config), 1, place) == config  # by full names


@pytest.mark.parametrize("name", SPACES)
def test_one_name_is_enough(name: str) -> None:
    """Each parameter alone: its parents are made to have it, the rest is drawn."""
    space = PARSED[name]
    for parameter in space.parameters:
        for value in parameter.grid(3):
            config = complete(space, {parameter.name: value}, 0, 0)
            assert space.contains(config)
            assert form(space.values(config)[parameter.name]) == form(value) or name == "choice_dup"


def test_the_rest_is_drawn_from_seed_and_place() -> None:
    space, given = PARSED["mixed"], {"act": "relu"}
    assert complete(space, given, 1, 2) == complete(space, given, 1, 2)
    assert len({form(complete(space, given, *drawn)) for drawn in [(1, 2), (1, 3), (2, 2)]}) == 3


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("list_dom", {"x/0": 2}, lambda c: c["x"][0] == 2),
        ("mixed", {"model/depth": 2}, lambda c: c["model"] == {"depth": 2}),
        ("mixed", {"hidden": 64.0}, lambda c: type(c["hidden"]) is int),
        ("when_chained", {"nesterov": True}, lambda c: (c["optimizer"], c["momentum"]) == ("sgd", 0.9)),
        ("cond_choice", {"opt": {"name": "sgd"}}, lambda c: 0 <= c["opt"]["momentum"] <= 1),
        ("cond_choice", {"opt[0]/momentum": 0.5}, lambda c: c["opt"] == {"name": "sgd", "momentum": 0.5}),
        ("cond_same_key", {"opt": {"lr": 5e-4}}, lambda c: c["opt"]["name"] == "adam"),
        ("when_dict", {"note": "plain"}, lambda c: c["kind"] == "mlp"),
        ("when_dict", {"cnn/wide/0": 2}, lambda c: (c["kind"], c["cnn"]["wide"]) == ("cnn", [2])),
        ("when_int_parent", {"second": 16, "third": 32}, lambda c: c["layers"] == 3),
        ("when_in_branch", {"opt": {"nesterov": 0.5}}, lambda c: c["opt"]["m"] == 0.9),
    ],
)
def test_what_is_given_in_part(name: str, given: dict[str, Any], expected: Any) -> None:
    for place in range(8):
        config = complete(PARSED[name], given, 0, place)
        assert PARSED[name].contains(config)
        assert expected(config)


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("mixed", {"hiden": 3}, "parameter 'hiden': is not in the space. Did you mean 'hidden'? Known: lr, "),
        ("mixed", {"hidden": 40}, "parameter 'hidden': 40 is not in 32..256 in steps of 32; nearest: 32."),
        ("mixed", {"act": "relo"}, "parameter 'act': is never 'relo'. Did you mean 'relu'?"),
        ("mixed", {"seed": 2}, "parameter 'seed': is the constant 1, got 2."),
        ("mixed", {"model": 2}, "parameter 'model': is a dict, got 2."),
        ("mixed", {1: 2}, "parameter '1': a name is a string, got 1."),
        ("mixed", ["relu"], "a point is a dict from names to values, got ['relu']."),
        ("mixed", {"model/depth": 1, "model": {"depth": 2}}, "parameter 'model/depth': is given twice, as 1 and as 2."),
        ("nested", {"model/wdth": 3}, "parameter 'model/wdth': is not in the space. Did you mean 'model/width'?"),
        ("list_dom", {"x": [1]}, "parameter 'x': is a list of 2, got [1]."),
        ("list_dom", {"x/2": 1}, "parameter 'x/2': is not in the space: 'x' has 2 elements."),
        ("cond_choice", {"opt": {"name": "sgdd"}}, "parameter 'opt': {'name': 'sgdd'} fits none of its branches"),
        (
            "when_equal",
            {"momentum": 0.3, "optimizer": "adam"},
            "parameter 'momentum': exists only where 'optimizer' is 'sgd', and 'optimizer' is to be 'adam'.",
        ),
        (
            "when_dict",
            {"note": "plain", "cnn": {"kernel": 3}},
            "parameter 'cnn': exists only where 'kind' is 'cnn', and 'kind' is to be 'mlp'.",
        ),
    ],
)
def test_what_cannot_be_is_refused(name: str, given: Any, sentence: str) -> None:
    with pytest.raises(SpaceError) as refused:
        complete(PARSED[name], given, 0, 0)
    assert str(refused.value).startswith(sentence)


LINE = Space.parse({"x": tune.uniform(0, 1)})


def test_points_come_first_and_the_inner_one_after() -> None:
    asked, alone = PointsFirst(Random().build(LINE, seed=3), [{"x": 0.5}, {"x": 0.25}]), Random().build(LINE, seed=3)
    assert [asked.ask(n) for n in range(4)] == [{"x": 0.5}, {"x": 0.25}, alone.ask(0), alone.ask(1)]
    asked.ask(0)["x"] = 9
    assert asked.ask(0) == {"x": 0.5}


@pytest.mark.parametrize("declared", [HyperOpt(n_initial_points=8), BayesOpt(n_initial_points=8),
    Optuna(n_initial_points=8), Optuna(sampler="cmaes")], ids=lambda d: getattr(d, "sampler", d.name))  # fmt: skip
def test_a_model_learns_from_points(declared: Any) -> None:
    """Eight points told, good on the left or on the right: the first own questions go there."""
    for good in (0.2, 0.8):
        asked = PointsFirst(declared.build(LINE), [{"x": 0.05 + 0.125 * k} for k in range(8)])
        for n in range(8):
            asked.born(n, asked.ask(n))
            asked.tell(n, {1: -abs(asked.configs[n]["x"] - good)}, ended=True)
        assert set(asked.inner.configs) == set(range(-8, 0))
        near = [abs(asked.ask(n)["x"] - good) < 0.35 for n in range(8, 28)]
        assert sum(near) >= 12


def test_a_grid_does_not_ask_points_again() -> None:
    space = Space.parse({"x": tune.choice([1, 2, 3]), "y": tune.choice(["a", "b"])})
    points = [{"x": 2, "y": "b"}, {"x": 1, "y": "a"}]
    asked = PointsFirst(Grid().build(space), points)
    found = []
    while (config := asked.ask(len(found))) != FINISHED:
        asked.born(len(found), config)
        found.append(config)
    assert found[:2] == points
    assert len({form(config) for config in found}) == len(found) == 6


def test_saved_and_restored_it_goes_on(tmp_path: Any) -> None:
    def fresh() -> PointsFirst:
        return PointsFirst(HyperOpt(n_initial_points=3).build(LINE, seed=1), [{"x": 0.5}, {"x": 0.75}])

    asked = fresh()
    for n in range(9):
        asked.suggest(str(n))
        asked.on_trial_complete(str(n), {"score": 1.0 - asked.configs[n]["x"], "training_iteration": 1})
    asked.save(str(tmp_path / "state.json"))
    again = fresh()
    again.restore(str(tmp_path / "state.json"))
    assert again.ask(9) == asked.ask(9)
