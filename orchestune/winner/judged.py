"""What reruns with the same fresh seeds say of a few configurations: means, intervals, ties, and which one to take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

from scipy import stats

from orchestune.running.journal import Event
from orchestune.space.plain import form

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One configuration. `scores` by seed: those of its reruns that came to their end."""

    trial: str  # of the run that is verified
    config: dict[str, Any]
    epochs: int
    scores: Mapping[int, float] = field(default_factory=dict)
    parameters: int | None = None

    @property
    def mean(self) -> float:
        return fmean(self.scores.values())

    @property
    def interval(self) -> tuple[float, float]:
        return interval([*self.scores.values()])


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the mean lies with a probability of 95 %, by Student's t; from minus to plus infinity for one value."""
    if len(values) < 2:
        return -math.inf, math.inf
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """`ranked`: the candidates that came to their end with every seed, best mean first; `broken`: the others."""

    metric: str
    seeds: int
    ranked: list[Candidate]
    broken: list[Candidate]

    @classmethod
    def of(cls, candidates: Iterable[Candidate], *, metric: str, seeds: int, maximize: bool) -> Judgement:
        every = [*candidates]
        whole = [one for one in every if len(one.scores) == seeds]
        whole.sort(key=lambda one: -one.mean if maximize else one.mean)
        return cls(metric=metric, seeds=seeds, ranked=whole, broken=[one for one in every if one not in whole])

    @property
    def judged(self) -> set[str]:
        """The configurations, as text."""
        return {form(one.config) for one in (*self.ranked, *self.broken)}

    def difference(self, other: Candidate) -> tuple[float, float]:
        """The interval of how much the best one's score is larger, paired over the seeds."""
        best = self.ranked[0]
        return interval([best.scores[seed] - other.scores[seed] for seed in sorted(best.scores)])

    @property
    def ties(self) -> list[Candidate]:
        """Those that the best one cannot be told from, itself first."""
        return [
            one
            for one in self.ranked
            if one is self.ranked[0] or self.difference(one)[0] <= 0 <= self.difference(one)[1]
        ]

    @property
    def choice(self) -> Candidate:
        """The smallest model among the ties; of equally small ones, or where sizes are not known, the better mean."""
        return min(self.ties, key=lambda one: math.inf if one.parameters is None else one.parameters)


def judged(events: Iterable[Event], *, metric: str, parameters: str, candidate: str, seed: str) -> dict[str, Candidate]:
    """The candidates as the journal of their reruns has them, by trial: `metric` of each rerun's last report."""
    configs: dict[str, dict[str, Any]] = {}
    found: dict[str, Candidate] = {}
    for event in events:
        if event["event"] == "leg":
            configs[event["trial"]] = event["config"]
            told = event["config"][candidate]
            found.setdefault(told["trial"], Candidate(**told))
        elif event["event"] == "report" and event["metrics"].get(metric) is not None:
            config = configs[event["trial"]]
            one = found[config[candidate]["trial"]]
            found[one.trial] = Candidate(
                trial=one.trial,
                config=one.config,
                epochs=one.epochs,
                scores={**one.scores, config[seed]: float(event["metrics"][metric])},
                parameters=event["metrics"].get(parameters),
            )
    return found
