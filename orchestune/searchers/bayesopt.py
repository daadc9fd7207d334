"""Bayesian optimization with a Gaussian process (Snoek et al. 2012), by the package bayesian-optimization.

Ray's own BayesOptSearch is not built upon: it fails with bayesian-optimization 2 and later; with older ones it
takes neither whole numbers nor choices, drops logarithms and steps, and hangs when one of its first trials fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from orchestune.searchers.base import Config, Searcher, no_grid, refuse_first
from orchestune.searchers.fresh import draw, unasked
from orchestune.searchers.settings import at_least, one_of
from orchestune.space.plain import form
from orchestune.surrogate.columns import Columns, Floats

if TYPE_CHECKING:
    from orchestune.space import Space

ACQUISITIONS = ("ucb", "ei", "poi")
MOST = 300  # observations in the model; its cost grows with their cube


@dataclass(frozen=True, kw_only=True)
class BayesOpt:
    """Models the score by a Gaussian process, and asks where it may be best: the fewest trials, the most thought.

    It never asks a configuration twice while there is another one. Beyond 300 ended trials the model holds the
    better half of that number and a sample of the rest. What a question costs: benchmarks/suggestion_cost.py.
    """

    name: ClassVar[str] = "bayesopt"
    finite: ClassVar[bool] = False
    waits: ClassVar[bool] = False
    adapts: ClassVar[bool] = True

    acquisition: str = "ucb"  # upper confidence bound; "ei": expected improvement; "poi": its probability
    kappa: float = 2.576  # of ucb: how many standard deviations above the expected score count
    xi: float = 0.01  # of ei and poi: the least improvement that counts, in standard deviations of all scores
    n_initial_points: int = 10  # ended trials before the model is used; random questions until then

    def __post_init__(self) -> None:
        one_of(self, "acquisition", ACQUISITIONS)
        at_least(self, "kappa", 0)
        at_least(self, "xi", 0)
        at_least(self, "n_initial_points", 1, whole=True)

    def refuse(self, space: Space) -> list[str]:
        return no_grid(space, "BayesOpt")

    def build(self, space: Space, **common: Any) -> Searcher:
        refuse_first(self.refuse(space))
        return BayesOptSearcher(space, self, **common)


class BayesOptSearcher(Searcher):
    """The told and the pending trials as rows of one matrix, the model of which is made anew for each question."""

    def __init__(self, space: Space, declared: BayesOpt, **kwargs: Any) -> None:
        super().__init__(space, **kwargs)
        self.declared, self.columns = declared, Columns(space)
        self._rows: dict[int, Floats] = {}
        self._forms: dict[int, str] = {}

    def born(self, n: int, config: Config) -> None:
        super().born(n, config)
        self._forms[n] = form(config)
        values = self.values_of(config)
        if values is None:
            self._rows.pop(n, None)
        else:
            self._rows[n] = self.columns.point(values)

    def ask(self, n: int) -> Config | str | None:
        asked = set(self._forms.values())
        chance = np.random.default_rng([self.seed, n])
        told = {t: loss for t, loss in self.losses().items() if t in self._rows}
        if len(told) < self.declared.n_initial_points or not self.columns.width:
            return unasked(self.space, asked, chance) or draw(self.space, chance)
        rows = self._propose(n, told, chance)
        proposed = (self.columns.config(row) for row in rows)
        new = next((config for config in proposed if form(config) not in asked), None)
        return new or unasked(self.space, asked, chance) or self.columns.config(rows[0])

    def _propose(self, n: int, told: dict[int, float], chance: np.random.Generator) -> list[Floats]:
        from orchestune.searchers import gaussian  # not at the top: a second that only those who search so wait

        modeled = kept(told, MOST, chance)
        pending = [row for t, row in sorted(self._rows.items()) if t not in self.ended and t not in told]
        return gaussian.propose(
            self.columns,
            np.array([self._rows[t] for t in modeled]),
            np.array([told[t] for t in modeled]),
            np.array(pending).reshape(-1, self.columns.width),
            gaussian.acquisition_named(self.declared.acquisition, self.declared.kappa, self.declared.xi),
            np.random.RandomState([self.seed, abs(n)]),
        )


def kept(told: dict[int, float], most: int, chance: np.random.Generator) -> list[int]:
    """The trials that a model holds, `most` of them: the best for one half, a sample of the rest for the other."""
    if len(told) <= most:
        return sorted(told)
    order = sorted(told, key=lambda t: (told[t], t))
    best, rest = order[: most // 2], order[most // 2 :]
    return sorted([*best, *(int(t) for t in chance.choice(rest, most - len(best), replace=False))])
