"""Lines of a space as text: read, never evaluated."""

from __future__ import annotations

from typing import Any

import pytest
from ray import tune

from orchestune.errors import SpaceError, UnknownName
from orchestune.space import Space, parse_call, parse_expression, when


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("loguniform(1e-4, 1e-1)", tune.loguniform(1e-4, 1e-1)),
        ("tune.loguniform(1e-4, upper=1e-1)", tune.loguniform(1e-4, 1e-1)),
        (" qrandint(32, 256, q=32) ", tune.qrandint(32, 256, 32)),
        ("randn()", tune.randn()),
        ("uniform(-1, 1)", tune.uniform(-1, 1)),
        ("choice(['a', 'b', None, 1])", tune.choice(["a", "b", None, 1])),
        ("grid_search([1, 2])", tune.grid_search([1, 2])),
        ("[64, randint(1, 9)]", [64, tune.randint(1, 9)]),
        ("{'a': uniform(0, 1), 'b': (1, 2)}", {"a": tune.uniform(0, 1), "b": (1, 2)}),
        (
            "choice([{'name': 'sgd', 'm': uniform(0, 1)}, 'adam'])",
            tune.choice([{"name": "sgd", "m": tune.uniform(0, 1)}, "adam"]),
        ),
        ("when('k', 'a', uniform(0, 1))", when("k", "a", tune.uniform(0, 1))),
        ("when('k', ('a', 'b'), 3)", when("k", ("a", "b"), 3)),
    ],
)
def test_text_means_what_python_means(text: str, written: Any) -> None:
    kind = tune.choice(["a", "b", "c"])
    assert Space.parse({"x": parse_expression(text), "k": kind}) == Space.parse({"x": written, "k": kind})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("-2", -2),
        ("True", True),
        ("true", True),
        ("false", False),
        ("null", None),
        ("None", None),
        ("'quoted'", "quoted"),
        ("sgd", "sgd"),
        ("resnet-18", "resnet-18"),
        ("data/mnist.npz", "data/mnist.npz"),
        ("3x", "3x"),
        ("[1, true]", [1, True]),
        ("(1, 2)", [1, 2]),
    ],
)
def test_constants(text: str, value: Any) -> None:
    found = parse_expression(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("uniform(0)", "parameter 'lr': uniform(lower, upper): missing a required argument: 'upper'"),
        ("uniform(0, 1, 2, 3)", "too many positional arguments"),
        (
            "loguniform(0, 1)",
            "parameter 'lr': loguniform(lower, upper): LogUniform requires a lower bound greater than 0",
        ),
        ("quniform(0, 1, 0)", "parameter 'lr': quniform(lower, upper, q): "),
        ("randn(0, 0)", "randn(mean, sd): SD has to be strictly greater than 0"),
        ("choice([sgd, adam])", "a word inside brackets needs quotes: 'sgd'"),
        ("uniform(0, 1", "parameter 'lr': cannot read 'uniform(0, 1'"),
        ("two words", "cannot read 'two words'"),
        ("", "cannot read ''"),
        ("uniform(*[0, 1])", "write its arguments without stars"),
        ("uniform(0, 10 ** 9)", "only literal values may stand here"),
        ("__import__('os').system('true')", "write a plain name before the brackets"),
        ("os.system('true')", "write a plain name before the brackets"),
        ("[x for x in (1, 2)]", "cannot read"),
        ("uniform(lambda: 1, 2)", "only literal values may stand here"),
        ("[" * 5000, "cannot read"),
    ],
)
def test_each_mistake_names_the_parameter(text: str, sentence: str) -> None:
    with pytest.raises(SpaceError) as error:
        parse_expression(text, "lr")
    assert str(error.value).startswith("parameter 'lr': ")
    assert sentence in str(error.value)


def test_an_unknown_function_is_told_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no function named 'logunifrm'\. Did you mean 'loguniform'"):
        parse_expression("logunifrm(1, 2)")
    with pytest.raises(UnknownName, match="no function named 'sample_from'"):
        parse_expression("sample_from('x')")
    with pytest.raises(UnknownName, match="no function named 'eval'"):
        parse_expression("choice([eval('1')])")


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("hyperopt", ("hyperopt", (), {})),
        ("hyperopt()", ("hyperopt", (), {})),
        ("hyperopt(n_initial_points=5, gamma=.1)", ("hyperopt", (), {"n_initial_points": 5, "gamma": 0.1})),
        ("asha(1, rungs=[1, 3, 9])", ("asha", (1,), {"rungs": [1, 3, 9]})),
    ],
)
def test_calls(text: str, call: Any) -> None:
    assert parse_call(text) == call


@pytest.mark.parametrize("text", ["", "3", "a b", "asha(", "asha(uniform(0, 1))", "asha(**{})", "a.b()"])
def test_no_calls(text: str) -> None:
    with pytest.raises(SpaceError, match="cannot read"):
        parse_call(text)
