"""What every experiment in experiments/ must pass: it asks a question, and two of its trials run."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestune import Experiment, Fifo, Record, catalog
from orchestune.overrides import apply_overrides
from orchestune.running.runner import start
from orchestune.searchers.base import FINISHED
from tests.conftest import NEEDS_MNIST
from tests.end_to_end.test_on_ray import Listener
from tests.running.simulation import session
from tests.trainables.gemma import NEEDS_LORA

HOUSE = Path(__file__).parents[2]
ALSO = {"lr_range_test", "batch_size", "depth_vs_width", "grow_network"}  # besides those that are called so
ON_MNIST = [name for name in catalog.names(HOUSE) if name.startswith("mnist") or name in ALSO]
NEEDED = {**dict.fromkeys(ON_MNIST, NEEDS_MNIST), "lora_text": NEEDS_LORA}
NAMES = [pytest.param(name, marks=[NEEDED[name]] if name in NEEDED else []) for name in catalog.names(HOUSE)]
SMALL = {name: {"set images": "500"} for name in ON_MNIST if name != "mnist_transfer"}  # enough to see that it runs
SMALL["lora_text"] = {"set characters": "3000"}
# What these run on real Ray, and for longer, needs no other workers here.
FILES = ("test_experiments.py", "test_curves_experiments.py", "test_mnist_experiments.py")
TEXT = "".join((HOUSE / "tests" / "end_to_end" / file).read_text() for file in FILES)
LONGER = {name for name in catalog.names(HOUSE) if f'"{name}"' in TEXT}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_its_docstring_is_a_question(name: str) -> None:
    assert catalog.questions(HOUSE)[name].endswith("?")


def test_its_first_questions_are_its_trainables_parameters(name: str) -> None:
    experiment = catalog.load(name, HOUSE)
    assert isinstance(experiment, Experiment)
    searcher = experiment.build_searcher()
    for n in range(5):
        config = searcher.ask(n)
        if n and config == FINISHED:  # a small grid
            break
        assert isinstance(config, dict)
        assert experiment.typed_space.contains(config)
        searcher.born(n, config)
        searcher.tell(n, {1: float(n)}, ended=True)  # which some wait for


def small(name: str) -> Experiment:
    few = {"num_samples": "2", "max_epochs": "1", "scheduler": "fifo", **SMALL.get(name, {})}
    experiment = apply_overrides(catalog.load(name, HOUSE), few)
    assert experiment.scheduler == Fifo()
    return experiment


def ran(record: Record) -> bool:
    assert [trial.status for trial in record.trials.values()] == ["finished", "finished"]
    return record.run_end is not None and bool(record.run_end["test"])


@pytest.mark.parametrize("name", [name for name in NAMES if name.values[0] in LONGER])
def test_two_trials_of_one_epoch(name: str, tmp_path: Path) -> None:
    assert ran(session(small(name), tmp_path / "run"))


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("name", [name for name in NAMES if name.values[0] not in LONGER])
def test_two_trials_of_one_epoch_on_ray(name: str, tmp_path: Path) -> None:
    outcome = start(small(name), name=name, storage=tmp_path, run_name="run", listeners=[Listener()])
    assert outcome.exit_code == 0
    assert ran(outcome.record)
