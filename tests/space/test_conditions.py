"""`when(...)`: what exists under which value."""

from __future__ import annotations

from typing import Any

import pytest
from ray import tune

from orchestune.errors import SpaceError
from orchestune.space import Condition, Space, when
from tests.contracts.spaces import SPACES


def test_parents_come_first_and_a_child_goes_with_its_parent() -> None:
    space = Space.parse(SPACES["when_chained"])
    assert space.names == ("optimizer", "momentum", "nesterov")
    values = {"optimizer": "sgd", "momentum": 0.9, "nesterov": True}
    assert space.config(values) == {"nesterov": True, "momentum": 0.9, "optimizer": "sgd"}
    assert space.config(values | {"momentum": 0.3}) == {"momentum": 0.3, "optimizer": "sgd"}
    assert space.config(values | {"optimizer": "adam"}) == {"optimizer": "adam"}
    assert space.active(values | {"optimizer": "adam"}) == {"optimizer"}


def test_membership_and_int_parents() -> None:
    space = Space.parse(SPACES["when_int_parent"])
    values = {"layers": 2, "second": 16, "third": 32}
    assert space.config(values) == {"layers": 2, "second": 16}
    assert space.config(values | {"layers": 3}) == {"layers": 3, "second": 16, "third": 32}
    assert space["second"].condition == Condition("layers", (2, 3))


def test_dicts_and_constants_can_be_conditional() -> None:
    space = Space.parse(SPACES["when_dict"])
    assert space.config({"kind": "mlp"}) == {"kind": "mlp", "note": "plain"}
    config = {"kind": "cnn", "cnn": {"kernel": 3, "padding": 1, "wide": [2]}}
    assert space.config(space.values(config)) == config


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"kind": "mlp"}, "parameter 'note': is missing: it exists where 'kind' is 'mlp'"),
        ({"kind": "cnn", "note": "plain"}, "parameter 'note': exists only where 'kind' is 'mlp'"),
        ({"kind": "cnn"}, "parameter 'cnn': is missing: it exists where 'kind' is 'cnn'"),
    ],
)
def test_configurations_that_break_a_condition(config: dict[str, Any], sentence: str) -> None:
    space = Space.parse(SPACES["when_dict"])
    assert not space.contains(config)
    if "note" in config:
        config["cnn"] = {"kernel": 3, "padding": 1, "wide": [2]}
    with pytest.raises(SpaceError) as error:
        space.values(config)
    assert sentence in str(error.value)


def test_a_parent_that_is_pinned_decides_at_once() -> None:
    written = SPACES["when_chained"]
    assert Space.parse(written | {"optimizer": "adam"}).names == ()
    pinned = Space.parse(written | {"optimizer": "sgd"})
    assert pinned.names == ("momentum", "nesterov")
    assert pinned["momentum"].condition is None
    assert pinned.from_unit([0.99, 0]) == {"nesterov": True, "momentum": 0.9, "optimizer": "sgd"}
    assert Space.parse({"a": 1, "b": when("a", 1, "x"), "c": when("a", True, "y")}).from_unit([]) == {"a": 1, "b": "x"}


def test_conditions_inside_each_other_where_one_implies_the_other() -> None:
    space = Space.parse(
        {
            "kind": tune.choice(["cnn", "mlp"]),
            "norm": when("kind", "cnn", tune.choice([True, False])),
            "cnn": when("kind", "cnn", {"eps": when("norm", True, tune.uniform(0, 1))}),
        }
    )
    assert space["cnn/eps"].condition == Condition("norm", (True,))
    inner = {"x": when("k", "a", tune.uniform(0, 1))}
    narrower = Space.parse({"k": tune.choice(["a", "b", "c"]), "m": when("k", ("a", "b"), inner)})
    assert narrower["m/x"].condition == Condition("k", ("a",))
    assert space.config({"kind": "cnn", "norm": False}) == {"kind": "cnn", "norm": False, "cnn": {}}


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        (
            {"x": when("optimiser", "sgd", tune.uniform(0, 1))},
            "'optimiser', which is not in the space. Did you mean 'optimizer'?",
        ),
        (
            {"x": when("optimizer", "sdg", tune.uniform(0, 1))},
            "depends on 'optimizer', which is never 'sdg'. Did you mean 'sgd'?",
        ),
        ({"x": when("rate", 0.5, tune.uniform(0, 1))}, "depends on 'rate', which is continuous"),
        ({"x": when("layers", 9, tune.uniform(0, 1))}, "depends on 'layers', which 9 is not in 1..3; nearest: 3"),
        ({"x": when("x", 1, tune.randint(0, 3))}, "its conditions go in a circle, x -> x"),
        (
            {"x": when("y", 1, tune.randint(0, 3)), "y": when("x", 1, tune.randint(0, 3))},
            "its conditions go in a circle, x -> y -> x",
        ),
        ({"x": when("optimizer", (), 1)}, "when() needs a parameter's name and its values"),
        ({"x": when(3, 1, 1)}, "when() needs a parameter's name and its values"),  # type: ignore[arg-type]
        ({"x": when("optimiser", "sgd", "constant")}, "Did you mean 'optimizer'?"),
        (
            {"x": when("optimizer", "sgd", {"deep": when("layers", 1, tune.uniform(0, 1))})},
            "has two conditions, 'optimizer' is 'sgd' and 'layers' is 1; make one of these parents conditional",
        ),
        (
            {"x": when("optimizer", "sgd", {"deep": when("optimizer", "adam", tune.uniform(0, 1))})},
            "has two conditions, 'optimizer' is 'sgd' and 'optimizer' is 'adam'",
        ),
        (
            {"o": tune.choice([{"a": tune.uniform(0, 1)}, "adam"]), "x": when("o", "sgd", 1)},
            "depends on a branch of 'o'; write it inside that branch's dict instead",
        ),
    ],
)
def test_each_impossible_condition(mapping: dict[str, Any], sentence: str) -> None:
    base = {"optimizer": tune.choice(["sgd", "adam"]), "layers": tune.randint(1, 4), "rate": tune.uniform(0, 1)}
    mistakes = Space.mistakes(base | mapping)
    assert mistakes[0].startswith("parameter 'x")
    assert sentence in mistakes[0]
