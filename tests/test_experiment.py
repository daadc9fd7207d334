"""An experiment that cannot run is refused as a whole; one that can is a line of JSON; overrides change it by text."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from orchestune import (
    Asha,
    Experiment,
    Fifo,
    Grid,
    HyperBand,
    HyperOpt,
    Pbt,
    Plateau,
    Random,
    Resources,
    Sequential,
    arguments,
    catalog,
    perturb,
)
from orchestune.errors import ExperimentError, RunStateError
from orchestune.overrides import SETTINGS, apply_overrides
from orchestune.running.runner import check_unchanged
from tests.training.tiny import Tiny


class Model(tune.Trainable):
    metrics = ("val_accuracy", "val_loss")

    @dataclass(frozen=True, kw_only=True)
    class Params:
        lr: float = 0.1
        hidden: tuple[int, ...] = (64, 64)
        optimizer: dict[str, Any] | None = None

    def step(self) -> dict[str, Any]:
        return {"val_loss": 0.5, "val_accuracy": 0.5}

    def save_checkpoint(self, checkpoint_dir: str) -> None: ...

    def load_checkpoint(self, checkpoint: Any) -> None: ...


class Other(Model):
    pass


class Forgetful(tune.Trainable):
    def step(self) -> dict[str, Any]:
        return {"val_loss": 0.5}


def function(config: dict[str, Any]) -> None: ...


def by_hidden(config: dict[str, Any]) -> Resources:
    """What a configuration needs; the first parameter of the smallest one is 1."""
    return Resources(cpu=max(1, config["hidden"][0] // 4))


def at_the_end(config: dict[str, Any]) -> Resources:
    return Resources(cpu=8 - config["hidden"][0])


def experiment(**changes: Any) -> Experiment:
    """Everything is said, nothing is left to a default."""
    fields = {
        "trainable": Model,
        "space": {"lr": tune.loguniform(1e-4, 1e-1), "hidden": (tune.randint(1, 9), 16), "optimizer": {"name": "sgd"}},
        "metric": "val_loss",
        "mode": "min",
        "searcher": Random(),
        "scheduler": Asha(grace_period=2),
        "num_samples": 8,
        "max_epochs": 16,
        "total_epochs": None,
        "early_stopping": Plateau(patience=4),
        "executions_per_trial": 2,
        "points_to_evaluate": (),
        "time_budget_s": 600.0,
        "stop_at_score": 0.01,
        "resources": Resources(cpu=2, gpu=0.5),
        "max_concurrent_trials": 2,
        "seed": 3,
        "checkpoint_every": 2,
        "max_retries": 1,
    }
    return Experiment(**{**fields, **changes})


def mistakes(**changes: Any) -> tuple[str, ...]:
    with pytest.raises(ExperimentError) as refused:
        experiment(**changes)
    return refused.value.mistakes


# ---- what is refused

COUNTS = ("max_epochs", "checkpoint_every", "executions_per_trial")
PERTURBED = {"lr": perturb(tune.loguniform(1e-4, 1e-1))}
WHOLE = "it must be a whole number, 1 or more"
FUNCTION = "trainable function is a function: write a class with"
GRID = "parameter 'lr': {} cannot promise to try every value of a tune.grid_search; use the searcher Grid()"

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"trainable": function}, FUNCTION),
    ({"trainable": "Model"}, "trainable is 'Model': it must be a class derived from TorchTrainable"),
    ({"trainable": dict}, "trainable is <class 'dict'>: it must be a class derived from"),
    ({"metric": "val_acuracy"}, "no metric named 'val_acuracy'. Did you mean 'val_accuracy'? Known: val_accuracy, "),
    ({"metric": ""}, "no metric named ''. Known: val_accuracy, val_loss."),
    ({"mode": "maximum"}, "mode is 'maximum': it must be 'min' or 'max'"),
    ({"mode": None}, "mode is None: it must be 'min' or 'max'"),
    ({"space": {}}, "the space is empty; write at least one parameter"),
    ({"space": [("lr", 1)]}, "space is a list: it must be a dictionary from parameter to domain"),
    ({"space": {"lrr": tune.uniform(0, 1)}}, "no parameter named 'lrr'. Did you mean 'lr'? Known: hidden, lr, optim"),
    ({"space": {"lr": tune.uniform(1, 0)}}, "parameter 'lr': needs low < high, got low=1.0, high=0.0"),
    *[
        ({name: wrong}, f"{name} is {wrong!r}: {WHOLE}")
        for name in (*COUNTS, "num_samples", "max_concurrent_trials", "total_epochs")
        for wrong in (0, -1, True, 2.0, "4", math.inf)
    ],
    *[({name: None}, f"{name} is None: {WHOLE}") for name in COUNTS],
    *[
        ({name: wrong}, f"{name} is {wrong!r}: it must be a whole number, 0 or more")
        for name in ("seed", "max_retries")
        for wrong in (-1, False, 1.0, None)
    ],
    ({"seed": 2**32}, "seed is 4294967296: it must be below 2**32"),
    *[
        ({"time_budget_s": wrong}, f"time_budget_s is {wrong!r}: it must be a number of seconds above 0")
        for wrong in (0, -1.0, math.nan, math.inf, True, "60")
    ],
    *[
        ({"stop_at_score": wrong}, f"stop_at_score is {wrong!r}: it must be a finite number")
        for wrong in (math.nan, -math.inf, True, "0.5")
    ],
    ({"resources": {"cpu": 1}}, "resources is {'cpu': 1}: it must be Resources(cpu=..., gpu=...)"),
    *[
        ({"resources": Resources(cpu=wrong)}, f"resources.cpu is {wrong!r}: it must be a number above 0")
        for wrong in (0, -1, math.nan, math.inf, True, "1")
    ],
    *[
        ({"resources": Resources(gpu=wrong)}, f"resources.gpu is {wrong!r}: it must be 0 or more")
        for wrong in (-1, math.nan, math.inf, True, "1")
    ],
    ({"resources": Resources(gpu=1.5)}, "resources.gpu is 1.5: above 1 it must be a whole number"),
    ({"resources": Resources(memory=-1)}, "resources.memory is -1: it must be a whole number of bytes, 0 or more"),
    ({"resources": Resources(custom={"CPU": 1})}, "resources.custom names 'CPU': write resources.cpu instead"),
    ({"resources": Resources}, "resources is <class 'orchestune.training.resources.Resources'>: it must be Resources("),
    ({"resources": function}, f"resources: {__name__}:function returned None: it must return Resources(cpu=..., gpu="),
    (
        {"resources": lambda config: Resources(cpu=config["widht"])},
        f"resources: {__name__}:<lambda> raised KeyError: 'widht'; for {{'lr': 0.00316",
    ),
    (
        {"resources": at_the_end},  # right in the middle of the space, wrong at its end
        f"resources: {__name__}:at_the_end returned what cannot be had: resources.cpu is 0: it must be a number above",
    ),
    ({"searcher": "randon"}, "no searcher named 'randon'. Did you mean 'random'? Known: "),
    ({"searcher": 3}, "searcher is 3: it must be a declaration such as HyperOpt(), or a name"),
    ({"searcher": HyperOpt}, "searcher is <class 'orchestune.searchers.hyperopt.HyperOpt'>: it must be a declaration"),
    ({"scheduler": "ahsa"}, "no scheduler named 'ahsa'. Did you mean 'asha'? Known: "),
    ({"answer": "42"}, "answer is '42': it must be a function of the finished run's Record, or None"),
    ({"prepare": 3}, "prepare is 3: it must be a function of no arguments, or None"),
    ({"early_stopping": 3}, "early_stopping is 3: it must be Plateau(patience=5), or None"),
    ({"points_to_evaluate": [{"lrr": 0.1}]}, "points_to_evaluate: parameter 'lrr'"),
    ({"searcher": Random(), "scheduler": "multifidelity"}, "scheduler multifidelity chooses configurations by its own"),
    (
        {"searcher": Sequential(), "scheduler": HyperBand()},
        "searcher sequential waits until trials have ended, and hyperband",
    ),
    ({"searcher": HyperOpt(), "scheduler": Pbt(), "space": PERTURBED}, "scheduler pbt changes configurations while"),
    ({"searcher": Random(), "scheduler": Pbt()}, "pbt: nothing in the space may change while a trial trains"),
    ({"scheduler": Asha}, "scheduler is <class 'orchestune.schedulers.asha.Asha'>: it must be a declaration"),
    ({"scheduler": None}, "scheduler is None: it must be a declaration"),
    ({"searcher": Random(), "space": {"lr": tune.grid_search([0.1])}}, GRID.format("Random")),
    ({"searcher": HyperOpt(), "space": {"lr": tune.grid_search([0.1])}}, GRID.format("HyperOpt")),
    ({"scheduler": Asha(grace_period=17)}, "asha: grace_period=17 is more than max_epochs=16"),
    (
        {"num_samples": None, "time_budget_s": None, "stop_at_score": None},
        "num_samples is None: the run would never end; give it, total_epochs, time_budget_s or stop_at_score",
    ),
]


@pytest.mark.parametrize(("changes", "words"), REFUSED, ids=[words[:50] for _, words in REFUSED])
def test_what_cannot_run_is_refused_in_one_sentence(changes: dict[str, Any], words: str) -> None:
    (mistake,) = mistakes(**changes)
    assert mistake.startswith(words)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_samples": None},
        {"num_samples": None, "stop_at_score": None},
        {"num_samples": None, "time_budget_s": None},
        {"num_samples": None, "time_budget_s": None, "stop_at_score": None, "searcher": Grid()},
        {"space": {"lr": tune.grid_search([0.1])}, "searcher": Grid()},
        {"scheduler": Asha(grace_period=16)},
        {"max_concurrent_trials": None},
        {"seed": 0, "max_retries": 0},
        {"seed": 2**32 - 1},
        {"stop_at_score": 0},
        {"resources": Resources(cpu=0.25, gpu=3)},
        {"resources": by_hidden},
        {"resources": lambda config: Resources(gpu=0.5 if config["lr"] < 0.01 else 1)},
    ],
    ids=lambda changes: " ".join(changes) or "nothing",
)
def test_what_can_run_is_not_refused(changes: dict[str, Any]) -> None:
    experiment(**changes)


def test_a_trainable_that_saves_nothing() -> None:
    assert mistakes(trainable=Forgetful) == tuple(
        f"trainable Forgetful has no {name}: without it no trial could be resumed"
        for name in ("save_checkpoint", "load_checkpoint")
    )


def test_all_mistakes_at_once() -> None:
    found = mistakes(
        metric="val_los", mode="mn", num_samples=0, max_epochs=0, seed=-1, resources=Resources(cpu=0, gpu=-1),
        space={"lr": tune.uniform(1, 0), "hiden": 1}, searcher=1, scheduler=2,
    )  # fmt: skip
    assert [mistake.split()[0] for mistake in found] == [
        "no", "parameter", "no", "mode", "max_epochs", "num_samples", "seed", "resources.cpu", "resources.gpu",
        "searcher", "scheduler",
    ]  # fmt: skip
    with pytest.raises(ExperimentError) as refused:
        experiment(mode="mn", max_epochs=0)
    assert str(refused.value).splitlines() == [
        "experiment cannot run:",
        "  - mode is 'mn': it must be 'min' or 'max'",
        f"  - max_epochs is 0: {WHOLE}",
    ]


def test_a_misspelt_setting_is_no_setting() -> None:
    with pytest.raises(TypeError, match="max_epoch"):
        experiment(max_epoch=3)


# ---- JSON

CHANGED: dict[str, Any] = {
    "trainable": Other,
    "space": {"lr": tune.loguniform(1e-4, 2e-1)},
    "metric": "val_accuracy",
    "mode": "max",
    "searcher": HyperOpt(),
    "scheduler": Asha(grace_period=3),
    "num_samples": None,
    "max_epochs": 17,
    "total_epochs": 99,
    "early_stopping": Plateau(patience=4, min_delta=0.1),
    "executions_per_trial": 3,
    "points_to_evaluate": [{"lr": 0.01}],
    "time_budget_s": None,
    "stop_at_score": None,
    "resources": Resources(cpu=2, gpu=1),
    "max_concurrent_trials": None,
    "seed": 4,
    "checkpoint_every": 1,
    "max_retries": 0,
}


# All but the functions of the code that stand beside the question.
FIELDS = {field.name for field in dataclasses.fields(Experiment)} - {"prepare", "answer"}


def test_the_question_is_strict_json() -> None:
    question = experiment().to_json()
    assert json.loads(json.dumps(question, allow_nan=False)) == json.loads(json.dumps(experiment().to_json()))
    assert set(question) == FIELDS
    assert question["searcher"] == {"name": "random"}
    assert question["scheduler"] == {"name": "asha", "grace_period": 2, "reduction_factor": 4, "promote": False}
    assert question["trainable"].endswith(":Model")


def test_resources_of_a_configuration() -> None:
    assert experiment().resources_for({"hidden": [8, 16]}) == Resources(cpu=2, gpu=0.5)
    assert experiment(resources=by_hidden).resources_for({"hidden": [8, 16]}) == Resources(cpu=2)
    assert experiment(resources=by_hidden).resources_for({"hidden": [1, 16]}) == Resources(cpu=1)


def test_a_changed_function_is_named() -> None:
    asked = json.loads(json.dumps(experiment(resources=by_hidden).to_json()))
    assert asked["resources"]["function"] == f"{__name__}:by_hidden"
    check_unchanged(asked, experiment(resources=by_hidden))
    with pytest.raises(RunStateError, match=r"\n  - resources: the run has .*by_hidden.* now says .*<lambda>"):
        check_unchanged(asked, experiment(resources=lambda config: Resources(cpu=2)))
    one = lambda config: Resources(cpu=2)  # noqa: E731
    other = lambda config: Resources(cpu=3)  # noqa: E731 - of the same name, and of another text
    with pytest.raises(RunStateError, match="\n  - resources: "):
        check_unchanged(json.loads(json.dumps(experiment(resources=one).to_json())), experiment(resources=other))


def test_every_field_is_in_the_comparison() -> None:
    assert set(CHANGED) == FIELDS


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_setting_is_named(name: str) -> None:
    asked = json.loads(json.dumps(experiment().to_json()))
    check_unchanged(asked, experiment())
    with pytest.raises(RunStateError) as refused:
        check_unchanged(asked, experiment(**{name: CHANGED[name]}))
    first, *changes, last = str(refused.value).splitlines()
    assert first == "the experiment is no longer what this run was asked:"
    assert [line.split(":")[0] for line in changes] == [f"  - {name}"]
    assert "Put it back to resume" in last


def test_each_changed_setting_is_named() -> None:
    asked = json.loads(json.dumps(experiment().to_json()))
    with pytest.raises(RunStateError) as refused:
        check_unchanged(asked, experiment(seed=4, max_epochs=17))
    assert "  - max_epochs: the run has 16, the experiment now says 17\n" in str(refused.value)
    assert "  - seed: the run has 3, the experiment now says 4\n" in str(refused.value)


def test_a_declarations_settings_are_in_the_comparison() -> None:
    asked = json.loads(json.dumps(experiment(searcher=HyperOpt(gamma=0.3)).to_json()))
    with pytest.raises(RunStateError, match=r'searcher: the run has .*"gamma": 0.3.* now says .*"gamma": 0\.25'):
        check_unchanged(asked, experiment(searcher=HyperOpt()))


# ---- overrides

OVERRIDES: list[tuple[str, str, dict[str, Any]]] = [
    ("searcher", "hyperopt", {"searcher": HyperOpt()}),
    ("searcher", " hyperopt(gamma=0.3, n_initial_points=4) ", {"searcher": HyperOpt(gamma=0.3, n_initial_points=4)}),
    ("searcher", "grid(points=3)", {"searcher": Grid(points=3)}),
    ("scheduler", "fifo", {"scheduler": Fifo()}),
    ("scheduler", "asha", {"scheduler": Asha()}),
    ("scheduler", "asha(reduction_factor=2.5)", {"scheduler": Asha(reduction_factor=2.5)}),
    ("num_samples", "30", {"num_samples": 30}),
    ("num_samples", "None", {"num_samples": None}),
    ("max_epochs", "20", {"max_epochs": 20}),
    ("total_epochs", "300", {"total_epochs": 300}),
    ("early_stopping", "plateau(patience=2)", {"early_stopping": Plateau(patience=2)}),
    ("executions_per_trial", "3", {"executions_per_trial": 3}),
    ("time_budget_s", "1e3", {"time_budget_s": 1000.0}),
    ("stop_at_score", "-0.5", {"stop_at_score": -0.5}),
    ("max_concurrent_trials", "1", {"max_concurrent_trials": 1}),
    ("cpus_per_trial", "0.5", {"resources": Resources(cpu=0.5, gpu=0.5)}),
    ("gpus_per_trial", "0", {"resources": Resources(cpu=2, gpu=0)}),
    *[
        ("memory_per_trial", text, {"resources": Resources(cpu=2, gpu=0.5, memory=count)})
        for text, count in (
            ("2000000000", 2 * 10**9),
            ("2e9", 2 * 10**9),
            ("2GB", 2 * 10**9),
            (" 1.5 gb ", 1_500_000_000),
            ("512MiB", 512 * 2**20),
            ("0.5GiB", 2**29),
            ("4096KiB", 2**22),
            ("3000kB", 3 * 10**6),
            ("1TiB", 2**40),
            ("5000000B", 5 * 10**6),
        )
    ],
    ("seed", "0", {"seed": 0}),
    ("checkpoint_every", "5", {"checkpoint_every": 5}),
    ("max_retries", "0", {"max_retries": 0}),
]  # fmt: skip


def same(one: Experiment, other: Experiment) -> bool:
    return one.to_json() == other.to_json()


@pytest.mark.parametrize(("name", "text", "changes"), OVERRIDES, ids=[f"{name}={text}" for name, text, _ in OVERRIDES])
def test_each_setting(name: str, text: str, changes: dict[str, Any]) -> None:
    once = apply_overrides(experiment(), {name: text})
    assert same(once, experiment(**changes))
    assert not same(once, experiment())
    assert same(apply_overrides(once, {name: text}), once), "again, as `resume` does"


def test_every_setting_is_tried_and_on_the_command_line() -> None:
    assert {name for name, _, _ in OVERRIDES} == set(SETTINGS) == set(arguments.SETTINGS)


PLACED: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"lr": "uniform(0, 1)"}, {"lr": tune.uniform(0, 1)}),
    ({"lr": "tune.choice([0.1, 0.2])"}, {"lr": tune.choice([0.1, 0.2])}),
    ({"lr": "0.5"}, {"lr": 0.5}),
    ({"hidden": "[qrandint(32, 256, 32)]"}, {"hidden": [tune.qrandint(32, 256, 32)]}),
    ({"hidden/1": "randint(1, 4)"}, {"hidden": [tune.randint(1, 9), tune.randint(1, 4)]}),
    ({"optimizer/name": "adam"}, {"optimizer": {"name": "adam"}}),
    ({"optimizer/momentum": "uniform(0, 1)"}, {"optimizer": {"name": "sgd", "momentum": tune.uniform(0, 1)}}),
    ({"optimizer": "null", "hidden/0": "8"}, {"optimizer": None, "hidden": (8, 16)}),
]


@pytest.mark.parametrize(("texts", "places"), PLACED, ids=[str(texts) for texts, _ in PLACED])
def test_a_parameters_domain(texts: dict[str, str], places: dict[str, Any]) -> None:
    base = experiment()
    before = base.to_json()
    overrides = {f"set {path}": text for path, text in texts.items()}
    once = apply_overrides(base, overrides)
    assert same(once, experiment(space={**experiment().space, **places}))
    assert same(apply_overrides(once, overrides), once)
    assert base.to_json() == before, "the experiment's own space stays as it is"


def test_overrides_survive_the_journal() -> None:
    overrides = {"max_epochs": "20", "cpus_per_trial": "1", "gpus_per_trial": "0", "set lr": "loguniform(1e-3, 1e-2)"}
    once = apply_overrides(experiment(), overrides)
    asked = json.loads(json.dumps(once.to_json()))
    check_unchanged(asked, apply_overrides(experiment(), json.loads(json.dumps(overrides))))


PLAIN = [name for name in SETTINGS if name not in ("searcher", "scheduler", "early_stopping")]
WRONG: list[tuple[str, str, str]] = [
    ("searcher", "hyperop", "--searcher: no searcher named 'hyperop'. Did you mean 'hyperopt'? Known: "),
    ("searcher", "hyperopt(gama=1)", "--searcher: no setting of hyperopt named 'gama'. Did you mean 'gamma'? Known: "),
    ("searcher", "hyperopt(1)", "--searcher: hyperopt(1): settings are given by name. Known: n_initial_points, "),
    ("searcher", "hyperopt(gamma=7)", "--searcher: 'hyperopt(gamma=7)' is not a searcher's name, or "),
    ("searcher", "hyperopt(", "--searcher: cannot read 'hyperopt('; write a name"),
    ("searcher", "", "--searcher: cannot read ''; write a name"),
    ("scheduler", "asja", "--scheduler: no scheduler named 'asja'. Did you mean 'asha'? Known: "),
    ("scheduler", "asha(grace_periode=2)", "--scheduler: no setting of asha named 'grace_periode'. Did you mean"),
    ("scheduler", "asha(grace_period='x')", "--scheduler: \"asha(grace_period='x')\" is not a scheduler's name, or "),
    ("scheduler", "asha(grace_period=17)", "asha: grace_period=17 is more than max_epochs=16"),
    *[(name, "nonsense", f"--{name.replace('_', '-')}: 'nonsense' is not a") for name in PLAIN],
    *[(name, "", f"--{name.replace('_', '-')}: '' is not a") for name in PLAIN],
    ("early_stopping", "asha", "--early-stopping: no early stopping named 'asha'. Known: plateau."),
    ("early_stopping", "", "--early-stopping: cannot read ''; write a name"),
    ("early_stopping", "plateau(patience=0)", "--early-stopping: 'plateau(patience=0)' is not a plateau, as "),
    ("early_stopping", "plateau(patients=3)", "--early-stopping: no setting of plateau named 'patients'. Did you mean"),
    ("max_epochs", "1.5", "--max-epochs: '1.5' is not a whole number of epochs"),
    ("max_epochs", "0", "max_epochs is 0: "),
    ("cpus_per_trial", "inf", "resources.cpu is inf: "),
    ("gpus_per_trial", "nan", "resources.gpu is nan: "),
    ("memory_per_trial", "2", "resources.memory is 2: it is in bytes, and no trial needs so few"),
    *[
        ("memory_per_trial", text, f"--memory-per-trial: {text!r} is not a number of bytes, or one with a unit, as 2")
        for text in ("2G", "-1GB", "GB", "1.GBB", "2 PB", "nan", "0x10", "1e", "2Gi")
    ],
    ("lr", "0.1", "--lr: no setting named 'lr'. Known: "),
    ("max_epoch", "3", "--max-epoch: no setting named 'max_epoch'. Did you mean 'max_epochs'? Known: "),
    ("set lrr", "0.1", "no parameter named 'lrr'. Did you mean 'lr'? Known: "),
    ("set lrr/x", "0.1", "--set: no parameter named 'lrr'. Did you mean 'lr'? Known: "),
    ("set hidden/2", "1", "--set: no element named '2'. Known: 0, 1."),
    ("set hidden/-1", "1", "--set: no element named '-1'. "),
    ("set lr/x", "1", "--set: no parameter named 'x'. Known: none."),
    ("set lr", "unifrom(0, 1)", "--set: no function named 'unifrom'. Did you mean 'uniform'? Known: "),
    ("set lr", "uniform(0, 1", "--set: cannot read 'uniform(0, 1'; write a range"),
    ("set lr", "uniform(1, 0)", "parameter 'lr': needs low < high"),
    ("set lr", "__import__('os')", "--set: no function named '__import__'. "),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "words"), WRONG, ids=[f"{name}={text}" for name, text, _ in WRONG])
def test_nonsense_is_told(name: str, text: str, words: str) -> None:
    with pytest.raises(ExperimentError) as refused:
        apply_overrides(experiment(), {name: text})
    (mistake,) = refused.value.mistakes
    assert mistake.startswith(words)


@pytest.mark.parametrize("name", ["cpus_per_trial", "gpus_per_trial", "memory_per_trial"])
def test_a_function_of_the_configuration_has_no_amounts_to_change(name: str) -> None:
    with pytest.raises(ExperimentError) as refused:
        apply_overrides(experiment(resources=by_hidden), {name: "2GB" if name.startswith("memory") else "2"})
    assert refused.value.mistakes == (
        f"--{name.replace('_', '-')}: what a trial of this experiment occupies depends on its configuration: "
        f"{__name__}:by_hidden says it. Change it there, or make the experiment's resources fixed",
    )


def test_all_nonsense_at_once() -> None:
    overrides = {"searcher": "x", "max_epochs": "x", "set lr": "x(", "cpus_per_trial": "x", "num_samples": "5"}
    with pytest.raises(ExperimentError) as refused:
        apply_overrides(experiment(), overrides)
    told = [mistake.split(":")[0] for mistake in refused.value.mistakes]
    assert told == ["--searcher", "--max-epochs", "--set", "--cpus-per-trial"]


def test_the_smallest_project_is_an_experiment() -> None:
    """What the tests' own project asks can be changed like any other."""
    changed = apply_overrides(
        catalog.load("digits_mlp", Path(__file__).parents[1]), {"scheduler": "asha(grace_period=3)", "max_epochs": "9"}
    )
    assert changed.scheduler == Asha(grace_period=3)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"optimizer": "adma"}, r"no optimizer named 'adma'\. Did you mean 'adam"),
        ({"optimizer": tune.choice(["adam", "adma"])}, "no optimizer named 'adma'"),
        ({"optimizer": {"name": "sgd", "momentun": tune.uniform(0, 1)}}, "Did you mean 'momentum'"),
        ({"schedule": {"name": "cosine", "warmpu": 1}}, "Did you mean 'warmup'"),
        ({"batch_size": 0, "lr": tune.uniform(0, 1)}, "'batch_size' is 0: 1 or more is needed"),
        ({"lr": tune.choice(["small", "large"])}, "'lr' is '.*': float is needed, not str"),
    ],
)
def test_what_the_trainable_will_not_take_is_told_before_anything_starts(space: dict[str, Any], words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        experiment(trainable=Tiny, space=space, metric="val_loss", mode="min")


def test_one_legal_value_is_enough() -> None:
    """Which configurations a trainable refuses may be its own business; the searcher learns to leave them alone."""
    experiment(trainable=Tiny, space={"batch_size": tune.choice([0, 16])}, metric="val_loss", mode="min")
