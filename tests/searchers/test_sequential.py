"""Sequential tuning against a search that can be done by hand."""

from __future__ import annotations

from typing import Any

import pytest
from ray import tune

from orchestune.searchers import FINISHED, Searcher, Sequential
from orchestune.space import Space, when
from orchestune.space.plain import form

SPACE = Space.parse({"a": tune.uniform(0, 1), "b": tune.randint(0, 9), "c": tune.choice(["p", "q", "r"])})


def run(declared: Sequential, space: Space, score: Any) -> list[dict[str, Any]]:
    asked, all_asked = declared.build(space), []
    while (config := asked.ask(len(all_asked))) != FINISHED:
        assert isinstance(config, dict)
        asked.born(len(all_asked), config)
        asked.tell(len(all_asked), {1: score(config)}, ended=True)
        all_asked.append(config)
    return all_asked


def score(config: dict[str, Any]) -> float:
    return -abs(config["a"] - 0.8) - abs(config["b"] - 6) + (config["c"] == "r")


def test_one_parameter_at_a_time() -> None:
    found = run(Sequential(points=3), SPACE, score)
    assert [c["a"] for c in found[:3]] == [0, 0.5, 1]
    assert {(c["b"], c["c"]) for c in found[:3]} == {(4, "q")}
    assert [(c["a"], c["b"], c["c"]) for c in found[3:5]] == [(1, 0, "q"), (1, 8, "q")]  # b = 4 was there
    assert [(c["a"], c["b"], c["c"]) for c in found[5:]] == [(1, 4, "p"), (1, 4, "r")]  # 4 and 8 tie: the first
    assert len(found) <= Sequential(points=3).count(SPACE) == 9


def test_order_and_rounds() -> None:
    found = run(Sequential(points=3, order=("c", "b"), rounds=2), SPACE, score)
    assert [c["c"] for c in found[:3]] == ["p", "q", "r"]
    assert [c["b"] for c in found[3:5]] == [0, 8]
    assert len({form(c) for c in found}) == len(found) <= 18
    assert max(map(score, found)) == max(score({"a": a, "b": b, "c": "r"}) for a in (0, 0.5, 1) for b in (0, 4, 8))


def test_it_waits_for_the_parameter_before() -> None:
    asked = Sequential(points=3).build(SPACE)
    for n in range(3):
        asked.born(n, asked.ask(n))
    for n in (2, 0):
        asked.tell(n, {1: 0.5}, ended=True)
        assert asked.ask(3) is None
    asked.tell(1, {1: 0.9}, ended=False)
    assert asked.ask(3) is None
    asked.tell(1, {1: 0.9}, ended=True)
    assert asked.ask(3)["a"] == 0.5


def test_children_begin_in_their_middle_when_their_parent_has_them() -> None:
    space = Space.parse({"opt": tune.choice(["adam", "sgd"]), "m": when("opt", "sgd", tune.uniform(0, 1))})
    best_is_sgd = run(Sequential(points=3), space, lambda c: c.get("m", -1))
    assert best_is_sgd == [{"opt": "adam"}, *({"opt": "sgd", "m": m} for m in (0.5, 0, 1))]
    best_is_adam = run(Sequential(points=3), space, lambda c: -c.get("m", -1))
    assert best_is_adam == [{"opt": "adam"}, {"opt": "sgd", "m": 0.5}]


def test_a_parameter_that_does_not_exist_is_left_out() -> None:
    space = Space.parse({"opt": tune.choice(["sgd", "adam"]), "m": when("opt", "sgd", tune.uniform(0, 1))})
    found = run(Sequential(points=3, order=("m", "opt")), space, lambda c: c.get("m", -1))
    assert found == [{"opt": "sgd", "m": 0.5}, {"opt": "adam"}]


def test_what_was_decided_stays_whatever_is_told_later() -> None:
    """A trial of a later parameter that ends brilliantly must not change which questions there were."""
    asked = Sequential(points=3).build(SPACE)
    for n in range(3):
        asked.born(n, asked.ask(n))
        asked.tell(n, {1: float(n == 0)}, ended=True)
    second = [asked.ask(n) for n in (3, 4)]
    for n, config in zip((3, 4), second, strict=True):
        asked.born(n, config)
    asked.tell(4, {1: 99.0}, ended=True)
    assert [asked.ask(n) for n in (3, 4)] == second


def given(asked: Searcher, *points: tuple[dict[str, Any], float]) -> Searcher:
    for n, (config, reached) in enumerate(points, start=-len(points)):
        asked.born(n, config)
        asked.tell(n, {1: reached}, ended=True)
    return asked


def test_points_given_beforehand_are_where_it_begins() -> None:
    point = {"a": 0.25, "b": 8, "c": "p"}
    asked = given(Sequential(points=3).build(SPACE), (point, 5.0), (point | {"a": 0.5}, 1.0))
    assert [asked.ask(n) for n in range(2)] == [point | {"a": 0.0}, point | {"a": 1.0}]  # 0.5 is known


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"rounds": 0}, "rounds is a whole number from 1 on, got 0"),
        ({"points": 1}, "points is a whole number from 2 on, got 1"),
        ({"order": "lr"}, "order is a list of parameters' names, got 'lr'"),
        ({"order": ["a", "a"]}, "order names each parameter once, got"),
    ],
)
def test_impossible_settings_are_named(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  the sentence is compared below
        Sequential(**fields)
    assert str(refused.value).startswith(sentence)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    space = Space.parse({"momentum": tune.uniform(0, 1)})
    [sentence] = Sequential(order=["momentun"]).refuse(space)
    assert sentence == "order: no parameter named 'momentun'. Did you mean 'momentum'? Known: momentum."
