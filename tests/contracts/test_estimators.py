"""What every scikit-learn trainable must pass: folds and passes, resumed, reset, seeded and refused alike."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import tune
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from orchestune import Experiment, Fifo, Random
from orchestune.errors import ExperimentError, OrchestuneError, UnknownName
from trainables.estimator import Estimator, PartialFit, Table
from trainables.iris import IrisForest, IrisSVC, iris


class OnIris:
    def make_data(self) -> Table:
        return iris()


class Scaled(OnIris, Estimator):
    estimator = Pipeline([("scale", StandardScaler()), ("svc", SVC())])
    fixed = {"svc__kernel": "poly"}
    scoring = ("accuracy", "f1_macro")


class Trees(OnIris, Estimator):
    estimator = "sklearn.ensemble.RandomForestClassifier"
    fixed = {"n_estimators": 5}
    scoring = ("neg_log_loss",)


class Descent(OnIris, PartialFit):
    estimator = "sklearn.linear_model.SGDClassifier"
    fixed = {"loss": "log_loss"}
    scoring = ("accuracy", "neg_log_loss")


class Layers(OnIris, PartialFit):
    estimator = "sklearn.neural_network.MLPClassifier"
    fixed = {"hidden_layer_sizes": (8,)}
    scoring = ("neg_log_loss",)


# Each with a configuration that is not its defaults.
EACH = pytest.mark.parametrize(
    ("trainable", "other"),
    [
        (IrisSVC, {"C": 3.0, "gamma": 0.02}),
        (IrisForest, {"n_estimators": 7, "max_depth": 2}),
        (Scaled, {"svc__C": 0.02, "svc__degree": 2}),
        (Trees, {"max_depth": 2}),
        (Descent, {"alpha": 0.01, "penalty": "l1"}),
        (Layers, {"learning_rate_init": 0.02}),
    ],
)
SEEDED = pytest.mark.parametrize("trainable", [Trees, Descent, Layers])
Each = type[Estimator]


def curve(trained: Estimator, epochs: int) -> list[dict[str, Any]]:
    return [trained.step() for _ in range(epochs)]


def disturb() -> None:
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002


@EACH
def test_reports_what_it_declares(trainable: Each, other: dict[str, Any]) -> None:
    for epoch, report in enumerate(curve(trainable(other), 5), start=1):
        assert report.pop("training_iteration") == epoch
        assert report.pop("done", False) == (epoch == 5 and trainable.refines_score)
        assert set(report) == set(trainable.metrics)
        assert all(type(value) is float and math.isfinite(value) for value in report.values())


@EACH
def test_saved_and_loaded_it_goes_on_as_if_nothing_had_been(trainable: Each, other: Any, tmp_path: Path) -> None:
    straight = trainable(other)
    curve(straight, 2)
    straight.save_checkpoint(str(tmp_path))
    expected = curve(straight, 3)
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]

    resumed = trainable({})  # an actor that trained another configuration before
    curve(resumed, 1)
    disturb()
    assert resumed.reset_config(dict(other))
    resumed.load_checkpoint(str(tmp_path))
    assert curve(resumed, 3) == expected
    assert resumed.test() == straight.test()


@EACH
def test_reset_equals_fresh(trainable: Each, other: dict[str, Any]) -> None:
    expected = curve(trainable(other), 3)
    reused = trainable({})
    curve(reused, 2)
    disturb()
    assert reused.reset_config(dict(other))
    assert curve(reused, 3) == expected


@SEEDED
def test_same_seed_same_curve(trainable: Each) -> None:
    expected = curve(trainable({}), 3)
    disturb()
    assert curve(trainable({}), 3) == expected
    assert curve(type("Other", (trainable,), {"seed": 1})({}), 3) != expected
    assert curve(type("Other", (trainable,), {"seed": 1})({"random_state": 0}), 3) == expected, "one that is set stays"


@EACH
def test_testing_changes_nothing(trainable: Each, other: dict[str, Any]) -> None:
    expected = curve(trainable(other), 4)
    looked_at = trainable(other)
    reports = curve(looked_at, 2)
    scores = looked_at.test()
    assert {f"val_{name.removeprefix('test_')}" for name in scores} <= set(trainable.metrics)
    assert looked_at.test() == scores
    assert reports + curve(looked_at, 2) == expected


def test_folds_are_scikit_learns_own_cross_validation() -> None:
    table, config = iris(), {"svc__C": 0.02, "svc__degree": 2}
    model = clone(Scaled.estimator).set_params(svc__kernel="poly", **config)
    scores = cross_val_score(model, table.x, table.y, cv=StratifiedKFold(5, shuffle=True, random_state=0))
    reports = curve(Scaled(config), 5)
    assert [report["val_accuracy_fold"] for report in reports] == list(scores)
    assert [report["val_accuracy"] for report in reports] == pytest.approx([scores[:k].mean() for k in range(1, 6)])
    assert reports[-1]["val_accuracy_spread"] == pytest.approx(scores.std(ddof=1))
    fitted = model.fit(table.x, table.y)
    assert Scaled(config).test()["test_accuracy"] == fitted.score(table.test_x, table.test_y)


def test_there_is_no_sixth_of_five_folds() -> None:
    svc = IrisSVC({})
    curve(svc, 5)
    with pytest.raises(ValueError, match="all 5 folds are done"):
        svc.step()


def test_a_checkpoint_of_passes_is_their_number(tmp_path: Path) -> None:
    trained = Descent({})
    curve(trained, 3)
    trained.save_checkpoint(str(tmp_path))
    assert json.loads((tmp_path / "state.json").read_text()) == {"epoch": 3}


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"gama": tune.uniform(0.1, 1)}, "no parameter named 'gama'. Did you mean 'gamma'?"),
        ({"C": tune.uniform(-2, -1)}, "The 'C' parameter of SVC must be a float in the range"),
    ],
)
def test_a_wrong_argument_is_told_before_anything_starts(space: dict[str, Any], said: str) -> None:
    with pytest.raises(ExperimentError, match=r"cannot run") as refused:
        svc_experiment(space=space)
    assert said in str(refused.value)


def test_a_metric_that_is_not_scored_is_told_before_anything_starts() -> None:
    with pytest.raises(ExperimentError, match=r"no metric named 'val_acuracy'\. Did you mean 'val_accuracy'"):
        svc_experiment(metric="val_acuracy")


def svc_experiment(**changes: Any) -> Experiment:
    base: dict[str, Any] = {
        "trainable": IrisSVC, "space": {"C": tune.uniform(1, 2)}, "metric": "val_accuracy", "mode": "max",
        "searcher": Random(), "scheduler": Fifo(), "num_samples": 1, "max_epochs": 5,
    }  # fmt: skip
    return Experiment(**{**base, **changes})


@pytest.mark.parametrize(
    ("base", "own", "said"),
    [
        (Estimator, {"estimator": SVC, "scoring": ("acuracy",)}, "no scorer named 'acuracy'. Did you mean 'accuracy'?"),
        (Estimator, {"estimator": SVC, "fixed": {"kernle": "rbf"}}, "Did you mean 'kernel'?"),
        (Estimator, {"estimator": "sklearn.svm.SVCC"}, "no estimator of sklearn.svm named 'SVCC'. Did you mean"),
        (Estimator, {"estimator": "sklearn.smv.SVC"}, "estimator 'sklearn.smv.SVC': No module named 'sklearn.smv'"),
        (PartialFit, {"estimator": SVC}, "SVC has no partial_fit"),
    ],
)
def test_a_wrong_declaration_is_told_when_it_is_read(base: Each, own: dict[str, Any], said: str) -> None:
    with pytest.raises(OrchestuneError) as refused:
        type("Wrong", (base,), own)
    assert said in str(refused.value)


def test_an_unknown_parameter_of_a_step_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'svc__gamma'"):
        Scaled({"svc__gama": 3})
