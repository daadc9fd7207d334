"""The searcher of `multifidelity.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestune.errors import SpaceError
from orchestune.searchers.base import Config, Searcher
from orchestune.surrogate.belief import believe, data_of, propose
from orchestune.surrogate.encoding import Encoding
from orchestune.surrogate.observed import Observed, design, rungs_of
from orchestune.surrogate.process import Process
from orchestune.surrogate.threads import one_thread

if TYPE_CHECKING:
    from orchestune.searchers.multifidelity import MultiFidelity
    from orchestune.space import Space

FITTED, ITERATIONS = 100, 20  # trials that the model's parameters are fitted to at each question, and steps of the fit


class ByModel(Searcher):
    """The model is made anew for each question, from all that was told: the same told, the same asked."""

    def __init__(self, space: Space, declared: MultiFidelity, **common: Any) -> None:
        super().__init__(space, **common)
        self.declared = declared
        self.encoding = Encoding(space)
        self._points: dict[int, Any] = {}

    def born(self, n: int, config: Config) -> None:
        super().born(n, config)
        try:
            self._points[n] = self.encoding.point(config)
        except SpaceError:  # from before the space was narrowed, or a user's own point: no place in this model
            return

    def ask(self, n: int) -> Config | str | None:
        chance = np.random.default_rng([self.seed, n])
        if n < self.declared.n_initial_points:
            return self.encoding.config(design(self.encoding.dimensions, self.declared.n_initial_points, self.seed)[n])
        if chance.random() >= self.declared.random_share:
            point = self._promising(chance)
            if point is not None:
                return self.encoding.config(point)
        return self.encoding.config(chance.random(self.encoding.dimensions))

    @one_thread()
    def _promising(self, chance: np.random.Generator) -> Any:
        observed, numbers = self._observed()
        features = self.encoding.features(observed.points)
        process = Process(self.encoding.group)
        few = data_of(features, observed.losses, np.random.default_rng([self.seed, len(numbers)]), FITTED)
        data = data_of(features, observed.losses, chance)
        if few is None or data is None:
            return None
        process.fit(few.features, few.variances, few.values, ITERATIONS)
        rung = observed.rung
        blind = [row for row, n in enumerate(numbers) if n not in self.ended and rung[row] < 0]
        final = np.array([n in self.ended for n in numbers])
        return propose(believe(process, data, features[blind], final), self.encoding, observed.points, chance)[0]

    def _observed(self) -> tuple[Observed, list[int]]:
        """All trials in the order of their numbers, and these."""
        numbers = sorted(self._points)
        told = [self.scores.get(n, {}) for n in numbers]
        longest = self.max_epochs or max((epoch for scores in told for epoch in scores), default=1)
        observed = Observed(self.encoding.dimensions, rungs_of(longest))
        for n, scores in zip(numbers, told, strict=True):
            row = observed.add(self._points[n])
            _report(observed, row, scores)
            if n in self.ended:
                observed.close(row, bad=not scores or not all(map(math.isfinite, scores.values())))
        return observed, numbers


def _report(observed: Observed, row: int, scores: Mapping[int, float]) -> None:
    for epoch in sorted(scores):
        observed.report(row, epoch, -scores[epoch] if math.isfinite(scores[epoch]) else math.inf)
