"""Depth, width and growth: the arithmetic of shapes, and the answers on recorded runs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from orchestune import HyperParameters, catalog
from tests.experiments.recorded import HOUSE, answer, module, run_of
from trainables.mlp import MLP, parameters

shapes = module("depth_vs_width")
BUDGETS, DEPTHS, count, width_for = shapes.BUDGETS, shapes.DEPTHS, shapes.count, shapes.width_for


@pytest.mark.parametrize("hidden", [(16,), (64, 32), (50, 50, 50)])
def test_parameters_are_counted_as_torch_counts_them(hidden: tuple[int, ...]) -> None:
    made = MLP({"hidden": hidden})
    assert parameters(64, *hidden, 10) == sum(weights.numel() for weights in made.model.parameters())


def test_a_grown_networks_parameters_are_those_of_its_model() -> None:
    made = module("grow_network").build_model(
        HyperParameters({"layers": 3, "units_0": 64, "units_1": 32, "units_2": 16})
    )
    assert parameters(784, 64, 32, 16, 10) == sum(weights.numel() for weights in made.parameters())


@pytest.mark.parametrize("budget", BUDGETS)
def test_all_depths_have_the_same_parameters_within_a_hundredth(budget: int) -> None:
    for depth in DEPTHS:
        width = width_for(depth, budget)
        off = [abs(count(depth, units) - budget) for units in (width - 1, width, width + 1)]
        assert off[1] <= budget / 100
        assert off[1] == min(off), "no other width is nearer"
    widths = [width_for(depth, budget) for depth in DEPTHS]
    assert widths == sorted(widths, reverse=True)


def test_a_budget_that_no_width_meets_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1 layers of 15 units have 11,935 parameters: no width .* 1 % of 12,300"):
        width_for(1, 12_300)
    assert count(1, 15) == 785 * 15 + 16 * 10


def test_the_pages_formula_is_the_count() -> None:
    page = (HOUSE / "docs" / "guide" / "depth_vs_width.md").read_text()
    [formula] = re.findall(r"```text\n(785 .*)\n```", page)
    for depth, width in ((1, 252), (6, 135), (3, 7)):
        assert eval(formula, {"depth": depth, "width": width}) == count(depth, width)
    assert (width_for(1, 200_000), width_for(6, 200_000)) == (252, 135)


def test_every_shape_of_every_budget_is_asked_once() -> None:
    experiment = catalog.load("depth_vs_width", HOUSE)
    asked = experiment.build_searcher()
    found = [tuple(asked.ask(n)["hidden"]) for n in range(len(BUDGETS) * len(DEPTHS))]
    assert len(set(found)) == len(found)
    assert {len(shape) for shape in found} == {*DEPTHS}
    assert experiment.most_trials == len(found)


def flat(depth: int, budget: int) -> dict[str, Any]:
    return {"hidden": [width_for(depth, budget)] * depth, "lr": 0.001}


def test_depth_against_width_says_who_is_best_and_what_each_needs() -> None:
    trials = [
        (flat(1, 28_400), {8: 0.94}), (flat(2, 28_400), {8: 0.93}),
        (flat(1, 50_000), {7: 0.951, 8: 0.95}), (flat(2, 50_000), {8: 0.96}), (flat(1, 100_000), {8: 0.97}),
    ]  # fmt: skip
    spreads = [0.0, 0.001, 0.002, 0.004, 0.002]
    said = answer("depth_vs_width", run_of(trials, {"test_accuracy": 0.9661}, spreads=spreads))
    assert said == (
        "The best shape by parameters is 28,400: 1 x 36 (0.9400; the worst is 0.0100 behind), 50,000: 2 x 59 (0.9600; "
        "the worst is 0.0090 behind), 100,000: 1 x 126 (0.9700; the worst is 0.0000 behind). For validation accuracy "
        "0.95 the fewest parameters by hidden layers are 1: 50,095, 2: 50,455, 3: more than were tried, 4: more than "
        "were tried, 5: more than were tried, 6: more than were tried. Two trainings of a shape have a usual spread of "
        "0.0022. On images that the search never saw the best "
        "of all has accuracy 0.9661."
    )
    assert count(2, 59) == 50_455


GROW = {"name": "grow", "depth": "layers", "width": "units_{}", "min_gain": 0.01, "least_share": 0.5, "factor": 2}


def deep(*units: int) -> dict[str, Any]:
    return {"layers": len(units), **{f"units_{place}": width for place, width in enumerate(units)}}


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (
            [(deep(32, 32), {8: 0.919}), (deep(64, 16), {8: 0.9}), (deep(32, 16, 16), {8: 0.91})],
            "16 (0.8000), 32 (0.9000), 32-16 (0.9100). The best step from there, 32-32, has 0.9190: no 0.01 more. So "
            "32-16, 25,818 parameters, after 8 networks.",
        ),
        (
            [(deep(32, 32), {8: 0.92})],
            "16 (0.8000), 32 (0.9000), 32-16 (0.9100), 32-32 (0.9200). So 32-32, 26,506 parameters, after 6 networks.",
        ),
    ],
    ids=["ended", "cut off"],
)
def test_a_grown_network_tells_its_way(last: list[Any], said: str) -> None:
    first = [(deep(16), {8: 0.8}), (deep(16, 16), {8: 0.85}), (deep(32), {8: 0.9})]
    second = [(deep(32, 16), {7: 0.905, 8: 0.91}), (deep(64), {8: 0.909})]
    record = run_of(first + second + last, searcher=GROW)
    assert answer("grow_network", record) == f"Hidden units, with validation accuracy: {said}"
    assert parameters(784, 32, 16, 10) == 25_818
