"""What one trial occupies: what is legal, what a machine lacks for it, and the function that may say it instead."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from ray.tune import PlacementGroupFactory

from orchestune import Resources
from orchestune.errors import ResourcesError
from orchestune.training import needs

GIB = 2**30
LEGAL = [
    Resources(),
    Resources(cpu=0.25, gpu=0.5),
    Resources(cpu=0.0001, gpu=0.0001),
    Resources(cpu=1.5, gpu=3),
    Resources(memory=2 * GIB),
    Resources(memory=2e9),  # type: ignore[arg-type]  # a whole number all the same
    Resources(custom={"accelerator_type:A100": 0.001}),
    Resources(custom={"slot": 2.5, "node:10.0.0.1": 0.01}),
]


@pytest.mark.parametrize("resources", LEGAL, ids=str)
def test_what_is_legal_is_what_ray_can_place(resources: Resources) -> None:
    assert resources.mistakes() == []
    assert PlacementGroupFactory([resources.bundle]).required_resources == resources.bundle


NUMBER = "it must be a number above 0"
WRONG: list[tuple[dict[str, Any], str]] = [
    *[({"cpu": wrong}, f"resources.cpu is {wrong!r}: {NUMBER}") for wrong in (0, -1, math.nan, math.inf, True, "1")],
    *[({"gpu": wrong}, f"resources.gpu is {wrong!r}: it must be 0 or more") for wrong in (-1, math.nan, True, None)],
    ({"gpu": 1.5}, "resources.gpu is 1.5: above 1 it must be a whole number"),
    ({"cpu": 0.00001}, "resources.cpu is 1e-05: Ray counts in steps of 0.0001, it must be at least that"),
    ({"gpu": 0.00001}, "resources.gpu is 1e-05: Ray counts in steps of 0.0001, it must be at least that"),
    *[
        ({"memory": wrong}, f"resources.memory is {wrong!r}: it must be a whole number of bytes, 0 or more")
        for wrong in (-1, 2.5e9 + 0.5, math.inf, True, "2GB", None)
    ],
    ({"memory": 2}, "resources.memory is 2: it is in bytes, and no trial needs so few; 2 GiB are 2 * 2**30"),
    ({"custom": ["slot"]}, "resources.custom is ['slot']: it must be a dictionary from name to amount, such as {"),
    ({"custom": {7: 1}}, "resources.custom names 7: a name must be a string of at least one character"),
    ({"custom": {"": 1}}, "resources.custom names '': a name must be a string of at least one character"),
    ({"custom": {"GPU": 1}}, "resources.custom names 'GPU': write resources.gpu instead"),
    ({"custom": {"memory": GIB}}, "resources.custom names 'memory': write resources.memory instead"),
    *[
        ({"custom": {"slot": wrong}}, f"resources.custom['slot'] is {wrong!r}: it must be a number, 0.0001 or more")
        for wrong in (0, -1, 0.00001, math.nan, True, "1")
    ],
]


@pytest.mark.parametrize(("fields", "words"), WRONG, ids=[words[:60] for _, words in WRONG])
def test_what_is_not_legal_is_told(fields: dict[str, Any], words: str) -> None:
    (mistake,) = Resources(**fields).mistakes()
    assert mistake.startswith(words)


def test_all_mistakes_at_once() -> None:
    found = Resources(cpu=0, gpu=-1, memory=-1, custom={"CPU": 1, "slot": 0}).mistakes()
    assert [mistake.split()[0] for mistake in found] == [
        "resources.cpu", "resources.gpu", "resources.memory", "resources.custom", "resources.custom['slot']",
    ]  # fmt: skip


def test_they_are_values() -> None:
    slots = {"slot": 1.0}
    one = Resources(cpu=2, memory=GIB, custom=slots)
    slots["slot"] = 3
    assert one == Resources(cpu=2, memory=GIB, custom={"slot": 1}), "a caller's later change does not reach it"
    assert hash(one) == hash(Resources(cpu=2, memory=GIB, custom={"slot": 1}))
    assert len({one, Resources(cpu=2, memory=GIB, custom={"slot": 1})}) == 1
    assert one != Resources(cpu=2, memory=GIB, custom={"slot": 2})
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.cpu = 3  # type: ignore[misc]
    assert Resources(**json.loads(json.dumps(one.to_json()))) == one


def test_nothing_is_asked_for_where_none_is_wanted() -> None:
    assert Resources(cpu=1).bundle == {"CPU": 1}
    full = Resources(cpu=0.5, gpu=2, memory=GIB, custom={"slot": 1})
    assert full.bundle == {"CPU": 0.5, "GPU": 2, "memory": GIB, "slot": 1}
    assert full.words() == "0.5 CPUs, 2 GPUs, 1 GiB of memory, 1 of 'slot'"


HERE = {"CPU": 2.0, "memory": 2.5 * GIB, "slot": 1.0, "node:10.0.0.1": 1.0}
LACKING = [
    (Resources(cpu=2, memory=2 * GIB, custom={"slot": 1}), []),
    (Resources(cpu=2.0001), ["2.0001 CPUs, and there are 2"]),
    (Resources(gpu=1), ["1 GPU, and there is none"]),
    (Resources(memory=4 * GIB), ["4 GiB of memory, and there are 2.5 GiB"]),
    (Resources(custom={"slot": 2}), ["2 of 'slot', and there is 1"]),
    (Resources(custom={"slto": 1}), ["1 of 'slto', and there is none. Did you mean 'slot'?"]),
    (Resources(custom={"quota": 1}), ["1 of 'quota', and there is none"]),
    (Resources(cpu=3, gpu=0.5), ["3 CPUs, and there are 2", "0.5 GPUs, and there is none"]),
]


@pytest.mark.parametrize(("resources", "words"), LACKING, ids=[str(words) for _, words in LACKING])
def test_what_a_machine_lacks(resources: Resources, words: list[str]) -> None:
    assert resources.lacking(HERE) == words


# ---- a function of the configuration


def test_fixed_ones_need_no_configuration() -> None:
    fixed = Resources(cpu=2)
    assert needs.of(fixed, {"width": 3}) is fixed
    assert needs.to_json(fixed) == {"cpu": 2, "gpu": 0, "memory": 0, "custom": {}}


def by_width(config: dict[str, Any]) -> Resources:
    return Resources(cpu=2 if config.pop("width") > 128 else 1)


def test_a_function_is_given_the_configuration_and_cannot_change_it() -> None:
    for width, cpus in ((64, 1), (256, 2)):
        config = {"width": width}
        assert needs.of(by_width, config) == Resources(cpu=cpus)
        assert config == {"width": width}


BROKEN: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda config: config["wdith"], "raised KeyError: 'wdith'; for {'width': 64}"),
    (lambda config: 2, "returned 2: it must return Resources(cpu=..., gpu=...); for {'width': 64}"),
    (lambda config: None, "returned None: it must return Resources(cpu=..., gpu=...); for {'width': 64}"),
    (
        lambda config: Resources(cpu=0, memory=8),
        "returned what cannot be had: resources.cpu is 0: it must be a number above 0; resources.memory is 8: ",
    ),
]


@pytest.mark.parametrize(("function", "words"), BROKEN, ids=[words[:40] for _, words in BROKEN])
def test_a_function_that_cannot_say_is_named(function: Any, words: str) -> None:
    with pytest.raises(ResourcesError) as refused:
        needs.of(function, {"width": 64})
    assert str(refused.value).startswith(f"{__name__}:<lambda> {words}")


def test_a_function_is_remembered_by_its_name_and_its_text() -> None:
    remembered = needs.to_json(by_width)
    assert remembered["function"] == f"{__name__}:by_width"
    assert needs.to_json(by_width) == remembered
    one = lambda config: Resources(cpu=1)  # noqa: E731
    other = lambda config: Resources(cpu=2)  # noqa: E731
    assert needs.to_json(one)["function"] == needs.to_json(other)["function"]
    assert needs.to_json(one)["sha256"] != needs.to_json(other)["sha256"]


def written_at_a_prompt(text: str) -> Any:
    namespace: dict[str, Any] = {"Resources": Resources}
    exec(text, namespace)
    return namespace["f"]


def test_a_function_without_a_text_is_remembered_by_what_it_does() -> None:
    one, same, other = (
        needs.to_json(written_at_a_prompt(f"def f(config):\n    return Resources(cpu=sum({n} for _ in config))"))
        for n in (1, 1, 1.5)
    )
    assert one == same
    assert one["function"] == other["function"]
    assert one["sha256"] != other["sha256"]
