"""A searcher and a scheduler over a space that trials may enlarge: by a name that nobody asked of them, and one met.

Both are built anew over the larger space then, and told again all that happened. To trials that did not meet the name
it has the value that they would have drawn for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestune.experiment import Experiment
from orchestune.running.seeds import trial_seed
from orchestune.schedulers.base import Decision, Report, Scheduler, Work
from orchestune.schedulers.early_stopping import rule
from orchestune.searchers.base import Config, Searcher
from orchestune.space import Parameter, Space
from orchestune.space.growth import ABSENT, drawn, grown, looked_up, parameter_of, placed

New = Mapping[str, Any]  # what a report has as `new`: name -> {"parameter": ..., "value": ...}


def searcher_of(experiment: Experiment) -> Searcher:
    """The experiment's; one whose space may grow where the trainable tells what it met."""
    return GrowingSearcher(experiment) if hasattr(experiment.trainable, "met") else experiment.build_searcher()


def scheduler_of(experiment: Experiment) -> Scheduler:
    """The same; only a scheduler that fills configurations in is concerned."""
    grows = hasattr(experiment.trainable, "met") and experiment.pair.scheduler.chooses
    return GrowingScheduler(experiment) if grows else experiment.build_scheduler()


class Growth:
    """The space as it is by now, and configurations as they are in it."""

    def __init__(self, space: Space, seed: int, met: Mapping[str, Parameter] | None = None) -> None:
        self.space, self.seed = space, seed
        self.met = dict(met or {})

    def after(self, new: New) -> Growth:
        """With the names that a trial met."""
        space, met = self.space, dict(self.met)
        for name, told in new.items():
            if name not in met:
                space = grown(space, parameter_of(told["parameter"]))
                met[name] = space[name]
        return Growth(space, self.seed, met)

    def whole(self, n: int, config: Config) -> Config:
        """Trial n's configuration with all that was met by any."""
        for name, parameter in self.met.items():
            condition = parameter.condition
            if looked_up(config, name) is not ABSENT:
                continue
            if condition is None or condition.holds({condition.parent: looked_up(config, condition.parent)}):
                config = placed(config, name, drawn(parameter, trial_seed(self.seed, n)))
        return config


def with_new(config: Config, new: New) -> Config:
    """The configuration of the trial that met these names."""
    for name, told in new.items():
        config = placed(config, name, told["value"])
    return config


class GrowingSearcher(Searcher):
    """The experiment's searcher. One that has promised a whole grid, or that refuses the larger space, goes on as it
    is; the name is then drawn in each trial that meets it."""

    def __init__(self, experiment: Experiment) -> None:
        super().__init__(experiment.typed_space, seed=experiment.seed, metric=experiment.metric, mode=experiment.mode)
        self._experiment, self.inner = experiment, experiment.build_searcher()
        self._growth = Growth(experiment.typed_space, experiment.seed)
        self.given = self.inner.given

    def ask(self, n: int) -> Config | str | None:
        return self.inner.ask(n)

    def born(self, n: int, config: Config) -> None:
        super().born(n, config)
        self.inner.born(n, self._growth.whole(n, config))

    def tell(self, n: int, scores: Mapping[int, float], ended: bool) -> None:
        super().tell(n, scores, ended)
        self.inner.tell(n, scores, ended)

    def met(self, n: int, new: New) -> None:
        """Trial n drew values for names that its configuration lacked."""
        growth, declared = self._growth.after(new), self._experiment.pair.searcher
        if declared.finite or declared.refuse(growth.space):
            return
        self._growth, self.space = growth, growth.space
        self.configs[n] = with_new(self.configs[n], new)
        self.inner = self._experiment.build_searcher(growth.space)
        for number, config in self.configs.items():
            self.inner.born(number, growth.whole(number, config))
        for number, scores in self.scores.items():
            self.inner.tell(number, scores, number in self.ended)


class GrowingScheduler:
    """The experiment's scheduler, which chooses configurations. One that refuses the larger space goes on as it is."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment, self.inner = experiment, experiment.build_scheduler()
        self._growth = Growth(experiment.typed_space, experiment.seed)
        self._past: list[tuple[str, tuple[Any, ...]]] = []  # what it was told: method, arguments
        self._new: dict[str, dict[str, Any]] = {}  # trial -> what it met

    @property
    def name(self) -> str:
        return self.inner.name

    def rule(self, trial: str) -> str:
        return rule(self.inner, trial)

    def next(self) -> Work:
        return self.inner.next()

    def decide(self, report: Report) -> Decision:
        decision: Decision = self._told("decide", report)
        return decision

    def started(self, trial: str, start: int, until: int, config: Config) -> None:
        self._told("started", trial, start, until, config)

    def ended(self, trial: str, status: str) -> None:
        self._told("ended", trial, status)

    def exhausted(self) -> None:
        self._told("exhausted")

    def met(self, n: int, new: New) -> None:
        """Trial n drew values for names that its configuration lacked."""
        e, growth = self._experiment, self._growth.after(new)
        if e.pair.scheduler.refuse(growth.space, e.max_epochs, e.most_trials):
            return
        self._growth, self.inner = growth, e.build_scheduler(growth.space)
        trial = f"{n:04d}"
        self._new[trial] = {**self._new.get(trial, {}), **new}
        for method, arguments in self._past:
            self._call(method, arguments)

    def _told(self, method: str, *arguments: Any) -> Any:
        self._past.append((method, arguments))
        return self._call(method, arguments)

    def _call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        if method == "started":
            trial, start, until, config = arguments
            whole = self._growth.whole(int(trial), with_new(config, self._new.get(trial, {})))
            return self.inner.started(trial, start, until, whole)
        return getattr(self.inner, method)(*arguments)
