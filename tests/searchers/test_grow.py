"""Growing against what can be drawn by hand: which networks are tried, from which one it goes on, when it ends."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from ray import tune

from orchestune import discover
from orchestune.searchers import FINISHED, Grow, Searcher
from orchestune.searchers.layers import Layers
from orchestune.space import Space, when

Score = Callable[..., float]


def layered(depth: int, low: int = 16, high: int = 128, **more: Any) -> Space:
    """Up to so many layers, each of `low` to `high` units in steps of `low`."""
    widths = {
        f"units_{place}": when("layers", tuple(range(place + 1, depth + 1)), tune.qrandint(low, high, low))
        for place in range(depth)
    }
    return Space.parse({"layers": tune.randint(1, depth + 1), **widths, **more})


def shape(config: dict[str, Any]) -> tuple[int, ...]:
    return tuple(config[f"units_{place}"] for place in range(config["layers"]))


def run(asked: Searcher, score: Score) -> list[tuple[int, ...]]:
    """The shapes in the order in which they are asked for."""
    found: list[tuple[int, ...]] = []
    while (config := asked.ask(len(found))) != FINISHED:
        assert isinstance(config, dict)
        asked.born(len(found), config)
        asked.tell(len(found), {1: score(*shape(config))}, ended=True)
        found.append(shape(config))
    return found


def test_it_widens_while_that_helps_and_then_ends() -> None:
    """64 units are enough, and a second layer is of no use."""
    found = run(Grow().build(layered(2)), lambda first, second=0: min(first, 64) / 1000 - (second > 0))
    assert found == [(16,), (16, 16), (32,), (32, 16), (64,), (64, 32), (128,)]


def test_it_deepens_while_that_helps() -> None:
    found = run(Grow(least_share=0.25).build(layered(3, low=4, high=16)), lambda *units: len(units) - units[0] / 1000)
    assert found == [(4,), (4, 4), (8,), (4, 4, 4), (8, 4), (8, 4, 4)]
    assert found[-1] == (8, 4, 4), "three layers: only wider ones are left, and they gain nothing"


def test_the_best_step_is_taken_and_a_small_gain_is_none() -> None:
    scores = {(16,): 0.5, (16, 16): 0.53, (32,): 0.55, (32, 16): 0.559, (64,): 0.56}
    assert run(Grow(min_gain=0.01).build(layered(2)), lambda *units: scores.get(units, 0.0)) == [
        *scores, (64, 32), (128,),
    ]  # fmt: skip
    assert run(Grow(min_gain=0.0101).build(layered(2)), lambda *units: scores.get(units, 0.0)) == [*scores]
    assert 0.57 - 0.56 < 0.01, "as floats are"
    exact = run(Grow(min_gain=0.01).build(layered(1)), lambda units: {16: 0.56, 32: 0.57}.get(units, 0.0))
    assert exact == [(16,), (32,), (64,)]
    same = run(Grow(min_gain=0).build(layered(1)), lambda *units: 0.5)
    assert same == [(16,), (32,), (64,), (128,)], "with min_gain=0 it is enough to be as good"


def walk(asked: Searcher, choose: Callable[[list[tuple[int, ...]]], tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """The steps, each as the shapes that are tried in it, where the one that is chosen always gains."""
    steps: list[list[tuple[int, ...]]] = []
    first = 0
    while True:
        step: list[tuple[int, ...]] = []
        while isinstance(config := asked.ask(first + len(step)), dict):
            asked.born(first + len(step), config)
            step.append(shape(config))
        if not step:
            assert config == FINISHED
            return steps
        winner = choose(step)
        for n, units in enumerate(step, start=first):
            asked.tell(n, {1: float(len(steps)) if units == winner else -1.0}, ended=True)
        steps.append(step)
        first += len(step)


WAYS: dict[str, Callable[[list[tuple[int, ...]]], tuple[int, ...]]] = {
    "deepest": lambda step: max(step, key=len),
    "first": lambda step: step[0],
    "last": lambda step: step[-1],
    "smallest": lambda step: min(step, key=sum),
    "largest": lambda step: max(step, key=sum),
    **{f"drawn-{seed}": random.Random(seed).choice for seed in range(2)},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "declared",
    [Grow(), Grow(least_share=1, factor=1.5), Grow(least_share=0.1, factor=3), Grow(factor=1.01)],
    ids=["halves", "equal", "steep", "slow"],
)
def test_no_network_has_a_bottleneck_or_widens_towards_the_output(declared: Grow, way: str) -> None:
    """Whichever wins: nothing is tried twice, each is the winner enlarged, and there are no more than were counted."""
    space = layered(4)
    won: list[tuple[int, ...]] = []

    def choose(step: list[tuple[int, ...]]) -> tuple[int, ...]:
        for units in step:
            assert all(declared.least_share * before <= here <= before for before, here in pairwise(units))
            if won:
                assert units != won[-1]
                assert len(units) - len(won[-1]) in (0, 1)
                assert all(before <= here for before, here in zip(won[-1], units, strict=False))
        won.append(WAYS[way](step))
        return won[-1]

    tried = [units for step in walk(declared.build(space), choose) for units in step]
    assert won[0] == (16,)
    assert 5 < len(won) <= 1 + declared.layers(space).most_steps
    assert len(set(tried)) == len(tried) <= declared.count(space)


def test_it_waits_for_the_step_before() -> None:
    asked = Grow().build(layered(2))
    asked.born(0, asked.ask(0))
    assert asked.ask(1) is None
    asked.tell(0, {1: 0.5}, ended=False)
    assert asked.ask(1) is None
    asked.tell(0, {1: 0.5}, ended=True)
    for n in (1, 2):
        asked.born(n, asked.ask(n))
    asked.tell(2, {1: 0.9}, ended=True)
    assert asked.ask(3) is None
    asked.tell(1, {1: 0.1}, ended=True)
    assert shape(asked.ask(3)) == (32, 16)


def test_what_was_decided_stays_whatever_is_told_later() -> None:
    asked = Grow().build(layered(2))
    for n, score in enumerate([0.5, 0.6, 0.7]):
        asked.born(n, asked.ask(n))
        asked.tell(n, {1: score}, ended=True)
    step = [asked.ask(n) for n in (3, 4)]
    for n, config in zip((3, 4), step, strict=True):
        asked.born(n, config)
    asked.tell(4, {1: 99.0}, ended=True)
    assert [asked.ask(n) for n in (3, 4)] == step


def test_who_was_stopped_early_or_failed_has_not_gained() -> None:
    asked = Grow().build(layered(2))
    told = [{1: 0.4, 2: 0.5}, {1: 0.9}, {1: 0.8, 2: math.nan}]
    for n, scores in enumerate(told):
        asked.born(n, asked.ask(n))
        asked.tell(n, scores, ended=True)
    assert asked.ask(3) == FINISHED
    asked.tell(1, {1: 0.9, 2: 0.9}, ended=True)
    assert shape(asked.ask(3)) == (32, 16)


def test_where_the_smallest_fails_what_trains_is_better() -> None:
    asked = Grow().build(layered(2))
    for n, scores in enumerate([{}, {1: math.nan}, {1: 0.1}]):
        asked.born(n, asked.ask(n))
        asked.tell(n, scores, ended=True)
    assert [shape(asked.ask(n)) for n in (3, 4)] == [(32, 16), (64,)]


def given(asked: Searcher, *points: tuple[dict[str, Any], float]) -> Searcher:
    for n, (config, reached) in enumerate(points, start=-len(points)):
        asked.born(n, config)
        asked.tell(n, {1: reached}, ended=True)
    return asked


def test_the_best_point_given_beforehand_is_where_it_begins() -> None:
    space = layered(3, lr=tune.uniform(0, 1))
    best = {"layers": 2, "units_0": 64, "units_1": 32, "lr": 0.25}
    asked = given(Grow().build(space), (best, 0.5), ({"layers": 1, "units_0": 16, "lr": 0.75}, 0.4))
    found = [asked.ask(n) for n in range(3)]
    assert [shape(config) for config in found] == [(64, 32, 16), (128, 64), (64, 64)]
    assert {config["lr"] for config in found} == {0.25}
    bottle = {"layers": 2, "units_0": 16, "units_1": 64, "lr": 0.25}
    asked = given(Grow().build(space), (bottle, 0.9))
    assert asked.ask(0) == {"layers": 1, "units_0": 16, "lr": 0.5}, "it widens towards the output: not gone on from"


def test_a_point_that_is_tried_again_on_the_way_is_not() -> None:
    space = layered(1)
    asked = given(Grow().build(space), ({"layers": 1, "units_0": 64}, 0.1), ({"layers": 1, "units_0": 32}, 0.5))
    assert asked.ask(0) == FINISHED, "64 units are the only step, and known to be worse"


def test_layers_that_a_function_asks_for_are_found() -> None:
    def build_model(hp: Any) -> None:
        for place in range(hp.Int("layers", 1, 3)):
            hp.Int(f"units_{place}", 8, 32, step=2, sampling="log")  # 8, 16, 32

    found = run(Grow(least_share=1).build(discover(build_model)), lambda *units: sum(units))
    assert found[:3] == [(8,), (8, 8), (16,)]
    assert found[-1] == (32, 32, 32)


def test_the_smallest_network_has_room_for_its_later_layers() -> None:
    """The first layer has 4 units at the least, the third 32: then none has fewer than 32."""
    units = (range(4, 65, 4), range(8, 65, 8), [32, 64])
    layers = Layers(depths=(3,), units=units, least_share=0.5, factor=2)
    assert layers.smallest() == (32, 32, 32)
    assert layers.larger((64, 32, 32)) == [(64, 64, 32)]
    assert layers.larger((64, 64, 64)) == []


LAYERS = {"layers": tune.randint(1, 3), "units_0": tune.randint(1, 9), "units_1": tune.randint(1, 9)}


@pytest.mark.parametrize(
    ("lines", "declared", "sentence"),
    [
        (
            {"layer": tune.randint(1, 3)},
            Grow(),
            "depth: no parameter named 'layers', by which Grow would say how many layers there are. Did you mean "
            "'layer'? Known: layer.",
        ),
        (
            {"layers": tune.randint(1, 3), "unit_0": tune.randint(1, 9)},
            Grow(),
            "width: no parameter named 'units_0', by which Grow would say how wide layer 1 is. Did you mean 'unit_0'? "
            "Known: layers, unit_0.",
        ),
        (
            LAYERS | {"layers": tune.randint(0, 3)},
            Grow(),
            "parameter 'layers': Grow adds layers by it, so write whole numbers from 1 on, without `when`.",
        ),
        (
            LAYERS | {"units_1": tune.uniform(1, 9)},
            Grow(),
            "parameter 'units_1': Grow widens a layer by it, so write whole numbers from 1 on.",
        ),
        (
            LAYERS | {"units_1": when("layers", 1, tune.randint(1, 9))},
            Grow(),
            "parameter 'units_1': exists only where 'layers' is 1, and Grow needs it wherever 'layers' is above 1.",
        ),
        (
            {"layers": tune.randint(2, 3), "units_0": tune.randint(1, 9), "units_1": tune.randint(16, 32)},
            Grow(least_share=0.25),
            "parameter 'layers': there is no network of 2 layers in which none is wider than the one before it nor "
            "narrower than 0.25 of that; widen the ranges of their units.",
        ),
    ],
    ids=["depth", "width", "no layer", "real units", "wrong condition", "no room"],
)
def test_a_space_without_layers_is_refused(lines: dict[str, Any], declared: Grow, sentence: str) -> None:
    assert declared.refuse(Space.parse(lines)) == [sentence]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"min_gain": -0.1}, "min_gain is a finite number from 0 on, got -0.1"),
        ({"least_share": 0}, "least_share is above 0 and at most 1, got 0"),
        ({"least_share": 1.5}, "least_share is above 0 and at most 1, got 1.5"),
        ({"factor": 1}, "factor is above 1, got 1: it would widen nothing"),
        ({"width": "units"}, "width is a name with {} in the place of the layer's number, got 'units'"),
        ({"depth": 3}, "depth is a parameter's name, got 3"),
    ],
)
def test_impossible_settings_are_named(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  the sentence is compared below
        Grow(**fields)
    assert str(refused.value) == sentence
