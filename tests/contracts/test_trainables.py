"""What every trainable must pass. Those of `trainables/` are found; Tiny is the hard case."""

from __future__ import annotations

import copy
import importlib
import json
import math
import pkgutil
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import trainables
from orchestune.errors import UnknownName
from orchestune.training import TorchTrainable, describe_params, parse_params
from orchestune.training.randomness import capture
from tests.conftest import NEEDS_MNIST
from tests.trainables.few_images import MnistCNN
from tests.trainables.gemma import NEEDS_LORA, tiny_gemma
from tests.trainables.reader import Reader
from tests.training.tiny import Tiny
from trainables.language_model import LanguageModelLora

ROOT = Path(__file__).parents[2]
# Not the defaults, and legal for every trainable.
OTHER = {"lr": 0.007, "batch_size": 20, "weight_decay": 0.1, "schedule": {"name": "cosine", "epochs": 4}}
SMALL: dict[str, Any] = {  # enough to see what is to be seen
    **{name: {"images": 500} for name in ("MnistMLP", "MnistBothSides", "MnistLrRange", "MnistLrRule")},
    "MnistCNN": {"images": 500, "channels": [1], "kernel": 1, "hidden": 8},
    "Transfer": {"frozen": 1},  # some of each: frozen, reused and new
    "MnistTransfer": {"frozen": 3},
    "LanguageModelLora": lambda: {"base": tiny_gemma(), "characters": 3000, "dropout": 0.1},
}


def found() -> list[type[TorchTrainable]]:
    """Those that are whole; one without data, such as AnyModule, is to be derived from."""
    modules = [importlib.import_module(f"trainables.{m.name}") for m in pkgutil.iter_modules(trainables.__path__)]
    return [
        thing
        for module in modules
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, TorchTrainable) and thing.__module__ == module.__name__
        if thing.make_data is not TorchTrainable.make_data
    ]


def params(trainable: Each) -> list[Any]:
    marks = [NEEDS_MNIST] if trainable.__name__.startswith("Mnist") else []
    marks += [NEEDS_LORA] if issubclass(trainable, LanguageModelLora) else []
    return [pytest.param(trainable, marks=marks, id=trainable.__name__)]


Each = type[TorchTrainable]
STANDS_IN = {MnistCNN.__name__: MnistCNN}  # with fewer images
EACH = pytest.mark.parametrize(
    "trainable", [p for t in [*found(), Tiny, Reader] for p in params(STANDS_IN.get(t.__name__, t))]
)


def first(trainable: Each) -> dict[str, Any]:
    """The defaults, but for what makes it small."""
    small = SMALL.get(trainable.__name__, {})
    return dict(small() if callable(small) else small)


def other(trainable: Each) -> dict[str, Any]:
    return {**OTHER, **first(trainable)}


def seeded(trainable: Each, seed: int) -> Each:
    return type(trainable.__name__, (trainable,), {"seed": seed, "__module__": trainable.__module__})


def curve(trained: TorchTrainable, epochs: int) -> list[dict[str, Any]]:
    return [trained.step() for _ in range(epochs)]


def state(trained: TorchTrainable) -> dict[str, Any]:
    """All that the next epoch depends on, taken from the objects themselves rather than from a checkpoint."""
    parts = {
        "model": trained.model.state_dict(),
        "optimizer": trained.optimizer.state_dict(),
        "schedule": trained.schedule.state_dict(),
        "precision": trained.precision.state_dict(),
        "random": capture(trained.device),
        "epoch": trained.epoch,
    }
    return copy.deepcopy(parts)  # a state_dict refers to the live tensors


def equal(a: Any, b: Any) -> bool:
    """Bit for bit, through every nesting."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(*pair) for pair in zip(a, b, strict=True))
    return bool(a == b)


def disturb() -> None:
    """What another trial in the same process would do to the random streams."""
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002
    torch.manual_seed(99)


def test_equal_sees_one_bit() -> None:
    a, b = torch.tensor([1.0]), torch.nextafter(torch.tensor([1.0]), torch.tensor([2.0]))
    assert equal({"x": [a, 1]}, {"x": [a.clone(), 1]})
    assert not equal({"x": [a, 1]}, {"x": [b, 1]})


@EACH
def test_reports_what_it_declares(trainable: Each) -> None:
    for epoch, report in enumerate(curve(trainable(first(trainable)), 2), start=1):
        assert report.pop("training_iteration") == epoch
        assert set(report) == set(trainable.metrics)
        assert all(type(value) is float and math.isfinite(value) for value in report.values())


@EACH
def test_same_seed_same_curve(trainable: Each) -> None:
    expected = curve(trainable(first(trainable)), 3)
    disturb()
    assert curve(trainable(first(trainable)), 3) == expected
    assert curve(seeded(trainable, 1)(first(trainable)), 3) != expected


@EACH
def test_saved_and_loaded_it_goes_on_as_if_nothing_had_been(trainable: Each, tmp_path: Path) -> None:
    straight = trainable(other(trainable))
    curve(straight, 2)
    straight.save_checkpoint(str(tmp_path))
    saved = state(straight)
    expected = curve(straight, 3)
    end = state(straight)

    resumed = trainable(first(trainable))  # an actor that trained another configuration before
    curve(resumed, 1)
    disturb()
    assert resumed.reset_config(dict(other(trainable)))
    resumed.load_checkpoint(str(tmp_path))
    assert equal(state(resumed), saved)
    assert curve(resumed, 3) == expected
    assert equal(state(resumed), end)


IN_ANOTHER_PROCESS = """
import importlib, json, sys
from pathlib import Path
import torch
torch.set_num_threads(int(sys.argv[1]))
for line in sys.stdin:
    module, name, config, folder = json.loads(line)
    trained = getattr(importlib.import_module(module), name)(config)
    trained.load_checkpoint(folder)
    reports = [trained.step() for _ in range(3)]
    end = Path(folder, "end")
    end.mkdir()
    trained.save_checkpoint(str(end))
    Path(end, "reports.json").write_text(json.dumps(reports))
    print("done", flush=True)
"""
Elsewhere = Callable[[list[Any]], None]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    """Has another process, one for all trainables since torch takes seconds to come, go on from a checkpoint."""
    words = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(torch.get_num_threads())]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=ROOT, **pipes) as process:  # type: ignore[call-overload]

        def go_on(what: list[Any]) -> None:
            process.stdin.write(json.dumps(what) + "\n")
            process.stdin.flush()
            while (said := process.stdout.readline()) != "done\n":  # what a trainable prints comes before it
                assert said, "it came to its end"

        yield go_on
        process.stdin.close()


@EACH
def test_it_goes_on_in_another_process(trainable: Each, tmp_path: Path, elsewhere: Elsewhere) -> None:
    straight = trainable(other(trainable))
    curve(straight, 2)
    straight.save_checkpoint(str(tmp_path))
    expected = curve(straight, 3)
    end = state(straight)

    elsewhere([trainable.__module__, trainable.__name__, other(trainable), str(tmp_path)])
    assert json.loads((tmp_path / "end" / "reports.json").read_text()) == expected
    read = trainable(other(trainable))
    read.load_checkpoint(str(tmp_path / "end"))
    assert equal(state(read), end)


@EACH
def test_reset_equals_fresh(trainable: Each) -> None:
    fresh = trainable(other(trainable))
    start = state(fresh)
    expected = curve(fresh, 3)

    reused = trainable(first(trainable))
    curve(reused, 2)
    assert reused.reset_config(dict(other(trainable)))
    assert equal(state(reused), start)
    assert curve(reused, 3) == expected
    assert equal(state(reused), state(fresh))


@EACH
def test_testing_changes_nothing(trainable: Each) -> None:
    expected = curve(trainable(first(trainable)), 4)
    looked_at = trainable(first(trainable))
    reports = curve(looked_at, 2)
    before = state(looked_at)
    scores = looked_at.test()
    assert all(name.startswith("test_") for name in scores)
    assert all(isinstance(value, str) or math.isfinite(value) for value in scores.values())
    own = {f"val_{name}" for name in getattr(trainable, "test_only", ())}  # what no epoch tells
    assert {f"val_{name.removeprefix('test_')}" for name in scores} <= set(trainable.metrics) | own
    assert equal(state(looked_at), before)
    assert looked_at.test() == scores
    assert reports + curve(looked_at, 2) == expected


@EACH
def test_an_unknown_parameter_is_named_with_the_nearest(trainable: Each) -> None:
    with pytest.raises(UnknownName, match=r"no parameter named 'bach_size'\. Did you mean 'batch_size'\?"):
        trainable({"bach_size": 3})


@EACH
def test_every_parameter_has_a_default_and_a_meaning(trainable: Each) -> None:
    assert parse_params(trainable.Params, {}) == trainable.Params()
    assert [param.name for param in describe_params(trainable.Params) if not param.doc] == []


@EACH
def test_past_a_non_finite_loss_nothing_is_a_score(trainable: Each) -> None:
    broken = trainable(first(trainable))
    with torch.no_grad():
        next(broken.model.parameters()).fill_(math.nan)
    for epoch, report in enumerate(curve(broken, 2), start=1):
        assert report.pop("training_iteration") == epoch
        assert set(report) == set(trainable.metrics)
        assert all(math.isnan(value) for value in report.values())
