"""The space that a `build_model(hp)` asks for: found whole, with its conditions, and nothing built for it."""

from __future__ import annotations

import itertools
import random
import re
import resource
from typing import Any

import pytest
import torch
from ray import tune
from torch import nn

from orchestune.define_by_run.discovery import MOST_BUILDS, discover, lines
from orchestune.define_by_run.hyperparameters import HyperParameters
from orchestune.errors import SpaceError
from orchestune.space import Condition, Space, when

LAYER = tune.qrandint(32, 256, 32)


def asks(hp: HyperParameters) -> nn.Module:
    """The example that KerasTuner's users know, line by line, in torch."""
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(28 * 28, first := hp.Int("first_hidden", min_value=32, max_value=256, step=32)),
        nn.ReLU(),
        nn.Linear(first, second := hp.Int("second_hidden", min_value=32, max_value=256, step=32)),
        nn.ReLU(),
        nn.Linear(second, 10),
    )
    hp.Float("learning_rate", min_value=0.005, max_value=0.01, sampling="log")
    return model


def test_the_example() -> None:
    expected = {"first_hidden": LAYER, "second_hidden": LAYER, "learning_rate": tune.loguniform(0.005, 0.01)}
    assert discover(asks) == Space.parse(expected)


def test_a_loop() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        widths = [hp.Int(f"units_{i}", 32, 256, step=32) for i in range(hp.Int("layers", 1, 3))]
        return nn.Sequential(*[nn.Linear(a, b) for a, b in itertools.pairwise([8, *widths])])

    expected = {
        "layers": tune.randint(1, 4),
        "units_0": LAYER,
        "units_1": when("layers", (2, 3), LAYER),
        "units_2": when("layers", 3, LAYER),
    }
    assert discover(build_model) == Space.parse(expected)


def test_an_if() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        if hp.Boolean("dropout"):
            hp.Float("rate", 0.1, 0.5)
        if hp.Choice("optimizer", ["adam", "sgd", "lbfgs"]) != "adam":
            hp.Float("momentum", 0, 1)
        return nn.Identity()

    expected = {
        "dropout": tune.choice([False, True]),
        "optimizer": tune.choice(["adam", "sgd", "lbfgs"]),
        "rate": when("dropout", True, tune.uniform(0.1, 0.5)),
        "momentum": when("optimizer", ("sgd", "lbfgs"), tune.uniform(0, 1)),
    }
    assert by_name(discover(build_model)) == by_name(Space.parse(expected))


def by_name(space: Space) -> dict[str, Any]:
    return {parameter.name: parameter for parameter in space.parameters}


def conditions(build_model: Any) -> dict[str, Condition | None]:
    return {parameter.name: parameter.condition for parameter in discover(build_model).parameters}


def test_nested_conditions() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        for i in range(hp.Int("blocks", 1, 2)):
            for j in range(hp.Int(f"layers_{i}", 1, 2)):
                if hp.Choice(f"kind_{i}_{j}", ["linear", "conv"]) == "conv":
                    hp.Choice(f"kernel_{i}_{j}", [3, 5])
        return nn.Identity()

    found = conditions(build_model)
    assert found["kernel_0_0"] == Condition("kind_0_0", ("conv",))
    assert found["layers_1"] == Condition("blocks", (2,))
    assert found["kind_1_0"] == Condition("blocks", (2,)), "as often as layers_1, which is itself conditional"
    assert found["kind_1_1"] == Condition("layers_1", (2,))
    assert found["kernel_1_1"] == Condition("kind_1_1", ("conv",))
    assert len(found) == 3 + 4 + 4


def test_what_depends_on_two_parents_exists_always() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        first, second = hp.Boolean("first"), hp.Choice("second", ["a", "b", "c"])
        if first and second == "c":
            hp.Int("both", 1, 4)
        if first or second == "c":
            hp.Int("either", 1, 4)
        return nn.Identity()

    found = conditions(build_model)
    assert found == {"first": None, "second": None, "both": None, "either": None}


def test_scopes() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        for part in ("encoder", "decoder"):
            with hp.name_scope(part):
                hp.Choice("kind", ["mlp", "cnn"])
                with hp.conditional_scope("kind", ["cnn"]):
                    hp.Int("filters", 10, 100, step=20)
        hp.Int("wide", 1, 10**6)
        hp.Boolean("rare", parent_name="wide", parent_values=[77])
        if hp["wide"] == 77:
            hp.Float("beside", 0, 1)
        hp.Boolean("flag", parent_name="wide", parent_values=[77, 78])
        if hp["wide"] == 77 and hp["rare"]:
            hp.Float("rarer", 0, 1)
        return nn.Identity()

    filters = tune.choice([10, 30, 50, 70, 90])
    part = {"kind": tune.choice(["mlp", "cnn"])}
    expected = {
        "encoder": {**part, "filters": when("encoder/kind", "cnn", filters)},
        "decoder": {**part, "filters": when("decoder/kind", "cnn", filters)},
        "wide": tune.randint(1, 10**6 + 1),
        "rare": when("wide", 77, tune.choice([False, True])),
        "beside": when("wide", 77, tune.uniform(0, 1)),
        "flag": when("wide", (77, 78), tune.choice([False, True])),
        "rarer": when("rare", True, tune.uniform(0, 1)),
    }
    found = discover(build_model)
    assert by_name(found) == by_name(Space.parse(expected))
    assert found.from_unit([0.9] * found.dimensions)["encoder"] == {"kind": "cnn", "filters": 90}


def test_the_same_name_under_two_values() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        hp.Choice("kind", ["a", "b", "c"])
        for kind in ("a", "b"):
            with hp.conditional_scope("kind", [kind]):
                hp.Int("units", 1, 9)
        return nn.Identity()

    assert conditions(build_model)["units"] == Condition("kind", ("a", "b"))


def test_a_wide_number_is_tried_at_its_ends_and_nothing_depends_on_it() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        for i in range(hp.Int("layers", 1, 50)):
            hp.Float(f"rate_{i}", 0, 1)
        return nn.Identity()

    assert conditions(build_model) == dict.fromkeys(["layers", *(f"rate_{i}" for i in range(50))])


def test_constants_are_part_of_the_configuration() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        hp.Fixed("batch_size", 32)
        if hp.Boolean("clip"):
            hp.Fixed("clip_norm", 1.0)
        return nn.Identity()

    space = discover(build_model)
    assert space.from_unit([0.1]) == {"batch_size": 32, "clip": False}
    assert space.from_unit([0.9]) == {"batch_size": 32, "clip": True, "clip_norm": 1.0}


def test_lines_can_be_added_to() -> None:
    space = Space.parse({**lines(asks), "batch_size": 32, "first_hidden": 64})
    assert space.names == ("second_hidden", "learning_rate")
    assert space.constants == {"first_hidden": 64, "batch_size": 32}


def test_nothing_is_built_and_no_stream_moves() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        random.random()
        return nn.Linear(10**6, hp.Int("units", 10**5, 10**6, step=10**5))  # 4 terabytes

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    torch.manual_seed(3)
    random.seed(3)
    drawn = random.Random(3).random()
    discover(build_model)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB
    assert torch.initial_seed() == 3
    assert random.random() == drawn


def test_a_build_that_fails_is_told_with_its_values() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        heads = hp.Choice("heads", [1, 2, 3])
        return nn.MultiheadAttention(hp.Choice("width", [8, 16]), heads)

    said = (
        r"build_model cannot be built with heads=3, width=8: AssertionError: .*test_discovery.py, line \d+.*meta device"
    )
    with pytest.raises(SpaceError, match=said):
        discover(build_model)


def test_values_cannot_be_read_while_discovering() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        return nn.Linear(1, int(torch.ones(1).item()))

    with pytest.raises(SpaceError, match=r"nothing asked for yet: RuntimeError.*shapes and no values"):
        discover(build_model)


def test_a_combination_that_cannot_be_built_is_left_to_its_trial() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        if hp.Choice("heads", [1, 2]) + hp.Choice("width", [8, 7]) == 9 and hp["heads"] == 2:
            raise ValueError("7 is odd")
        return nn.Identity()

    assert discover(build_model).names == ("heads", "width")


def test_other_bounds_in_another_build() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        hp.Int("second", 1, hp.Int("first", 1, 3))
        return nn.Identity()

    with pytest.raises(
        SpaceError, match=re.escape("asked for as hp.Int('second', 1, 1) and as hp.Int('second', 1, 2)")
    ):
        discover(build_model)


def test_a_name_that_is_also_a_scope() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        hp.Int("a", 1, 3)
        with hp.name_scope("a"):
            hp.Int("b", 1, 3)
        return nn.Identity()

    with pytest.raises(SpaceError, match="'a/b': lies in the name scope 'a', which is a parameter"):
        discover(build_model)


def test_a_thousand_builds_and_no_more() -> None:
    builds = itertools.count()

    def build_model(hp: HyperParameters) -> nn.Module:
        next(builds)
        for i in range(40):
            hp.Int(f"units_{i}", 1, 32)
        return nn.Identity()

    with pytest.warns(UserWarning, match=r"build_model was built 1000 times and there were still values to try"):
        space = discover(build_model)
    assert next(builds) == MOST_BUILDS
    assert len(space.parameters) == 40
    assert not any(parameter.condition for parameter in space.parameters)


def test_a_chain_of_conditions() -> None:
    def build_model(hp: HyperParameters) -> nn.Module:
        for i in range(20):
            if not hp.Boolean(f"another_{i}"):
                break
        return nn.Identity()

    expected = {f"another_{i}": Condition(f"another_{i - 1}", (True,)) for i in range(1, 20)}
    assert conditions(build_model) == {"another_0": None, **expected}
