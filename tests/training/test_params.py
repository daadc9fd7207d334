"""From a configuration to a Params: what is converted, and what is refused with which words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from orchestune.errors import UnknownName
from orchestune.training import TorchTrainable, describe_params, parse_params
from tests.training.tiny import Tiny


@dataclass(frozen=True, kw_only=True)
class Momentum:
    beta: float = 0.9  # share of the step before


@dataclass(frozen=True, kw_only=True)
class Params(Tiny.Params):
    lr: float = 0.03  # its own words
    kernel: tuple[Any, ...] = ((3, 3), (5, 5))  # pixels, by layer
    norm: bool = True  # whether layers are normalized
    activation: str = "relu"
    momentum: Momentum = field(default_factory=Momentum)  # of the updates
    extra: dict[str, Any] | None = None  # anything


@pytest.mark.parametrize(
    ("config", "name", "value"),
    [
        ({}, "lr", 0.03),
        ({"lr": 1}, "lr", 1.0),
        ({"lr": np.float32(0.5)}, "lr", 0.5),
        ({"width": np.int64(4)}, "width", 4),
        ({"kernel": [[1, 1], [2, 2]]}, "kernel", ((1, 1), (2, 2))),
        ({"norm": False}, "norm", False),
        ({"momentum": {"beta": 0.5}}, "momentum", Momentum(beta=0.5)),
        ({"momentum": {}}, "momentum", Momentum()),
        ({"extra": {"a": [1]}}, "extra", {"a": [1]}),
    ],
)
def test_reads(config: dict[str, Any], name: str, value: Any) -> None:
    read = getattr(parse_params(Params, config), name)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"lr": "0.1"}, "parameter 'lr' is '0.1': float is needed, not str"),
        ({"lr": True}, "parameter 'lr' is True: float is needed, not bool"),
        ({"lr": -1.0}, "parameter 'lr' is -1.0: 0 or more"),
        ({"lr": math.nan}, "parameter 'lr' is nan: 0 or more, and finite"),
        ({"weight_decay": -0.1}, "parameter 'weight_decay' is -0.1: 0 or more"),
        ({"batch_size": 0}, "parameter 'batch_size' is 0: 1 or more"),
        ({"width": 4.0}, "parameter 'width' is 4.0: int is needed, not float"),
        ({"norm": 1}, "parameter 'norm' is 1: bool is needed, not int"),
        ({"kernel": 3}, "parameter 'kernel' is 3: a list or tuple is needed"),
        ({"momentum": {"beta": "x"}}, "parameter 'momentum/beta' is 'x': float is needed"),
    ],
)
def test_refuses(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_params(Params, config)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"widht": 4}, r"no parameter named 'widht'\. Did you mean 'width'\?"),
        ({"momentum": {"beat": 1.0}}, r"no parameter named 'momentum/beat'\. Did you mean 'momentum/beta'\?"),
    ],
)
def test_corrects_a_name(config: dict[str, Any], words: str) -> None:
    with pytest.raises(UnknownName, match=words):
        parse_params(Params, config)


def test_names_what_must_be_given() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Needy:
        depth: int

    with pytest.raises(ValueError, match="parameter 'depth' has no default and was not given"):
        parse_params(Needy, {})


def test_describes_base_fields_first_and_the_last_comment_wins() -> None:
    described = {param.name: (param.default, param.doc) for param in describe_params(Params)}
    base = [param.name for param in describe_params(TorchTrainable.Params)]
    assert list(described)[: len(base) + 1] == [*base, "width"]
    assert described["lr"] == (0.03, "its own words")
    assert described["kernel"] == (((3, 3), (5, 5)), "pixels, by layer")
    assert described["momentum"] == (Momentum(), "of the updates")
    assert described["activation"] == ("relu", "")
