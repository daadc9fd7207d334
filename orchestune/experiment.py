"""The whole question as one frozen record: what is trained, over which space, searched how, with what budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ray.tune import Trainable

from orchestune.define_by_run.discovery import space_of
from orchestune.errors import ExperimentError
from orchestune.mistakes import mistakes_in
from orchestune.pairs import AUTO, Pair, paired
from orchestune.schedulers import Plateau, early
from orchestune.schedulers.base import Declaration as SchedulerDeclaration
from orchestune.schedulers.base import Scheduler
from orchestune.searchers.base import Declaration as SearcherDeclaration
from orchestune.searchers.base import Finite, Searcher
from orchestune.searchers.points import PointsFirst, complete
from orchestune.space import Space
from orchestune.training import needs
from orchestune.training.resources import Resources

if TYPE_CHECKING:
    from orchestune.running.record import Record

# What `to_json` writes in its own way, and what is no part of the question: functions of the code.
NOT_PLAIN = {"trainable", "space", "searcher", "scheduler", "early_stopping", "resources", "prepare", "answer"}
REFINES = "refines_score"  # said by a trainable, and in the journal where it is so
X_AXIS = "x_axis"  # the same: the metric that curves are drawn over, where that is not the epoch


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A question asked of a trainable. Raises ExperimentError with all its mistakes at once.

    The run ends with `num_samples` trials (None: as many as the searcher or the scheduler's own plan has, or until
    another limit is met), when `total_epochs` epochs are trained, after `time_budget_s` seconds over all sessions, or
    as soon as a trial's metric reaches `stop_at_score`. Its last word is its `answer`. A trial trains `max_epochs`
    epochs at the most, the scheduler permitting; each epoch ends with a report.
    """

    trainable: type[Trainable]
    space: Mapping[str, Any] | Space | Callable[[Any], Any]  # or a build_model(hp), which asks for it
    metric: str
    mode: str  # "min" or "max"
    searcher: SearcherDeclaration | str = AUTO  # a declaration, or the name of one at its defaults
    scheduler: SchedulerDeclaration | str = AUTO
    num_samples: int | None
    max_epochs: int
    total_epochs: int | None = None  # over all trials and all their executions
    time_budget_s: float | None = None
    stop_at_score: float | None = None  # in the metric's own terms
    early_stopping: Plateau | None = None  # ends a trial that no longer gets better, whatever the scheduler says
    executions_per_trial: int = 1  # trainings of each configuration, with different seeds, judged by their mean
    points_to_evaluate: Sequence[Mapping[str, Any]] = ()  # known good configurations, asked first; partial ones will do
    resources: Resources | needs.ResourcesOf = field(default_factory=Resources)  # or a function of the configuration
    max_concurrent_trials: int | None = None  # None: as many as the resources allow
    seed: int = 0
    checkpoint_every: int = 1  # epochs; the last epoch of a leg is always kept
    max_retries: int = 3  # of a trial whose worker died, without progress in between
    prepare: Callable[[], object] | None = None  # builds, before any trial starts, what all of them stand on
    answer: Callable[[Record], str] | None = None  # the question's answer with its figures, from the finished run

    def __post_init__(self) -> None:
        mistakes = mistakes_in(self)
        if mistakes:
            raise ExperimentError(mistakes)

    @cached_property
    def typed_space(self) -> Space:
        return space_of(self.space)

    @cached_property
    def pair(self) -> Pair:
        """The searcher and the scheduler that are meant, where one is "auto" or a name. Raises UnknownName."""
        return paired(self.searcher, self.scheduler, grid=self.typed_space.has_grid)

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        """`points_to_evaluate`, complete. SpaceError on a name or a value that is not in the space."""
        given = enumerate(self.points_to_evaluate)
        return [complete(self.typed_space, point, self.seed, place) for place, point in given]

    def build_searcher(self, space: Space | None = None) -> Searcher:
        """Over the experiment's space, or over `space`, what trials have made of it."""
        pair = self.pair
        searcher = pair.searcher.build(
            space or self.typed_space, seed=self.seed, metric=self.metric, mode=self.mode, max_epochs=self.max_epochs,
            pauses=pair.scheduler.pauses,
        )  # fmt: skip
        return PointsFirst(searcher, self.points) if self.points else searcher

    def build_scheduler(self, space: Space | None = None) -> Scheduler:
        scheduler = self.pair.scheduler.build(space or self.typed_space, self.max_epochs, self.most_trials, self.seed)
        return early(scheduler, self.early_stopping)

    @property
    def most_trials(self) -> int | None:
        """How many trials there may be: `num_samples`, a finite searcher's questions, or what `total_epochs` allow."""
        if self.num_samples is not None:
            return self.num_samples
        searcher = self.pair.searcher
        if isinstance(searcher, Finite):
            return searcher.count(self.typed_space) + len(self.points)
        return self.total_epochs

    def resources_for(self, config: Mapping[str, Any]) -> Resources:
        """What a trial with this configuration occupies. Raises ResourcesError where the experiment cannot say."""
        return needs.of(self.resources, config)

    def get_ready(self) -> None:
        """What has to be there before any trial starts: the trainable's `prepare`, if it has one, then the experiment's
        own. Raises DataError."""
        for prepare in (getattr(self.trainable, "prepare", None), self.prepare):
            if prepare is not None:
                prepare()

    @property
    def refines_score(self) -> bool:
        """Whether an epoch refines the score of one model, as a further fold does, instead of training it further."""
        return bool(getattr(self.trainable, REFINES, False))

    @property
    def x_axis(self) -> str | None:
        """The metric that the trainable's curves are drawn over; None for the epoch."""
        return getattr(self.trainable, X_AXIS, None)

    @property
    def sign(self) -> int:
        """Makes a metric higher-is-better."""
        return 1 if self.mode == "max" else -1

    def reached(self, score: float) -> bool:
        return self.stop_at_score is not None and self.sign * score >= self.sign * self.stop_at_score

    def to_json(self) -> dict[str, Any]:
        """The question as the journal keeps it; two experiments with the same one ask the same."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in NOT_PLAIN}
        return {
            "trainable": f"{self.trainable.__module__}:{self.trainable.__qualname__}",
            "space": self.typed_space.to_json(),
            "searcher": _declared(self.pair.searcher),
            "scheduler": _declared(self.pair.scheduler),
            "early_stopping": _declared(self.early_stopping) if self.early_stopping else None,
            "resources": needs.to_json(self.resources),
            **plain,
            "points_to_evaluate": self.points,
            **({REFINES: True} if self.refines_score else {}),
            **({X_AXIS: self.x_axis} if self.x_axis else {}),
        }


def _declared(declaration: Any) -> dict[str, Any]:
    """A frozen declaration as JSON: its name, then its fields."""
    return {"name": declaration.name, **dataclasses.asdict(declaration)}
