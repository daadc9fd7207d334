"""The 42 kinds of space that Ray Tune users write, and conditional ones: each exact, or refused in words.

`SPACES` are searched exactly by every searcher (those in `GRIDS` by Grid alone); `REFUSED` maps a space to a
part of the sentence that refuses it.
"""

from __future__ import annotations

from typing import Any

from ray import tune

from orchestune.space import when


class Thing:
    """What a configuration cannot hold."""


SPACES: dict[str, dict[str, Any]] = {
    "uniform": {"x": tune.uniform(-1, 1)},
    "loguniform": {"x": tune.loguniform(1e-5, 1e-1)},
    "quniform": {"x": tune.quniform(0, 10, 2)},
    "quniform_dec": {"x": tune.quniform(0, 1, 0.1)},
    "qloguniform": {"x": tune.qloguniform(0.1, 10, 0.1)},
    "randint": {"x": tune.randint(1, 10)},
    "lograndint": {"x": tune.lograndint(1, 1000)},
    "lograndint_small": {"x": tune.lograndint(1, 4)},
    "qrandint": {"x": tune.qrandint(32, 256, 32)},
    "qrandint_off": {"x": tune.qrandint(5, 55, 10)},
    "qrandint_lo": {"x": tune.qrandint(3, 58, 10)},
    "qlograndint": {"x": tune.qlograndint(16, 512, 16)},
    "randn": {"x": tune.randn(10, 2)},
    "qrandn": {"x": tune.qrandn(0, 1, 0.2)},
    "choice_str": {"x": tune.choice(["relu", "tanh"])},
    "choice_int": {"x": tune.choice([16, 32, 64])},
    "choice_mixed": {"x": tune.choice([1, True, 1.0, "1", None])},
    "choice_bool": {"x": tune.choice([True, False])},
    "choice_dup": {"x": tune.choice(["a", "a", "b"])},
    "choice_list": {"x": tune.choice([[1, 2], [3]])},
    "choice_tuple": {"x": tune.choice([(1, 2), (3, 4)])},
    "choice_dict": {"x": tune.choice([{"a": 1}, {"a": 2, "b": [3]}])},
    "choice_single": {"x": tune.choice(["only"])},
    "randint_one": {"x": tune.randint(3, 4)},
    "nested": {"model": {"width": tune.randint(1, 9), "deep": {"act": tune.choice(["relu", "tanh"])}}},
    "cond_choice": {
        "opt": tune.choice([{"name": "sgd", "momentum": tune.uniform(0, 1)}, {"name": "adam"}]),
    },
    "cond_same_key": {
        "opt": tune.choice(
            [{"name": "sgd", "lr": tune.loguniform(1e-2, 1)}, {"name": "adam", "lr": tune.uniform(1e-4, 1e-3)}]
        ),
    },
    "grid_in": {"x": tune.grid_search([1, 2, 3]), "y": tune.uniform(0, 1)},
    "const": {"x": tune.uniform(0, 1), "c": 3, "d": [1, 2], "e": (1, "a"), "f": None},
    "only_const": {"c": 3, "d": {"e": [1, 2]}},
    "list_dom": {"x": [tune.randint(1, 5), tune.uniform(0, 1)]},
    "list_mix": {"x": (tune.randint(1, 5), "fixed", {"y": tune.uniform(0, 1)})},
    "dot_space_key": {"a.b": tune.uniform(0, 1), "a b": tune.randint(0, 3)},
    "mixed": {
        "lr": tune.loguniform(1e-4, 1e-1),
        "hidden": tune.qrandint(32, 256, 32),
        "act": tune.choice(["relu", "tanh"]),
        "dropout": tune.quniform(0, 0.5, 0.1),
        "model": {"depth": tune.randint(1, 4)},
        "seed": 1,
    },
    "when_equal": {
        "momentum": when("optimizer", "sgd", tune.uniform(0, 1)),
        "optimizer": tune.choice(["sgd", "adam"]),
    },
    "when_member": {
        "optimizer": tune.choice(["sgd", "adam", "rmsprop"]),
        "decay": when("optimizer", ("adam", "rmsprop"), tune.loguniform(1e-6, 1e-2)),
    },
    "when_int_parent": {
        "layers": tune.randint(1, 4),
        "second": when("layers", (2, 3), tune.qrandint(16, 64, 16)),
        "third": when("layers", 3, tune.qrandint(16, 64, 16)),
    },
    "layered": {
        "layers": tune.randint(1, 4),
        "units_0": tune.qrandint(16, 64, 16),
        "units_1": when("layers", (2, 3), tune.qrandint(16, 64, 16)),
        "units_2": when("layers", 3, tune.choice([16, 32, 64])),
        "lr": tune.loguniform(1e-4, 1e-1),
    },
    "when_chained": {
        "nesterov": when("momentum", 0.9, tune.choice([True, False])),
        "momentum": when("optimizer", "sgd", tune.quniform(0, 0.9, 0.3)),
        "optimizer": tune.choice(["sgd", "adam"]),
    },
    "when_dict": {
        "kind": tune.choice(["cnn", "mlp"]),
        "cnn": when("kind", "cnn", {"kernel": tune.choice([3, 5]), "padding": 1, "wide": [tune.randint(1, 3)]}),
        "note": when("kind", "mlp", "plain"),
    },
    "when_in_branch": {
        "opt": tune.choice(
            [
                {"name": "sgd", "m": tune.choice([0, 0.9]), "nesterov": when("opt[0]/m", 0.9, tune.uniform(0, 1))},
                "adam",
            ]
        ),
        "beta": when("opt", "adam", tune.uniform(0.8, 0.999)),
    },
}

GRIDS = {"grid_in"}

REFUSED: dict[str, tuple[dict[Any, Any], str]] = {
    "choice_class": ({"x": tune.choice([Thing, dict])}, "parameter 'x': <class"),
    "uniform_degen": ({"x": tune.uniform(1, 1)}, "parameter 'x': needs low < high, got low=1.0, high=1.0"),
    "sample_from": (
        {"a": tune.randint(0, 3), "x": tune.sample_from(lambda config: config["a"])},
        "parameter 'x': tune.sample_from computes a value that no searcher can see",
    ),
    "sample_from_only": ({"x": tune.sample_from(lambda: 1)}, "parameter 'x': tune.sample_from"),
    "const_obj": ({"x": tune.uniform(0, 1), "o": Thing()}, "parameter 'o': "),
    "empty": ({}, "the space is empty; write at least one parameter"),
    "slash_key": ({"a/b": tune.uniform(0, 1)}, "parameter 'a/b': a slash separates the levels of a name"),
    "int_key": ({1: tune.uniform(0, 1)}, "parameter '1': the key 1 is not a string; write '1'"),
}
