"""The whole question as one frozen record: what is trained, over which space, searched how, with what budget."""

from __future__ import annotations

import dataclasses
import inspect
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ray.tune import Trainable

from orchestune.errors import ExperimentError, ResourcesError, UnknownName
from orchestune.schedulers import Asha
from orchestune.schedulers.base import Declaration as SchedulerDeclaration
from orchestune.schedulers.base import Scheduler
from orchestune.searchers import HyperOpt
from orchestune.searchers.base import Declaration as SearcherDeclaration
from orchestune.searchers.base import Searcher
from orchestune.space import Space
from orchestune.training import needs
from orchestune.training.params import is_number, parse_params
from orchestune.training.resources import Resources

MODES = ("min", "max")
DRAWS = 16  # configurations that the trainable's parameters are tried with beforehand
TRIED = (0.5, 0.001, 0.999)  # where in the space's unit cube a function of the configuration is tried beforehand


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A question asked of a trainable. Raises ExperimentError with all its mistakes at once.

    The run ends with `num_samples` trials (None: as many as the searcher has, or until another limit is met), after
    `time_budget_s` seconds over all sessions, or as soon as a trial's metric reaches `stop_at_score`. A trial trains
    `max_epochs` epochs at the most, the scheduler permitting; each epoch ends with a report.
    """

    trainable: type[Trainable]
    space: Mapping[str, Any]
    metric: str
    mode: str  # "min" or "max"
    searcher: SearcherDeclaration = field(default_factory=HyperOpt)
    scheduler: SchedulerDeclaration = field(default_factory=Asha)
    num_samples: int | None
    max_epochs: int
    time_budget_s: float | None = None
    stop_at_score: float | None = None  # in the metric's own terms
    resources: Resources | needs.ResourcesOf = field(default_factory=Resources)  # or a function of the configuration
    max_concurrent_trials: int | None = None  # None: as many as the resources allow
    seed: int = 0
    checkpoint_every: int = 1  # epochs; the last epoch of a leg is always kept
    max_retries: int = 3  # of a trial whose worker died, without progress in between

    def __post_init__(self) -> None:
        mistakes = [*self._trainable_mistakes(), *self._space_mistakes(), *self._limit_mistakes(), *self._wrong_kinds()]
        if not mistakes:  # the searcher and the scheduler are asked once there is something sound to ask about
            mistakes = [
                *self.searcher.refuse(self.typed_space),
                *self.scheduler.refuse(self.typed_space, self.max_epochs, self.num_samples),
            ]
            mistakes += [*self._params_mistakes(), *self._resources_mistakes()]
            endless = self.num_samples is None and self.time_budget_s is None and self.stop_at_score is None
            if endless and not self.searcher.finite:
                mistakes.append("num_samples is None: the run would never end; give it, time_budget_s or stop_at_score")
        if mistakes:
            raise ExperimentError(mistakes)

    @cached_property
    def typed_space(self) -> Space:
        return Space.parse(self.space)

    def build_searcher(self) -> Searcher:
        return self.searcher.build(self.typed_space, seed=self.seed, metric=self.metric, mode=self.mode)

    def build_scheduler(self) -> Scheduler:
        return self.scheduler.build(self.typed_space, self.max_epochs, self.num_samples, self.seed)

    def resources_for(self, config: Mapping[str, Any]) -> Resources:
        """What a trial with this configuration occupies. Raises ResourcesError where the experiment cannot say."""
        return needs.of(self.resources, config)

    def prepare(self) -> None:
        """What has to be there before any trial starts: the trainable's `prepare`, if it has one. Raises DataError."""
        prepare = getattr(self.trainable, "prepare", None)
        if prepare is not None:
            prepare()

    @property
    def sign(self) -> int:
        """Makes a metric higher-is-better."""
        return 1 if self.mode == "max" else -1

    def reached(self, score: float) -> bool:
        return self.stop_at_score is not None and self.sign * score >= self.sign * self.stop_at_score

    def to_json(self) -> dict[str, Any]:
        """The question as the journal keeps it; two experiments with the same one ask the same."""
        plain = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in ("trainable", "space", "searcher", "scheduler", "resources")
        }
        return {
            "trainable": f"{self.trainable.__module__}:{self.trainable.__qualname__}",
            "space": self.typed_space.to_json(),
            "searcher": _declared(self.searcher),
            "scheduler": _declared(self.scheduler),
            "resources": needs.to_json(self.resources),
            **plain,
        }

    # ---- what can be wrong

    def _trainable_mistakes(self) -> list[str]:
        t = self.trainable
        if inspect.isfunction(t):
            return [
                f"trainable {t.__name__} is a function: write a class with setup(config), step(), save_checkpoint(dir) "
                "and load_checkpoint(dir) (ray.tune.Trainable), or a TorchTrainable; a function cannot be resumed"
            ]
        if not (inspect.isclass(t) and issubclass(t, Trainable)):
            return [f"trainable is {t!r}: it must be a class derived from TorchTrainable or ray.tune.Trainable"]
        mistakes = [
            f"trainable {t.__name__} has no {name}: without it no trial could be resumed"
            for name in ("step", "save_checkpoint", "load_checkpoint")
            if getattr(t, name) is getattr(Trainable, name)
        ]
        reported = getattr(t, "metrics", None)
        if reported is not None and self.metric not in reported:
            mistakes.append(str(UnknownName("metric", self.metric, reported)))
        return mistakes

    def _space_mistakes(self) -> list[str]:
        if not isinstance(self.space, Mapping):
            return [f"space is a {type(self.space).__name__}: it must be a dictionary from parameter to domain"]
        mistakes = list(Space.mistakes(self.space))
        params = getattr(self.trainable, "Params", None)
        if params is not None and dataclasses.is_dataclass(params):
            known = [f.name for f in dataclasses.fields(params)]
            mistakes += [str(UnknownName("parameter", str(key), known)) for key in self.space if key not in known]
        return mistakes

    def _params_mistakes(self) -> list[str]:
        """What the trainable's `Params` says to some configurations: a wrong name in one, or no value right in any."""
        params = getattr(self.trainable, "Params", None)
        if not (inspect.isclass(params) and dataclasses.is_dataclass(params)):
            return []
        wrong = []
        for n in range(DRAWS):
            chance = random.Random(n)
            place = [chance.random() for _ in range(self.typed_space.dimensions)]
            try:
                parse_params(params, self.typed_space.from_unit(place))
            except UnknownName as unknown:
                return [str(unknown)]
            except (ValueError, TypeError) as refused:
                wrong.append(str(refused))
        return wrong[:1] if len(wrong) == DRAWS else []

    def _wrong_kinds(self) -> list[str]:
        return [
            f"{kind} is {given!r}: it must be a declaration such as {like}"
            for kind, given, like in (
                ("searcher", self.searcher, "HyperOpt()"),
                ("scheduler", self.scheduler, "Asha(grace_period=2)"),
            )
            if inspect.isclass(given) or not hasattr(given, "build")
        ]

    def _limit_mistakes(self) -> list[str]:
        mistakes = []
        if self.mode not in MODES:
            mistakes.append(f"mode is {self.mode!r}: it must be 'min' or 'max'")
        mistakes += _counts(self, ("max_epochs", "checkpoint_every"), least=1)
        mistakes += _counts(self, ("num_samples", "max_concurrent_trials"), least=1, optional=True)
        mistakes += _counts(self, ("seed", "max_retries"), least=0)
        if self.seed.__class__ is int and self.seed >= 2**32:
            mistakes.append(f"seed is {self.seed}: it must be below 2**32")
        if self.time_budget_s is not None and not (is_number(self.time_budget_s) and self.time_budget_s > 0):
            mistakes.append(f"time_budget_s is {self.time_budget_s!r}: it must be a number of seconds above 0")
        if self.stop_at_score is not None and not is_number(self.stop_at_score):
            mistakes.append(f"stop_at_score is {self.stop_at_score!r}: it must be a finite number")
        if isinstance(self.resources, Resources):
            mistakes += self.resources.mistakes()
        elif not inspect.isfunction(self.resources):
            mistakes.append(
                f"resources is {self.resources!r}: it must be Resources(cpu=..., gpu=...), or a function that makes "
                "them from a configuration"
            )
        return mistakes

    def _resources_mistakes(self) -> list[str]:
        """The first that is wrong with a function's answers in the middle of the space and near its ends."""
        for place in TRIED:
            try:
                self.resources_for(self.typed_space.from_unit([place] * self.typed_space.dimensions))
            except ResourcesError as wrong:
                return [f"resources: {wrong}"]
        return []


def _declared(declaration: Any) -> dict[str, Any]:
    """A frozen declaration as JSON: its name, then its fields."""
    return {"name": declaration.name, **dataclasses.asdict(declaration)}


def _counts(owner: Any, names: Sequence[str], *, least: int, optional: bool = False) -> list[str]:
    wrong = []
    for name in names:
        value = getattr(owner, name)
        if value is None and optional:
            continue
        if value.__class__ is not int or value < least:
            wrong.append(
                f"{name} is {value!r}: it must be a whole number, {least} or more" + (", or None" if optional else "")
            )
    return wrong
