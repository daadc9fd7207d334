"""`hp`: KerasTuner's calls, and what is said to those that make no sense."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from orchestune.define_by_run.hyperparameters import HyperParameters
from orchestune.errors import SpaceError
from orchestune.space import Choice, Float, Int

UNDER = [("parent_name", None), ("parent_values", None)]
RANGE = [("step", None), ("sampling", "linear"), ("default", None), *UNDER]
NONE = inspect.Parameter.empty
ENDS = [("name", NONE), ("min_value", NONE), ("max_value", NONE)]
SIGNATURES = {  # keras-tuner 1.4.8
    "Int": [*ENDS, *RANGE],
    "Float": [*ENDS, *RANGE],
    "Choice": [("name", NONE), ("values", NONE), ("ordered", None), ("default", None), *UNDER],
    "Boolean": [("name", NONE), ("default", False), *UNDER],
    "Fixed": [("name", NONE), ("value", NONE), *UNDER],
    "conditional_scope": [("parent_name", NONE), ("parent_values", NONE)],
    "name_scope": [("name", NONE)],
    "get": [("name", NONE)],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_calls_are_keras_tuners(name: str) -> None:
    ours = inspect.signature(getattr(HyperParameters, name)).parameters
    written = [(p.name, p.default) for p in ours.values() if p.name != "self"]
    assert written == SIGNATURES[name]


def asked(ask: Callable[[HyperParameters], Any]) -> Any:
    hp = HyperParameters()
    ask(hp)
    return hp.asked["x"].parameter


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda hp: hp.Int("x", 1, 4), Int(name="x", low=1, high=4)),
        (lambda hp: hp.Int("x", 3, 3), Int(name="x", low=3, high=3)),
        (lambda hp: hp.Int("x", 32, 250, step=32), Int(name="x", low=32, high=224, step=32)),
        (lambda hp: hp.Int("x", 10, 100, step=20), Choice(name="x", values=(10, 30, 50, 70, 90))),
        (lambda hp: hp.Int("x", 1, 1000, sampling="LOG"), Int(name="x", low=1, high=1000, log=True)),
        (lambda hp: hp.Int("x", 8, 128, step=2, sampling="log"), Choice(name="x", values=(8, 16, 32, 64, 128))),
        (lambda hp: hp.Float("x", 0, 1), Float(name="x", low=0, high=1)),
        (lambda hp: hp.Float("x", 0, 1, sampling=None), Float(name="x", low=0, high=1)),
        (lambda hp: hp.Float("x", 1e-4, 1e-2, sampling="log"), Float(name="x", low=1e-4, high=1e-2, log=True)),
        (lambda hp: hp.Float("x", 0.0, 0.5, step=0.1), Float(name="x", low=0, high=0.5, step=0.1)),
        (lambda hp: hp.Float("x", 0.05, 0.3, step=0.1), Choice(name="x", values=(0.05, 0.15, 0.25))),
        (
            lambda hp: hp.Float("x", 1e-3, 1.0, step=10, sampling="log"),
            Choice(name="x", values=(0.001, 0.01, 0.1, 1.0)),
        ),
        (lambda hp: hp.Float("x", 0.5, 0.5), Choice(name="x", values=(0.5,))),
        (lambda hp: hp.Choice("x", ["a", "b"]), Choice(name="x", values=("a", "b"))),
        (lambda hp: hp.Boolean("x"), Choice(name="x", values=(False, True))),
    ],
)
def test_each_range_has_keras_tuners_values(ask: Callable[[HyperParameters], Any], expected: Any) -> None:
    assert asked(ask) == expected


def test_defaults() -> None:
    hp = HyperParameters()
    found = [hp.Int("a", 2, 5), hp.Float("b", 0.5, 1), hp.Choice("c", ["x", "y"]), hp.Boolean("d"), hp.Fixed("e", 7)]
    assert found == [2, 0.5, "x", False, 7]
    chosen = [hp.Int("f", 2, 5, default=3), hp.Choice("g", ["x", "y"], default="y"), hp.Boolean("h", default=True)]
    assert chosen == [3, "y", True]
    assert hp.values == dict(zip("abcdefgh", found + chosen, strict=True))


def test_a_configuration_answers() -> None:
    hp = HyperParameters({"units": 64, "encoder": {"rate": 1}, "batch_size": 8})
    assert hp.Int("units", 32, 128, step=32) == 64
    with hp.name_scope("encoder"):
        rate = hp.Float("rate", 0, 2)
        assert hp.get("rate") == hp["rate"] == rate == 1.0
        assert type(rate) is float
    assert hp.Fixed("batch_size", 32) == 8, "set from the command line"
    assert list(hp.values) == ["units", "encoder/rate", "batch_size"]
    assert "units" in hp
    assert "rate" not in hp


def test_the_same_name_again_is_the_same_value() -> None:
    hp = HyperParameters(seed=3)
    assert hp.Float("x", 0, 1) == hp.Float("x", 0, 1) == hp.Float("x", min_value=0.0, max_value=1.0)


def test_what_a_configuration_lacks_is_drawn_from_seed_and_name() -> None:
    def drawn(seed: int) -> dict[str, Any]:
        hp = HyperParameters({}, seed=seed)
        hp.Int("a", 1, 100)
        hp.Float("b", 1e-4, 1, sampling="log")
        hp.Choice("c", list("abcdefgh"))
        hp.Fixed("d", 1)
        assert hp.Float("e", 0, 1) != hp.Float("f", 0, 1)
        assert {name: told["value"] for name, told in hp.take_new().items()} == {n: hp[n] for n in "abcef"}
        assert not hp.take_new()
        return hp.config

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    reversed_ = HyperParameters({}, seed=1)
    reversed_.Choice("c", list("abcdefgh"))
    assert reversed_["c"] == drawn(1)["c"], "whatever was asked for before"


def test_conditions() -> None:
    def ask(config: dict[str, Any]) -> HyperParameters:
        hp = HyperParameters(config)
        hp.Choice("kind", ["mlp", "cnn", "rnn"])
        with hp.conditional_scope("kind", ["cnn"]):
            hp.Int("filters", 8, 64)
            with hp.name_scope("pool"):
                hp.Boolean("max")
        hp.Float("rate", 0, 1, parent_name="kind", parent_values=["mlp", "cnn"])
        return hp

    assert list(ask({"kind": "rnn"}).values) == ["kind"]
    assert list(ask({"kind": "mlp"}).values) == ["kind", "rate"]
    assert list(ask({"kind": "cnn"}).values) == ["kind", "filters", "pool/max", "rate"]
    hp = ask({"kind": "rnn"})
    assert hp.Int("filters", 8, 64, parent_name="kind", parent_values="cnn") is None
    with pytest.raises(ValueError, match="'filters' is inactive"):
        hp.get("filters")
    with pytest.raises(KeyError, match=r"no hyperparameter 'filter'.*mean 'filters'"):
        hp["filter"]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda hp: (hp.Int("x", 1, 3), hp.Int("x", 1, 5)), "asked for as hp.Int('x', 1, 3) and as hp.Int('x', 1, 5)"),
        (lambda hp: (hp.Fixed("x", 1), hp.Fixed("x", 2)), "as hp.Fixed('x', 1) and as hp.Fixed('x', 2)"),
        (lambda hp: (hp.Boolean("x"), hp.Fixed("x", True)), "as hp.Boolean('x') and as hp.Fixed('x', True)"),
        (lambda hp: hp.Int("x", 1.5, 3), "min_value must be a whole number, got 1.5"),
        (lambda hp: hp.Int("x", 3, 1), "needs min_value <= max_value, got 3 and 1"),
        (lambda hp: hp.Int("x", 0, 8, sampling="log"), "needs min_value > 0, got 0"),
        (lambda hp: hp.Float("x", 0, 1, step=0), "the step must be above 0"),
        (lambda hp: hp.Float("x", 1, 9, step=1, sampling="log"), "the step is a factor above 1, got 1"),
        (lambda hp: hp.Float("x", 1, 2, step=1.0001, sampling="log"), "more than 1000 values"),
        (lambda hp: hp.Int("x", 1, 10**6, step=3), "more than 1000 steps of 3 from 1, which is no multiple of it"),
        (lambda hp: hp.Float("x", 0.05, 1e6, step=0.1), "more than 1000 steps of 0.1 from 0.05"),
        (lambda hp: hp.Float("x", 1, 2, sampling="reverse_log"), "'reverse_log' has no counterpart"),
        (lambda hp: hp.Float("x", 1, 2, sampling="lgo"), "no sampling is called 'lgo'. Did you mean 'log'?"),
        (lambda hp: hp.Choice("x", []), "has no values"),
        (lambda hp: hp.Choice("x", ["a", "b"], default="c"), "its default is never 'c'"),
        (lambda hp: hp.Int("x", 1, 3, default=4), "its default 4 is not in 1..3; nearest: 3"),
        (lambda hp: hp.Boolean("x", parent_name="y", parent_values=[1]), "'y': is to be depended on and was not asked"),
        (lambda hp: (hp.Float("y", 0, 1), hp.Boolean("x", parent_name="y", parent_values=[1])), "is continuous"),
        (lambda hp: (hp.Boolean("y"), hp.Boolean("x", parent_name="y", parent_values=["no"])), "is never 'no'"),
        (lambda hp: (hp.Boolean("kind"), hp.Boolean("x", parent_name="knid", parent_values=[1])), "mean 'kind'?"),
    ],
)
def test_what_makes_no_sense_is_said(ask: Callable[[HyperParameters], Any], said: str) -> None:
    with pytest.raises(SpaceError, match=re.escape(said)):
        ask(HyperParameters())


def test_a_value_that_is_not_in_the_range_asked_for() -> None:
    with pytest.raises(SpaceError, match=r"'x': 300 is not in 32\.\.256 in steps of 32; nearest: 256"):
        HyperParameters({"x": 300}).Int("x", 32, 256, step=32)


def test_an_answer_may_be_changed() -> None:
    hp = HyperParameters()
    hp.Choice("x", [[1, 2], [3]]).append(9)
    assert hp["x"] == [1, 2]
