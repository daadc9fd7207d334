"""From Ray's functions to the typed space: every kind, every refusal."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest
from ray import tune
from ray.tune.search.sample import Float as RayFloat
from ray.tune.search.variant_generator import generate_variants

from orchestune.errors import SpaceError
from orchestune.searchers import Random
from orchestune.space import Choice, Float, Int, Normal, Space, when
from tests.contracts.spaces import REFUSED, SPACES


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (tune.uniform(0, 1), Float(name="x", low=0, high=1)),
        (tune.loguniform(1e-4, 1e-1), Float(name="x", low=1e-4, high=1e-1, log=True)),
        (tune.quniform(0, 1, 0.1), Float(name="x", low=0, high=1, step=0.1)),
        (tune.qloguniform(0.1, 1, 0.1), Float(name="x", low=0.1, high=1, log=True, step=0.1)),
        (tune.randint(1, 10), Int(name="x", low=1, high=9)),
        (tune.randint(np.int64(1), 1e1), Int(name="x", low=1, high=9)),
        (tune.lograndint(1, 10), Int(name="x", low=1, high=9, log=True)),
        (tune.qrandint(32, 256, 32), Int(name="x", low=32, high=256, step=32)),
        (tune.qrandint(3, 58, 10), Int(name="x", low=10, high=50, step=10)),
        (tune.qrandint(1, 5, 1), Int(name="x", low=1, high=4)),
        (tune.qlograndint(16, 512, 16), Int(name="x", low=16, high=512, log=True, step=16)),
        (tune.randn(1, 2), Normal(name="x", mean=1, sd=2)),
        (tune.qrandn(1, 2, 0.5), Normal(name="x", mean=1, sd=2, step=0.5)),
        (tune.choice(["a", (1, 2)]), Choice(name="x", values=("a", [1, 2]))),
        (tune.choice([np.float64(0.5), np.bool_(True)]), Choice(name="x", values=(0.5, True))),
        (tune.grid_search([1, 2]), Choice(name="x", values=(1, 2), grid_search=True)),
    ],
)
def test_each_kind(domain: Any, expected: Any) -> None:
    assert Space.parse({"x": domain}).parameters == (expected,)


@pytest.mark.parametrize("name", SPACES)
def test_laws_of_every_space(name: str) -> None:
    space = Space.parse(SPACES[name])
    rng = np.random.default_rng(0)
    assert json.loads(json.dumps(space.to_json())) == space.to_json() == Space.parse(SPACES[name]).to_json()
    assert Space.mistakes(SPACES[name]) == []
    for vector in [*rng.random((50, space.dimensions)), [0.0] * space.dimensions, [1.0] * space.dimensions]:
        config = space.from_unit(list(vector))
        assert space.contains(config)
        assert set(config) <= set(space.top_level_keys)
        values = space.values(config)
        assert space.config(values) == config
        assert space.active(values) == set(values) <= set(space.names)
        unit = space.to_unit(json.loads(json.dumps(config)))
        assert space.to_unit(space.from_unit(unit)) == pytest.approx(unit, abs=1e-6)
        assert all(u == 0.5 for u, p in zip(unit, space.parameters, strict=True) if p.name not in values)


@pytest.mark.parametrize("name", REFUSED)
def test_each_refused_space(name: str) -> None:
    mapping, sentence = REFUSED[name]
    with pytest.raises(SpaceError, match=re.escape(sentence)):
        Space.parse(mapping)
    assert sentence in Space.mistakes(mapping)[0]


class Unknown(RayFloat):
    """A domain of a later Ray, or a user's own."""


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (tune.uniform(1, 0), "needs low < high, got low=1.0, high=0.0; write the smaller one first"),
        (tune.randint(5, 5), "has no value: its smallest is 5, its largest 4; write tune.randint(5, 6)"),
        (tune.randint(0, math.inf), "the upper bound must be finite, got inf"),
        (tune.randint(0, 2.5), "the upper bound must be a whole number, got 2.5"),
        (tune.qrandint(0, 10, 0.5), "the step must be a whole number, got 0.5"),
        (tune.qrandint(0, 10, 0), "the step must be above 0, got 0"),
        (tune.qrandint(11, 19, 10), "no multiple of the step 10"),
        (tune.choice([]), "has no values to choose from"),
        (tune.grid_search([]), "has no values to choose from"),
        (tune.grid_search("abc"), "grid_search needs a list of values, got 'abc'"),
        (lambda: 1, "is a function, which no journal can hold; write its name"),
        (math.sin, "is a function"),
        (dict, "is a class, which no journal can hold; write its name, 'dict'"),
        ({"eval": "1 + 1"}, "is code that Ray would run; write a tune function or a constant"),
        ({1, 2}, "is a set, which has no order; write the list [1, 2]"),
        (np.zeros(2), "is an array, not a JSON value; write it as a list"),
        (object(), "is of type object, not a JSON value"),
        (math.nan, "nan is not a JSON value; write a finite number, or None"),
        (tune.choice([{"a": {2: 3}}]), "the key 2 is not a string; write '2'"),
        (tune.choice([{1: tune.uniform(0, 1)}]), "the key 1 is not a string; write '1'"),
        (Unknown(0, 1).uniform(), "Unknown is no range that orchestune knows; write one of tune.uniform"),
        ([when("y", 1, 2)], "an element of a list or choice cannot be conditional; give it a key of a dict"),
        (tune.choice([when("y", 1, 2)]), "cannot be conditional"),
        (when("y", 1, when("y", 2, 3)), "a when() inside a when(); name one parent"),
    ],
)
def test_each_refusal_names_the_parameter(value: Any, sentence: str) -> None:
    [mistake] = Space.mistakes({"model": {"x": value}, "y": tune.randint(1, 4)})
    assert mistake.startswith("parameter 'model/x")
    assert sentence in mistake


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("a/b", "write {'a': {'b': ...}}"),
        ("", "an empty key names nothing"),
        ("_leg", "the engine's own"),
        (1, "write '1'"),
        (None, "not a string"),
    ],
)
def test_each_bad_key(key: Any, sentence: str) -> None:
    assert sentence in Space.mistakes({"x": tune.uniform(0, 1), key: 1})[0]


def test_all_mistakes_are_told_at_once() -> None:
    mistakes = Space.mistakes({"a": tune.uniform(1, 0), "b": [tune.randint(5, 5), {3}], "c": {"d/e": 1}, "f": 1})
    assert [mistake.split(":")[0] for mistake in mistakes] == [
        *("parameter 'a'", "parameter 'b/0'", "parameter 'b/1'", "parameter 'c/d/e'"),
    ]
    assert "a space is a dict" in Space.mistakes([1])[0]  # type: ignore[arg-type]


def test_names_are_paths_and_tuples_become_lists() -> None:
    space = Space.parse(
        {"hidden": (tune.randint(1, 2), tune.randint(2, 3)), "m": {"lr": tune.uniform(0, 1)}, "c": (1, 2)}
    )
    assert space.names == ("hidden/0", "hidden/1", "m/lr")
    assert space.constants == {"c": [1, 2]}
    assert space.top_level_keys == ("hidden", "m", "c")
    assert space.from_unit([0, 0, 0]) == {"hidden": [1, 2], "m": {"lr": 0.0}, "c": [1, 2]}


def test_branches_have_their_own_names_and_natural_configurations() -> None:
    space = Space.parse(SPACES["cond_same_key"])
    assert space.names == ("opt", "opt[0]/lr", "opt[1]/lr")
    assert space.config({"opt": 1, "opt[0]/lr": 0.5, "opt[1]/lr": 5e-4}) == {"opt": {"name": "adam", "lr": 5e-4}}
    assert space.values({"opt": {"name": "adam", "lr": 5e-4}}) == {"opt": 1, "opt[1]/lr": 5e-4}


def test_equal_branches_are_told_apart_by_their_ranges() -> None:
    space = Space.parse(
        {"o": tune.choice([{"lr": tune.uniform(0, 1)}, {"lr": tune.uniform(2, 3)}, tune.randint(0, 3)])}
    )
    assert space.values({"o": {"lr": 2.5}}) == {"o": 1, "o[1]/lr": 2.5}
    assert space.values({"o": 2}) == {"o": 2, "o[2]": 2}
    with pytest.raises(SpaceError, match="fits none of its branches"):
        space.values({"o": {"lr": 1.5}})


def test_equal_branches_are_told_apart_by_their_conditions() -> None:
    first = {"k": tune.choice([1, 2]), "x": when("o[0]/k", 1, tune.uniform(0, 1))}
    space = Space.parse({"o": tune.choice([first, {"k": tune.randint(0, 3)}])})
    assert space.values({"o": {"k": 1}}) == {"o": 1, "o[1]/k": 1}
    assert space.values({"o": {"k": 2}}) == {"o": 0, "o[0]/k": 2}


def test_only_what_would_run_as_it_is_lies_in_the_space() -> None:
    space = Space.parse({"x": [tune.uniform(0, 2), tune.quniform(0, 1, 0.1)]})
    assert space.contains({"x": [1.0, 0.3]})
    for others in ([1, 0.3], [1.0, 0.1 + 0.2], (1.0, 0.3)):
        assert not space.contains({"x": others})
        assert space.config(space.values({"x": others})) == {"x": [1.0, 0.3]}


def test_a_name_taken_twice_is_refused() -> None:
    [mistake] = Space.mistakes({"o": tune.choice([{"a": tune.uniform(0, 1)}]), "o[0]": {"a": tune.uniform(0, 1)}})
    assert "two parameters have this name" in mistake


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"lr": 0.01, "hidden": 64, "act": "relu", "dropout": 0.1, "model": {"depth": 1}}, "'seed': is missing"),
        ({"lr": 2, "hidden": 64}, "parameter 'lr': 2.0 is not in 0.0001..0.1"),
        ({"lrr": 0.1}, "parameter 'lrr': is not in the space. Did you mean 'lr'?"),
        ({"lr": 0.01, "hidden": 64, "act": "relu", "dropout": 0.1, "model": {"depht": 1}}, "Did you mean 'depth'"),
        ({"lr": 0.01, "hidden": 64, "act": "relu", "dropout": 0.1, "model": 3}, "'model': is a dict, got 3"),
        (
            {"lr": 0.01, "hidden": 64, "act": "relu", "dropout": 0.1, "model": {"depth": 1}, "seed": True},
            "parameter 'seed': is the constant 1, got True",
        ),
    ],
)
def test_a_configuration_of_another_space_is_named(config: dict[str, Any], sentence: str) -> None:
    space = Space.parse(SPACES["mixed"])
    assert not space.contains(config)
    with pytest.raises(SpaceError, match=re.escape(sentence)):
        space.values(config)


FLAT = [name for name in SPACES if name.startswith(("rand", "qrand", "lograndint", "qlograndint"))]


@pytest.mark.parametrize("name", [*FLAT, "uniform", "loguniform", "quniform", "choice_str", "choice_int", "mixed"])
def test_random_search_draws_as_ray_does(name: str) -> None:
    """Ray's own generator, on the space as it was written, with the same random state, is the oracle."""
    asked = Random().build(Space.parse(SPACES[name]), seed=3)
    for n in range(20):
        [(_, drawn)] = generate_variants(SPACES[name], random_state=np.random.RandomState([3, n]))
        config = asked.ask(n)
        assert isinstance(config, dict)
        assert (
            {key: config[key] for key in config} == pytest.approx(drawn)
            if name != "mixed"
            else config["lr"] == drawn["lr"]
        )
