"""Any scikit-learn estimator as a trainable: an epoch is a fold of cross-validation, or a pass over the data."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from orchestune.errors import OrchestuneError, UnknownName
from orchestune.training.params import parse_params
from orchestune.training.worker import Worker

STATE = "state.json"
DIGITS = 12  # of a mean: two configurations that are right as often tie, in whichever folds they were right


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Rows to learn from, of shape (rows, features), with their targets of shape (rows,); rows to be tested on once."""

    x: Any
    y: Any
    test_x: Any = None
    test_y: Any = None


class Estimator(Worker):
    """Scores one configuration of an estimator by cross-validation, a fold an epoch.

    A subclass says `estimator` and `make_data`. After k folds val_NAME is the mean of the scorer NAME over them,
    val_NAME_fold the newest fold's own, val_NAME_spread the standard deviation over them (0 of one). The folds are the
    same for all trials, and the trial is done with the last one: give the experiment `max_epochs` = `folds`.

    Its parameters are those that the estimator's `get_params` names, `step__name` inside a pipeline. A `random_state`
    that nobody sets is the trial's seed. A checkpoint holds the scores so far, as JSON.
    """

    estimator: ClassVar[Any]  # a class, its import path, or an instance such as a pipeline, which is copied
    fixed: ClassVar[Mapping[str, Any]] = {}  # arguments that are not searched
    scoring: ClassVar[tuple[str, ...]] = ("accuracy",)  # names of scikit-learn's scorers
    folds: ClassVar[int] = 5
    refines_score: ClassVar[bool] = True  # an epoch more is a better estimate, and no other model

    Params: ClassVar[type[Any]]  # made from the estimator's own
    metrics: ClassVar[tuple[str, ...]]
    seed: int = 0
    max_epochs: int | None = None

    params: Any
    table: Table
    epoch: int  # completed ones

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Raises UnknownName for an estimator, a fixed argument or a scorer that scikit-learn has not."""
        super().__init_subclass__(**kwargs)
        if {"estimator", "fixed", "scoring"} & set(vars(cls)) and hasattr(cls, "estimator"):
            for name in cls.scoring:
                if name not in get_scorer_names():
                    raise UnknownName("scorer", name, get_scorer_names())
            cls.Params = _params(cls._template())
            cls.metrics = cls._metrics()

    # ---- what a subclass writes

    def make_data(self) -> Table:
        """Called for every trial: keep what is slow to load in a cached function."""
        raise NotImplementedError(f"{type(self).__name__} needs make_data(self) -> Table")

    def make_folds(self, table: Table) -> Iterator[tuple[Any, Any]]:
        """Row numbers to fit on and to score on, a pair for each fold: stratified for a classifier, the same always."""
        splitter = (StratifiedKFold if is_classifier(self.model) else KFold)(self.folds, shuffle=True, random_state=0)
        return splitter.split(table.x, table.y)

    # ---- what Ray calls

    def setup(self, config: dict[str, Any]) -> None:
        self._build(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._build(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """One fold. All metrics are NaN where a score is not finite: diverged. ValueError past the last fold."""
        if self.epoch >= len(self._folds):
            raise ValueError(f"all {len(self._folds)} folds are done: there is no fold {self.epoch + 1}")
        fit, judge = self._folds[self.epoch]
        model = clone(self.model).fit(self.table.x[fit], self.table.y[fit])
        for name, score in self._judged(model, self.table.x[judge], self.table.y[judge]).items():
            self.scores[name].append(score)
        self.epoch += 1
        report: dict[str, Any] = {}
        for name, scores in self.scores.items():
            report[f"val_{name}"] = round(fmean(scores), DIGITS)
            report[f"val_{name}_fold"] = scores[-1]
            report[f"val_{name}_spread"] = stdev(scores) if len(scores) > 1 else 0.0
        if not all(map(math.isfinite, report.values())):
            report = dict.fromkeys(self.metrics, math.nan)
        last = {"done": True} if self.epoch == len(self._folds) else {}
        return {**report, **last, "training_iteration": self.epoch}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        self.write_state(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: str) -> None:
        self.read_state(Path(checkpoint))

    def write_state(self, directory: Path) -> None:
        """The scores so far: a fold's model is needed no more once it is scored."""
        directory.joinpath(STATE).write_text(json.dumps({"epoch": self.epoch, "scores": self.scores}))

    def read_state(self, directory: Path) -> None:
        state = json.loads(directory.joinpath(STATE).read_text())
        self.epoch, self.scores = state["epoch"], state["scores"]

    # ---- the test split

    @property
    def has_test(self) -> bool:
        return self.table.test_x is not None

    def fitted(self) -> BaseEstimator:
        """The configuration fitted on all rows to learn from."""
        return clone(self.model).fit(self.table.x, self.table.y)

    def test(self) -> dict[str, float]:
        """test_NAME of each scorer, of the estimator fitted on all rows to learn from. ValueError without test rows."""
        if not self.has_test:
            raise ValueError(f"{type(self).__name__} has no test rows: give Table(test_x=..., test_y=...) in make_data")
        found = self._judged(self.fitted(), self.table.test_x, self.table.test_y)
        return {f"test_{name}": score for name, score in found.items()}

    # ---- inside

    def _build(self, config: dict[str, Any]) -> None:
        self.occupy()
        self.params = parse_params(self.Params, config)
        self.model = self._template().set_params(**{name: getattr(self.params, name) for name in config})
        self.model.set_params(**dict.fromkeys(_unseeded(self.model), self.seed))
        self.table = self.make_data()
        self.epoch = 0
        self._restart()

    @classmethod
    def _template(cls) -> BaseEstimator:
        """The estimator with its fixed arguments, not fitted."""
        made = clone(cls.estimator) if isinstance(cls.estimator, BaseEstimator) else _class_of(cls.estimator)()
        for name in cls.fixed:
            if name not in made.get_params():
                raise UnknownName(f"argument of {type(made).__name__}", name, made.get_params())
        return made.set_params(**cls.fixed)

    @classmethod
    def _metrics(cls) -> tuple[str, ...]:
        return tuple(f"val_{name}{part}" for name in cls.scoring for part in ("", "_fold", "_spread"))

    def _restart(self) -> None:
        self.scores: dict[str, list[float]] = {name: [] for name in self.scoring}
        self._folds = list(self.make_folds(self.table))

    def _judged(self, model: BaseEstimator, x: Any, y: Any) -> dict[str, float]:
        return {name: float(check_scoring(model, scoring=name)(model, x, y)) for name in self.scoring}


class PartialFit(Estimator):
    """Trains an estimator that has `partial_fit` further, a pass over the rows an epoch.

    A `validation` share of the rows, the same for all trials, is kept to score on; each epoch reports train_NAME and
    val_NAME. A checkpoint holds the number of passes, and reading it trains them again: exact, without a pickle, for
    the price of `epoch` passes, which is what most estimators that know `partial_fit` can afford.
    """

    validation: ClassVar[float] = 0.2  # share of the rows
    refines_score: ClassVar[bool] = False

    def step(self) -> dict[str, Any]:
        """One pass. All metrics are NaN where a score is not finite: diverged."""
        self._pass(self._learner, *self._train)
        self.epoch += 1
        report = {f"train_{name}": score for name, score in self._judged(self._learner, *self._train).items()}
        report |= {f"val_{name}": score for name, score in self._judged(self._learner, *self._held_out).items()}
        if not all(map(math.isfinite, report.values())):
            report = dict.fromkeys(self.metrics, math.nan)
        return {**report, "training_iteration": self.epoch}

    def write_state(self, directory: Path) -> None:
        directory.joinpath(STATE).write_text(json.dumps({"epoch": self.epoch}))

    def read_state(self, directory: Path) -> None:
        """Trains from the start as many passes as the checkpoint had."""
        self._restart()
        self.epoch = json.loads(directory.joinpath(STATE).read_text())["epoch"]
        for _ in range(self.epoch):
            self._pass(self._learner, *self._train)

    def fitted(self) -> BaseEstimator:
        """A new one, after as many passes over all rows, those for validation among them."""
        model = clone(self.model)
        for _ in range(self.epoch):
            self._pass(model, self.table.x, self.table.y)
        return model

    @classmethod
    def _template(cls) -> BaseEstimator:
        made = super()._template()
        if not hasattr(made, "partial_fit"):
            raise OrchestuneError(
                f"{cls.__name__}: {type(made).__name__} has no partial_fit; derive from Estimator, "
                "whose epochs are folds"
            )
        return made

    @classmethod
    def _metrics(cls) -> tuple[str, ...]:
        return tuple(f"{split}_{name}" for split in ("train", "val") for name in cls.scoring)

    def _restart(self) -> None:
        self._learner = clone(self.model)
        alike = self.table.y if is_classifier(self.model) else None
        train_x, held_x, train_y, held_y = train_test_split(
            self.table.x, self.table.y, test_size=self.validation, stratify=alike, random_state=0
        )
        self._train, self._held_out = (train_x, train_y), (held_x, held_y)

    def _pass(self, model: BaseEstimator, x: Any, y: Any) -> None:
        """Rows in the order they have: an estimator that wants another shuffles by its own random_state."""
        classes = {"classes": np.unique(self.table.y)} if is_classifier(model) else {}
        model.partial_fit(x, y, **classes)


def _class_of(estimator: type | str) -> type[BaseEstimator]:
    """Raises UnknownName, or OrchestuneError where no module has the path's name."""
    if not isinstance(estimator, str):
        return estimator
    module, _, name = estimator.rpartition(".")
    try:
        home = importlib.import_module(module or "sklearn")
    except ModuleNotFoundError as absent:
        raise OrchestuneError(
            f"estimator {estimator!r}: {absent}; a path such as 'sklearn.svm.SVC' is needed"
        ) from None
    if not hasattr(home, name):
        raise UnknownName(f"estimator of {module}", name, getattr(home, "__all__", vars(home)))
    return getattr(home, name)


def _params(template: BaseEstimator) -> type[Any]:
    """What may be set of the estimator as a dataclass, so that it is checked as any trainable's parameters are."""
    defaults = template.get_params()

    def check(self: Any) -> None:
        given = {name: getattr(self, name) for name in defaults if getattr(self, name) is not defaults[name]}
        made = clone(template).set_params(**given)
        for part in (made, *made.get_params().values()):
            if isinstance(part, BaseEstimator):
                part._validate_params()  # scikit-learn's own word on each value, which fit() would have first

    own = [
        (name, Any, dataclasses.field(default_factory=lambda value=value: value)) for name, value in defaults.items()
    ]
    return dataclasses.make_dataclass("Params", own, frozen=True, kw_only=True, namespace={"__post_init__": check})


def _unseeded(model: BaseEstimator) -> list[str]:
    """The estimator's and its steps' random_state parameters that nobody has set."""
    return [
        name for name, value in model.get_params().items() if name.split("__")[-1] == "random_state" and value is None
    ]
