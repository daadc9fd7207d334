"""Population based training: who takes over from whom, and that no setting leaves its space."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray import tune

from orchestune import Pbt, perturb, when
from orchestune.schedulers.pbt import PbtScheduler
from orchestune.schedulers.perturbation import moved, perturbed
from orchestune.space import Choice, Float, Int, Parameter, Space
from tests.schedulers.simulation import Run, simulate

SPACE = Space.parse({"lr": perturb(tune.loguniform(1e-4, 1e-1)), "width": tune.randint(1, 9)})
CONDITIONAL = Space.parse(
    {
        "optimizer": tune.choice(["sgd", "adam"]),
        "momentum": when("optimizer", "sgd", perturb(tune.quniform(0, 1, 0.1))),
        "batch": perturb(tune.qrandint(32, 256, 32)),
        "layers": [perturb(tune.choice(["a", "a", "b", "c"])), {"flag": perturb(tune.choice([True, False]))}],
        "noise": perturb(tune.randn(0, 1)),
        "kind": tune.choice([{"name": "x", "rate": perturb(tune.lograndint(1, 1000))}, {"name": "y"}]),
    }
)
steady = settings(deadline=None, derandomize=True)


def config(n: int) -> dict[str, Any]:
    return {"lr": 0.001 * (n + 1), "width": 1 + n % 8}


def build(num_samples: int = 8, max_epochs: int = 9, seed: int = 0, **fields: Any) -> PbtScheduler:
    return Pbt(**{"perturbation_interval": 3, **fields}).build(SPACE, max_epochs, num_samples, seed)


def run(workers: int = 1, **fields: Any) -> Run:
    return simulate(build(**fields), lambda n, epoch: float(n), workers=workers, config=config)


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_the_worst_quarter_goes_on_from_the_best(workers: int) -> None:
    done = run(workers)
    assert done.total == 8 * 9
    first, second = done.continued[:8], done.continued[8:]
    for generation, until in ((first, 6), (second, 9)):
        assert {work.until for work in generation} == {until}
        took = {work.trial: work.source for work in generation if work.source}
        assert took.keys() == {"0000", "0001"}
        assert set(took.values()) <= {"0006", "0007"}
        assert [bool(work.source) for work in generation] == [True] * 2 + [False] * 6, "before their sources go on"
    for work in first:
        if work.source:
            assert work.config
            assert work.config["width"] == config(int(work.source))["width"], "its weights have that shape"
            assert work.config["lr"] != config(int(work.source))["lr"]


def test_chance_is_the_seeds() -> None:
    assert run(1).configs == run(8).configs == run(3).configs
    assert run().configs != run(seed=1).configs


def test_the_population_shrinks_by_those_that_fail() -> None:
    done = simulate(build(4), lambda n, epoch: float(n), workers=2, config=config, failures={(3, 2), (0, 5)})
    assert [work.trial for work in done.continued] == ["0000", "0001", "0002", "0001", "0002"]
    assert [work.source for work in done.continued] == ["0002", None, None, "0002", None]


def test_a_generation_does_not_wait_for_one_that_failed_last() -> None:
    done = simulate(build(4), lambda n, epoch: float(n), config=config, failures={(3, 2)})
    assert done.total == 1 + 3 * 9


def test_by_its_factors_or_anew() -> None:
    done = run(resample_probability=0.0)
    for work in done.continued[:2]:
        assert work.source
        assert work.config
        before = config(int(work.source))["lr"]
        assert work.config["lr"] in (before * 0.8, before * 1.2)


@steady
@given(seed=st.integers(0, 2**32), place=st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_no_setting_leaves_its_space(seed: int, place: list[float]) -> None:
    chance = random.Random(seed)
    unmarked = {"optimizer", "kind"}
    values = CONDITIONAL.values(CONDITIONAL.from_unit(place[: CONDITIONAL.dimensions]))
    given_config = CONDITIONAL.config(values)
    for _ in range(20):
        given_config = perturbed(CONDITIONAL, given_config, chance, 0.25, (0.8, 1.2))
        assert CONDITIONAL.contains(given_config)
    after = CONDITIONAL.values(given_config)
    assert after.keys() == values.keys()
    assert all(after[name] == values[name] for name in unmarked)


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        (Float(name="x", low=0, high=10), 5.0, {4.0, 6.0}),
        (Float(name="x", low=0, high=5.5), 5.0, {4.0, 5.5}),
        (Float(name="x", low=-10, high=0), -5.0, {-4.0, -6.0}),
        (Float(name="x", low=0, high=1, step=0.1), 0.1, {0.0, 0.2}),
        (Int(name="x", low=1, high=100), 50, {40, 60}),
        (Int(name="x", low=1, high=100), 2, {1, 3}),  # 1.6 and 2.4 are 2
        (Int(name="x", low=0, high=100), 0, {0, 1}),
        (Int(name="x", low=32, high=256, step=32), 64, {32, 96}),
        (Int(name="x", low=32, high=256, step=32), 256, {192, 256}),
        (Choice(name="x", values=("a", "b", "c")), "b", {"a", "c"}),
        (Choice(name="x", values=("a", "a", "c")), "a", {"c"}),
        (Choice(name="x", values=(True, False)), False, {True}),
        (Choice(name="x", values=("only",)), "only", {"only"}),
    ],
)
def test_a_step_away(parameter: Parameter, value: Any, expected: set[Any]) -> None:
    assert {moved(parameter, value, random.Random(n), (0.8, 1.2)) for n in range(50)} == expected


@pytest.mark.parametrize(
    ("space", "max_epochs", "num_samples", "told"),
    [
        ({"lr": tune.uniform(0, 1)}, 9, 8, "nothing in the space may change"),
        ({"lr": perturb(tune.uniform(0, 1))}, 9, None, "num_samples=None is its population"),
        ({"lr": perturb(tune.uniform(0, 1))}, 9, 3, "num_samples=3 is its population: at least 4"),
        ({"lr": perturb(tune.uniform(0, 1))}, 3, 4, "perturbation_interval=3 is not below max_epochs=3"),
        (
            {"o": perturb(tune.choice(["a", "b"])), "m": when("o", "a", tune.uniform(0, 1))}, 9, 4,
            "'o' is marked with perturb(...) and decides whether 'm' exists",
        ),
    ],
)  # fmt: skip
def test_refuses_a_run(space: dict[str, Any], max_epochs: int, num_samples: int | None, told: str) -> None:
    (sentence,) = Pbt(perturbation_interval=3).refuse(Space.parse(space), max_epochs, num_samples)
    assert told in sentence


@pytest.mark.parametrize(
    "fields",
    [
        {"perturbation_interval": 0}, {"quantile_fraction": 0.6}, {"quantile_fraction": 0},
        {"resample_probability": 1.1}, {"perturbation_factors": (1.2, 0.8)}, {"perturbation_factors": (0.8,)},
    ],
)  # fmt: skip
def test_refuses(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        Pbt(**cast(Any, fields))
