"""`perturb(...)`: where the mark may stand, and that a space without it is what it was."""

from __future__ import annotations

from typing import Any

import pytest
from ray import tune

from orchestune import perturb, when
from orchestune.space import Space, parse_expression


def marked(space: dict[str, Any]) -> list[str]:
    return [parameter.name for parameter in Space.parse(space).parameters if parameter.perturb]


def test_where_it_may_stand() -> None:
    space = {
        "lr": perturb(tune.loguniform(1e-4, 1e-1)),
        "plain": tune.uniform(0, 1),
        "optimizer": tune.choice(["sgd", "adam"]),
        "momentum": when("optimizer", "sgd", perturb(tune.uniform(0, 1))),
        "hidden": [perturb(tune.randint(1, 9)), 3],
        "kind": tune.choice([{"rate": perturb(tune.uniform(0, 1))}, {}]),
        "act": perturb(tune.choice(["relu", "tanh"])),
    }
    assert marked(space) == ["lr", "momentum", "hidden/0", "kind[0]/rate", "act"]


def test_on_the_command_line() -> None:
    for text in ("perturb(loguniform(1e-4, 1e-1))", "perturb(tune.loguniform(1e-4, 1e-1))"):
        assert marked({"lr": parse_expression(text)}) == ["lr"]
    space = {"o": tune.choice(["a", "b"]), "m": parse_expression("when('o', 'a', perturb(uniform(0, 1)))")}
    assert marked(space) == ["m"]


def test_the_journal_has_it_where_it_is_set_alone() -> None:
    plain, other = ({"x": tune.uniform(0, 1)}, {"x": perturb(tune.uniform(0, 1))})
    before, after = (Space.parse(space).to_json()["parameters"][0] for space in (plain, other))
    assert "perturb" not in before
    assert after == before | {"perturb": True}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (perturb(3), "perturb() needs a range such as tune.uniform(0, 1), got 3"),
        (perturb([tune.uniform(0, 1)]), "perturb() needs a range"),
        (perturb({"x": 1}), "perturb() needs a range"),
        (perturb(when("a", 1, tune.uniform(0, 1))), "perturb() is written inside when()"),
        (perturb(tune.choice([{"x": tune.uniform(0, 1)}, {}])), "mark the ranges inside it"),
    ],
)
def test_refuses(spec: Any, told: str) -> None:
    (mistake,) = Space.mistakes({"a": tune.randint(0, 3), "lr": spec})
    assert told in mistake
    assert "'lr'" in mistake
