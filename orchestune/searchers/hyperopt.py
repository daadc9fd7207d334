"""HyperOpt's tree-structured Parzen estimator (Bergstra et al. 2011), over the typed space.

Ray's own HyperOptSearch is not built upon: in 2.60 it turns lists into tuples, leaves the bounds of a
qrandint, refuses single values and equal keys in two branches, and goes back to where trials fail (told no
value at all).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from orchestune.searchers.base import Config, Searcher, no_grid, refuse_first
from orchestune.searchers.settings import at_least
from orchestune.space import Choice, Parameter

if TYPE_CHECKING:
    from orchestune.space import Space


@dataclass(frozen=True, kw_only=True)
class HyperOpt:
    """Models where the good trials lie against where the others lie, and asks where the ratio is best."""

    name: ClassVar[str] = "hyperopt"
    finite: ClassVar[bool] = False
    waits: ClassVar[bool] = False
    adapts: ClassVar[bool] = True

    n_initial_points: int = 20  # ended trials before the model is used; random questions until then
    gamma: float = 0.25  # gamma * sqrt(ended trials) of them count as good (at most 25)
    n_ei_candidates: int = 24  # draws from the model of the good, the best of which is asked

    def __post_init__(self) -> None:
        at_least(self, "n_initial_points", 1, whole=True)
        at_least(self, "n_ei_candidates", 1, whole=True)
        if isinstance(self.gamma, bool) or not isinstance(self.gamma, int | float) or not 0 < self.gamma <= 1:
            raise ValueError(f"gamma is above 0 and at most 1, got {self.gamma!r}")

    def refuse(self, space: Space) -> list[str]:
        return no_grid(space, "HyperOpt")

    def build(self, space: Space, **common: Any) -> Searcher:
        refuse_first(self.refuse(space))
        return HyperOptSearcher(space, self, **common)


class HyperOptSearcher(Searcher):
    """One hyperopt label a parameter: a choice by its place, everything else on [0, 1] by the parameter's own
    map.

    So logarithms, steps and bounds are the space's business. All labels are sampled; those of inactive
    parameters are left out of the question, and out of the told trials, so that a conditional parameter is
    modeled from the trials that had it.
    """

    def __init__(self, space: Space, declared: HyperOpt, **kwargs: Any) -> None:
        super().__init__(space, **kwargs)
        self.declared = declared
        self.searched = tuple(parameter for parameter in space.parameters if parameter.count != 1)
        self._documents: dict[int, dict[str, Any]] = {}
        import hyperopt  # not at the top: a second that only those who search with it should wait

        labels = {p.name: label(p, hyperopt.hp) for p in self.searched}
        self._prior = hyperopt.Domain(lambda values: values, labels) if labels else None

    def born(self, n: int, config: Config) -> None:
        super().born(n, config)
        values = self.values_of(config)
        if values is None:
            return
        seen = {p.name: to_label(p, values[p.name]) for p in self.searched if p.name in values}
        idxs = {p.name: [n] if p.name in seen else [] for p in self.searched}
        vals = {p.name: [seen[p.name]] if p.name in seen else [] for p in self.searched}
        self._documents[n] = {"tid": n, "idxs": idxs, "vals": vals}

    def ask(self, n: int) -> Config | str | None:
        values = {parameter.name: parameter.from_unit(0.5) for parameter in self.space.parameters}
        if self.searched:
            found = self._suggest(n)
            values |= {p.name: from_label(p, found[p.name][0]) for p in self.searched}
        return self.space.config(values)

    def _suggest(self, n: int) -> dict[str, list[Any]]:
        """hyperopt's answer, label -> [value]."""
        from hyperopt import tpe

        told = [(t, x) for t, x in self.losses().items() if t in self._documents]
        [document] = tpe.suggest(
            [n],
            self._prior,
            _Told([{"tid": t, "misc": self._documents[t], "result": {"loss": x}} for t, x in told]),
            int(np.random.default_rng([self.seed, n]).integers(2**31 - 1)),
            n_startup_jobs=self.declared.n_initial_points,
            n_EI_candidates=self.declared.n_ei_candidates,
            gamma=self.declared.gamma,
            verbose=False,
        )
        vals: dict[str, list[Any]] = document["misc"]["vals"]
        return vals


class _Told:
    """What `tpe.suggest` uses of hyperopt's Trials, without its checks of each document at each question."""

    def __init__(self, trials: list[dict[str, Any]]) -> None:
        self.trials = trials

    def new_trial_docs(
        self, tids: list[int], specs: list[Any], results: list[Any], miscs: list[Any]
    ) -> list[dict[str, Any]]:
        return [{"tid": tid, "misc": misc} for tid, misc in zip(tids, miscs, strict=True)]


def label(parameter: Parameter, hp: Any) -> Any:
    """hyperopt's prior of a parameter."""
    if isinstance(parameter, Choice):
        return hp.randint(parameter.name, parameter.count)
    return hp.uniform(parameter.name, 0.0, 1.0)


def to_label(parameter: Parameter, value: Any) -> Any:
    """A parameter's value as hyperopt sees it."""
    return parameter.index(value) if isinstance(parameter, Choice) else parameter.to_unit(value)


def from_label(parameter: Parameter, found: Any) -> Any:
    """And back."""
    return parameter.at(int(found)) if isinstance(parameter, Choice) else parameter.from_unit(float(found))
