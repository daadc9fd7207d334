"""Population based training: a schedule of settings found while the trials train, at the price of one population.

Jaderberg et al. 2017, "Population Based Training of Neural Networks" (arXiv 1711.09846), Algorithm 1, with truncation
selection as `exploit`. Here generations are synchronous, so that it is right at any number of trials at a time, and
answers the same at each.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from orchestune.schedulers.base import Continue, Start, Work
from orchestune.schedulers.pausing import Pausing
from orchestune.schedulers.perturbation import perturbed

if TYPE_CHECKING:
    from orchestune.space import Space

LEAST = 4  # trials of a population: the best must be others than the worst, and neither all of it


@dataclass(frozen=True, kw_only=True)
class Pbt:
    """Every `perturbation_interval` epochs the worst trials go on from the weights of the best, with settings near
    theirs.

    The population is `num_samples`. What may change is what the space marks: `perturb(tune.loguniform(1e-4, 1e-1))`.
    """

    perturbation_interval: int = 4  # epochs from one generation to the next
    quantile_fraction: float = 0.25  # so much of the population is replaced by so much of it, one trial at least
    resample_probability: float = 0.25  # with which a marked parameter is drawn anew
    perturbation_factors: tuple[float, float] = (0.8, 1.2)  # what a number is multiplied by otherwise

    name: ClassVar[str] = "pbt"
    pauses: ClassVar[bool] = True
    chooses: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "perturbation_factors", tuple(self.perturbation_factors))
        period = self.perturbation_interval
        if isinstance(period, bool) or not isinstance(period, int) or period < 1:
            raise ValueError(f"Pbt(perturbation_interval={period!r}): epochs, an int of at least 1")
        if not 0 < self.quantile_fraction <= 0.5:
            raise ValueError(f"Pbt(quantile_fraction={self.quantile_fraction!r}): above 0, and 0.5 at the most")
        if not 0 <= self.resample_probability <= 1:
            raise ValueError(f"Pbt(resample_probability={self.resample_probability!r}): from 0 to 1")
        factors = self.perturbation_factors
        if len(factors) != 2 or not 0 < factors[0] < 1 < factors[1] < math.inf:
            raise ValueError(f"Pbt(perturbation_factors={factors!r}): one between 0 and 1, and one above 1")

    def refuse(self, space: Space, max_epochs: int, num_samples: int | None) -> list[str]:
        refusals = []
        marked = [parameter for parameter in space.parameters if parameter.perturb]
        if not marked:
            refusals.append(
                "pbt: nothing in the space may change while a trial trains; mark what may, such as "
                "'lr': perturb(tune.loguniform(1e-4, 1e-1))"
            )
        parents = {p.condition.parent: p.name for p in space.parameters if p.condition is not None}
        refusals += [
            f"pbt: {p.name!r} is marked with perturb(...) and decides whether {parents[p.name]!r} exists; take the "
            "mark away"
            for p in marked
            if p.name in parents
        ]
        if num_samples is None or num_samples < LEAST:
            refusals.append(f"pbt: num_samples={num_samples} is its population: at least {LEAST} trials are needed")
        if self.perturbation_interval >= max_epochs:
            refusals.append(
                f"pbt: perturbation_interval={self.perturbation_interval} is not below max_epochs={max_epochs}, so "
                "that it would change nothing; lower it or raise max_epochs"
            )
        return refusals

    def build(self, space: Space, max_epochs: int, num_samples: int | None, seed: int) -> PbtScheduler:
        return PbtScheduler(self, space, max_epochs, num_samples, seed)


class PbtScheduler(Pausing):
    """One generation after another: all live trials train to its end and wait there, then all go on.

    Those that take over another's weights go on first, while the others still wait: a source's newest checkpoint is
    then that of the generation's end.
    """

    name = Pbt.name

    def __init__(self, declared: Pbt, space: Space, max_epochs: int, num_samples: int | None, seed: int) -> None:
        super().__init__(max_epochs, num_samples)
        self.declared, self.space, self.seed = declared, space, seed
        self.generation = 0
        self.configs: dict[str, dict[str, Any]] = {}
        self.waiting: dict[str, float] = {}  # who is at the generation's end, and with what score
        self.due: dict[str, Continue] = {}  # who goes on into the next generation, in this order

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        if trial in self.waiting:  # only a replay comes here: the searcher was exhausted, which no journal says
            self.num_samples = len(self.born)
            self._close_generation()
        super().started(trial, start, until, config)
        self.configs[trial] = config
        self.due.pop(trial, None)

    def arrived(self, trial: str, until: int, score: float) -> None:
        if trial not in self.over:  # nobody takes over from one that ended on its way
            self.waiting[trial] = score
            self._close_generation()

    def ended(self, trial: str, status: str) -> None:
        super().ended(trial, status)
        self.waiting.pop(trial, None)
        self.due.pop(trial, None)
        self._close_generation()

    def exhausted(self) -> None:
        super().exhausted()
        self._close_generation()

    def next(self) -> Work:
        if self.due:
            return next(iter(self.due.values()))
        return Start(self._end(0)) if self.may_start else self.idle

    def _end(self, generation: int) -> int:
        return min((generation + 1) * self.declared.perturbation_interval, self.max_epochs)

    def _close_generation(self) -> None:
        """Once all are there, says who goes on from where."""
        if self.may_start or self.until or self.due or not self.waiting:
            return
        order = self.ranking(self.waiting)
        some = max(1, math.floor(len(order) * self.declared.quantile_fraction)) if len(order) > 1 else 0
        until = self._end(self.generation + 1)
        self.due = {trial: self._exploit(trial, order[:some], until) for trial in order[len(order) - some :]}
        self.due |= {trial: Continue(trial, until) for trial in self.born if trial in self.waiting.keys() - self.due}
        self.generation += 1
        self.waiting = {}

    def _exploit(self, trial: str, best: list[str], until: int) -> Continue:
        chance = random.Random(f"{self.seed}-{self.generation}-{trial}")
        source, declared = chance.choice(best), self.declared
        config = perturbed(
            self.space, self.configs[source], chance, declared.resample_probability, declared.perturbation_factors
        )
        return Continue(trial, until, source, config)
