"""Which searcher goes with which scheduler: what "auto" is, and what cannot work together, in words."""

from __future__ import annotations

from dataclasses import dataclass

from orchestune.schedulers import Asha, MultiFidelityRungs, scheduler
from orchestune.schedulers.base import Declaration as SchedulerDeclaration
from orchestune.searchers import MultiFidelity, searcher
from orchestune.searchers.base import Declaration as SearcherDeclaration

AUTO = "auto"


@dataclass(frozen=True)
class Pair:
    """A searcher and a scheduler that are to work together."""

    searcher: SearcherDeclaration
    scheduler: SchedulerDeclaration

    def refusals(self) -> list[str]:
        """Why they cannot, a sentence each, with what to use instead; empty where they can."""
        asks, keeps = self.searcher, self.scheduler
        if isinstance(keeps, MultiFidelityRungs):
            if isinstance(asks, MultiFidelity):
                return []
            return [
                f"scheduler {keeps.name} chooses configurations by its own model, so that searcher {asks.name} would "
                f"not be asked: use it with searcher 'auto' or 'multifidelity', or {asks.name} with 'asha'"
            ]
        mistakes = []
        if keeps.chooses and asks.adapts:
            mistakes.append(
                f"scheduler {keeps.name} changes configurations while they train, so that searcher {asks.name} would "
                "learn from values that are not those of its questions: use 'random', 'grid' or optuna(sampler='qmc')"
            )
        if asks.waits and keeps.pauses:
            mistakes.append(
                f"searcher {asks.name} waits until trials have ended, and {keeps.name} pauses them until the run ends: "
                "use it with 'fifo', 'median', 'plateau' or the stopping 'asha'"
            )
        return mistakes


def paired(asks: SearcherDeclaration | str, keeps: SchedulerDeclaration | str, *, grid: bool = False) -> Pair:
    """The two that are meant: declarations, their names, or "auto". UnknownName where there is none of that name.

    Both "auto": one model that searches and schedules, the best on average at every budget of the benchmark
    `search_quality`. A scheduler alone gets the same model to ask, where it does not change configurations itself; a
    searcher alone gets asynchronous successive halving. `grid`: whether the space has a `tune.grid_search`, which only
    Grid searches.
    """
    if asks == AUTO and grid:
        asks = searcher("grid")()
    if keeps != AUTO:
        found = scheduler(keeps)() if isinstance(keeps, str) else keeps
        if asks != AUTO:
            return Pair(_searcher(asks), found)
        own = found.chooses and not isinstance(found, MultiFidelityRungs)
        return Pair(searcher("random")() if own else MultiFidelity(), found)
    chosen = MultiFidelity() if asks == AUTO else _searcher(asks)
    if isinstance(chosen, MultiFidelity):
        first, share = chosen.n_initial_points, chosen.random_share
        return Pair(chosen, MultiFidelityRungs(n_initial_points=first, random_share=share))
    return Pair(chosen, Asha())


def _searcher(asks: SearcherDeclaration | str) -> SearcherDeclaration:
    return searcher(asks)() if isinstance(asks, str) else asks
