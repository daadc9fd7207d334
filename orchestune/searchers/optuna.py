"""Optuna's samplers, over the typed space: one declaration, four ways to search.

Ray's own OptunaSearch is not built upon: it hands unresolved ranges to the trainable where choices are nested,
refuses lists, bell curves and logarithmic steps, counts steps from the lower bound, and goes back to where
trials fail.
"""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from orchestune.searchers.base import Config, Searcher, no_grid, refuse_first
from orchestune.searchers.bayesopt import kept
from orchestune.searchers.cmaes import CmaSearcher, no_choices
from orchestune.searchers.qmc import SEQUENCES, QmcSearcher
from orchestune.searchers.settings import at_least, one_of
from orchestune.space import Choice, Normal, Parameter
from orchestune.surrogate.threads import one_thread

if TYPE_CHECKING:
    from orchestune.space import Space

SAMPLERS = ("tpe", "gp", "cmaes", "qmc")
FOR = {  # a setting -> the samplers that it means something to
    "n_initial_points": ("tpe", "gp"),
    "n_ei_candidates": ("tpe",),
    "population": ("cmaes",),
    "sequence": ("qmc",),
}
MOST = 200  # observations in the Gaussian process; its cost grows with their cube
COUNTED = 2**20  # values up to which whole numbers are whole numbers to optuna; beyond, a range


@dataclass(frozen=True, kw_only=True)
class Optuna:
    """Searches by one of optuna's methods.

    tpe    multivariate tree-structured Parzen estimator, which sees parameters together and avoids pending trials
    gp     Gaussian process with logarithmic expected improvement, on torch
    cmaes  covariance matrix adaptation, for ranges alone: it refuses choices and conditional parameters
    qmc    points of a scrambled low-discrepancy sequence: more even than random, and as deaf to scores

    tpe and gp are optuna's own. cmaes drives optuna's package of that name directly, and qmc scipy's sequences, as
    optuna does: its samplers for these keep their state in what they asked, and here a question follows from
    what was told alone.
    """

    name: ClassVar[str] = "optuna"
    finite: ClassVar[bool] = False
    waits: ClassVar[bool] = False

    sampler: str = "tpe"
    n_initial_points: int = 10  # of tpe and gp: ended trials before the model is used; random questions until then
    n_ei_candidates: int = 24  # of tpe: draws from the model of the good, the best of which is asked
    population: int | None = None  # of cmaes: trials a generation; None: 4 + 3 ln(parameters)
    sequence: str = "sobol"  # of qmc: or "halton"

    def __post_init__(self) -> None:
        one_of(self, "sampler", SAMPLERS)
        one_of(self, "sequence", SEQUENCES)
        at_least(self, "n_initial_points", 1, whole=True)
        at_least(self, "n_ei_candidates", 1, whole=True)
        if self.population is not None:
            at_least(self, "population", 4, whole=True)
        for field in dataclasses.fields(self):
            given, samplers = getattr(self, field.name), FOR.get(field.name, SAMPLERS)
            if given != field.default and self.sampler not in samplers:
                meant = " and ".join(samplers)
                raise ValueError(f"{field.name}={given!r} means nothing to sampler={self.sampler!r}; it is for {meant}")

    @property
    def adapts(self) -> bool:
        return self.sampler != "qmc"

    def refuse(self, space: Space) -> list[str]:
        wrong = no_grid(space, "Optuna")
        return wrong or (no_choices(space) if self.sampler == "cmaes" else [])

    def build(self, space: Space, **common: Any) -> Searcher:
        refuse_first(self.refuse(space))
        if self.sampler == "qmc":
            return QmcSearcher(space, self.sequence, **common)
        if self.sampler == "cmaes":
            return CmaSearcher(space, self.population, **common)
        return OptunaSearcher(space, self, **common)


class OptunaSearcher(Searcher):
    """A fresh study for each question: all told trials in it as complete, the pending ones as running.

    A choice is optuna's categorical distribution of places, an even step its whole numbers, everything else
    [0, 1] by the parameter's own map. tpe is told of a trial only the parameters that it had; with conditions it
    models each group of parameters that occur together. gp needs every parameter in every trial: those that do
    not exist in one are told as their middle.
    """

    def __init__(self, space: Space, declared: Optuna, **kwargs: Any) -> None:
        super().__init__(space, **kwargs)
        self.declared = declared
        self.searched = tuple(parameter for parameter in space.parameters if parameter.count != 1)
        self.middle = {parameter.name: parameter.from_unit(0.5) for parameter in space.parameters}
        self._params: dict[int, dict[str, Any]] = {}  # n -> as optuna sees them

    def born(self, n: int, config: Config) -> None:
        super().born(n, config)
        values = self.values_of(config)
        if values is None:
            self._params.pop(n, None)
            return
        if self.declared.sampler == "gp":
            values = self.middle | values
        self._params[n] = {p.name: to_optuna(p, values[p.name]) for p in self.searched if p.name in values}

    def ask(self, n: int) -> Config | str | None:
        return self.space.config(self.middle | (self._suggest(n) if self.searched else {}))

    @one_thread()
    def _suggest(self, n: int) -> dict[str, Any]:
        chance = np.random.default_rng([self.seed, n])
        with quiet() as optuna:
            study = optuna.create_study(sampler=self._sampler(optuna, int(chance.integers(2**31 - 1))))
            study.add_trials(self._trials(optuna, chance))
            trial = study.ask()
            values = dict(self.middle)
            found: dict[str, Any] = {}
            for parameter in self.space.parameters:  # parents first
                there = parameter.condition is None or parameter.condition.holds(found)
                if parameter in self.searched and (there or self.declared.sampler == "gp"):
                    values[parameter.name] = suggested(trial, parameter)
                if there:
                    found[parameter.name] = values[parameter.name]
        return found

    def _sampler(self, optuna: Any, seed: int) -> Any:
        first = self.declared.n_initial_points
        if self.declared.sampler == "gp":
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=first)
        return optuna.samplers.TPESampler(
            seed=seed,
            n_startup_trials=first,
            n_ei_candidates=self.declared.n_ei_candidates,
            multivariate=True,
            group=any(parameter.condition is not None for parameter in self.searched),
            constant_liar=True,
        )

    def _trials(self, optuna: Any, chance: np.random.Generator) -> list[Any]:
        losses = {t: loss for t, loss in self.losses().items() if t in self._params}
        modeled = kept(losses, MOST, chance) if self.declared.sampler == "gp" else sorted(losses)
        running = [t for t in self._params if t not in self.ended and t not in losses]
        distributions = {parameter.name: distribution(optuna, parameter) for parameter in self.searched}
        state = optuna.trial.TrialState
        return [
            optuna.trial.create_trial(
                state=state.COMPLETE if t in losses else state.RUNNING,
                value=losses.get(t),
                params=self._params[t],
                distributions={name: distributions[name] for name in self._params[t]},
            )
            for t in sorted([*modeled, *running])
        ]


@contextlib.contextmanager
def quiet() -> Iterator[Any]:
    """optuna, silent: no line for each study, no warning of its experimental parts, within this block alone."""
    import optuna  # not at the top: a second that only those who search with it should wait

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield optuna
    finally:
        optuna.logging.set_verbosity(before)


def counted(parameter: Parameter) -> int | None:
    """How many evenly spaced values it has; None where it is a range to optuna."""
    even = not isinstance(parameter, Normal) and not getattr(parameter, "log", False)
    return parameter.count if even and (parameter.count or MOST) <= COUNTED else None


def distribution(optuna: Any, parameter: Parameter) -> Any:
    """optuna's distribution of a parameter."""
    if isinstance(parameter, Choice):
        return optuna.distributions.CategoricalDistribution(tuple(range(parameter.count)))
    count = counted(parameter)
    if count is not None:
        return optuna.distributions.IntDistribution(0, count - 1)
    return optuna.distributions.FloatDistribution(0.0, 1.0)


def to_optuna(parameter: Parameter, value: Any) -> Any:
    """A parameter's value as optuna sees it."""
    if isinstance(parameter, Choice):
        return parameter.index(value)
    count, u = counted(parameter), parameter.to_unit(value)
    return u if count is None else int(u * count)


def suggested(trial: Any, parameter: Parameter) -> Any:
    """The value that optuna's `trial` suggests."""
    if isinstance(parameter, Choice):
        return parameter.at(trial.suggest_categorical(parameter.name, tuple(range(parameter.count))))
    count = counted(parameter)
    if count is not None:
        return parameter.from_unit((trial.suggest_int(parameter.name, 0, count - 1) + 0.5) / count)
    return parameter.from_unit(trial.suggest_float(parameter.name, 0.0, 1.0))
