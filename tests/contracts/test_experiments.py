"""What every experiment in experiments/ must pass: it asks a question, and two of its trials run."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestune import Experiment, Fifo, catalog
from orchestune.overrides import apply_overrides
from orchestune.running.runner import start
from tests.conftest import NEEDS_MNIST
from tests.end_to_end.test_on_ray import Listener
from tests.trainables.gemma import NEEDS_LORA

HOUSE = Path(__file__).parents[2]
NEEDED = {"mnist": NEEDS_MNIST, "lora": NEEDS_LORA}  # by the first word of its name
NAMES = [
    pytest.param(name, marks=[NEEDED[name.split("_")[0]]] if name.split("_")[0] in NEEDED else [])
    for name in catalog.names(HOUSE)
]
SMALL = {"mnist_mlp": {"set images": "500"}, "lora_text": {"set characters": "3000"}}  # enough to see that it runs


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
        assert isinstance(config, dict)
        assert experiment.typed_space.contains(config)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_two_trials_of_one_epoch(name: str, tmp_path: Path) -> None:
    small = {"num_samples": "2", "max_epochs": "1", "scheduler": "fifo", **SMALL.get(name, {})}
    experiment = apply_overrides(catalog.load(name, HOUSE), small)
    assert experiment.scheduler == Fifo()
    outcome = start(experiment, name=name, storage=tmp_path, run_name="run", listeners=[Listener()])
    assert outcome.exit_code == 0
    assert [trial.status for trial in outcome.record.trials.values()] == ["finished", "finished"]
    assert outcome.record.run_end
    assert outcome.record.run_end["test"]
