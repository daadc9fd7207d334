"""What every searcher is: a Ray `Searcher` whose suggestions come from three methods, ask, born and tell."""

from __future__ import annotations

import copy
import json
import math
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from ray.tune.search import Searcher as RaySearcher

from orchestune.errors import SpaceError
from orchestune.searchers.feedback import losses, losses_at_fidelity

if TYPE_CHECKING:
    from orchestune.space import Space

Config = dict[str, Any]
FINISHED: str = RaySearcher.FINISHED  # asked for more questions than there are


class Searcher(RaySearcher):  # type: ignore[misc]  # Ray ships no types
    """Asks the n-th question, n = 0, 1, ..., and is told the answers as {epoch: score}, higher is better.

    `ask` has no side effect and draws chance only from (seed, n), so that a run's journal rebuilds a searcher
    by telling it what was born and how it went. Ray's own three methods stand on these, so that it also works
    in a hand-written `tune.Tuner`, which is where `metric` and `mode` matter: the engine turns scores around
    itself.
    """

    given = 0  # how many of the first questions are the user's own points

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        metric: str = "score",
        mode: str = "max",
        max_epochs: int | None = None,  # of a trial at the most; None where it is not known
        pauses: bool = False,  # whether the scheduler pauses trials, so that most do not end before the run
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode is 'min' or 'max', got {mode!r}")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed is a whole number from 0 on, got {seed!r}")
        super().__init__(metric=metric, mode=mode)
        self.space, self.seed, self.max_epochs, self.pauses = space, seed, max_epochs, pauses
        self.configs: dict[int, Config] = {}  # n -> what was asked
        self.scores: dict[int, dict[int, float]] = {}  # n -> epoch -> score; non-finite: diverged
        self.ended: set[int] = set()
        self.asked = 0  # questions handed out to Ray
        self._numbers: dict[str, int] = {}  # Ray's trial -> n

    @abstractmethod
    def ask(self, n: int) -> Config | str | None:
        """The n-th question; None to be asked again after the next answer; FINISHED past the last one."""

    def born(self, n: int, config: Config) -> None:
        """Question n is being tried: `config`, which is what counts if `ask` would say otherwise."""
        self.configs[n] = copy.deepcopy(config)

    def tell(self, n: int, scores: Mapping[int, float], ended: bool) -> None:
        """All scores of trial n so far. `ended`: there will be none after these.

        A trial that failed without a number has no scores; one that diverged or failed later has a NaN among
        them.
        """
        self.scores[n] = dict(scores)
        if ended:
            self.ended.add(n)

    def values_of(self, config: Config) -> dict[str, Any] | None:
        """The active values of a configuration, flat; None where a model of this space has no place for it.

        It is from before the space was narrowed then, or a user's own point.
        """
        try:
            return self.space.values(config)
        except SpaceError:
            return None

    def losses(self) -> dict[int, float]:
        """One number a trial that can be judged, lower is better, for methods without epochs; see `feedback`.

        These are the ended ones; under a scheduler that pauses, all that have reached the epochs which enough have.
        """
        if self.pauses:
            trials = {n: self.scores.get(n, {}) for n in self.configs}
            return losses_at_fidelity(trials, self.ended, self.space.dimensions + 3)
        return losses({n: self.scores.get(n, {}) for n in self.ended if n in self.configs})

    # What Ray calls in a hand-written `tune.Tuner`.

    def set_search_properties(self, metric: str | None, mode: str | None, config: Config, **spec: Any) -> bool:
        """Ray's TuneConfig may repeat the metric, not contradict it. False: the space is known already."""
        for field, ours, theirs in (("metric", self.metric, metric), ("mode", self.mode, mode)):
            if theirs is not None and theirs != ours:
                raise ValueError(f"TuneConfig({field}={theirs!r}) contradicts the searcher's {field}={ours!r}")
        return False

    def suggest(self, trial_id: str) -> Config | str | None:
        question = self.ask(self.asked)
        if not isinstance(question, dict):
            return question
        self._numbers[trial_id] = self.asked
        self.born(self.asked, question)
        self.asked += 1
        return question

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        n = self._numbers[trial_id]
        self.tell(n, self._with(n, result), ended=False)

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        n = self._numbers[trial_id]
        scores = self._with(n, result or {})
        if error:
            scores[max(scores, default=0) + 1] = math.nan
        self.tell(n, scores, ended=True)

    def _with(self, n: int, result: Mapping[str, Any]) -> dict[int, float]:
        """The scores of trial n, and the one in Ray's `result`, if there is one."""
        scores = dict(self.scores.get(n, {}))
        if self.metric in result:
            score = float(result[self.metric])
            scores[int(result["training_iteration"])] = score if self.mode == "max" else -score
        return scores

    def save(self, checkpoint_path: str) -> None:
        """What was asked and answered, as plain JSON: nothing in it can be executed."""
        state = {
            "version": 1,
            "asked": self.asked,
            "numbers": self._numbers,
            "trials": [
                {
                    "n": n,
                    "config": config,
                    "scores": [[e, s if math.isfinite(s) else None] for e, s in self.scores.get(n, {}).items()],
                    "told": n in self.scores,
                    "ended": n in self.ended,
                }
                for n, config in sorted(self.configs.items())
            ],
        }
        Path(checkpoint_path).write_text(json.dumps(state, allow_nan=False))

    def restore(self, checkpoint_path: str) -> None:
        """The same again, by telling: into a fresh searcher of the same space."""
        state = json.loads(Path(checkpoint_path).read_text())
        self.asked, self._numbers = state["asked"], state["numbers"]
        for trial in state["trials"]:
            self.born(trial["n"], trial["config"])
            if trial["told"]:
                scores = {epoch: math.nan if score is None else score for epoch, score in trial["scores"]}
                self.tell(trial["n"], scores, trial["ended"])


class Declaration(Protocol):
    """The frozen record an experiment holds; `name` is what the command line and the tables call it."""

    name: ClassVar[str]
    finite: ClassVar[bool]  # it comes to an end by itself; then it has a `count(space)`
    waits: ClassVar[bool]  # it asks no more until the trials before have ended

    @property
    def adapts(self) -> bool:
        """Whether what it asks depends on what it was told."""
        ...

    def refuse(self, space: Space) -> list[str]:
        """What of `space` it cannot search, one sentence each, with what to write instead."""
        ...

    def build(self, space: Space, **common: Any) -> Searcher:
        """A fresh searcher; `common` is what `Searcher` takes. SpaceError with the first of `refuse`."""
        ...


@runtime_checkable
class Finite(Protocol):
    """A declaration whose questions can be counted."""

    def count(self, space: Space) -> int:
        """How many questions there are at the most."""
        ...


def no_grid(space: Space, searcher: str) -> list[str]:
    """What every searcher but Grid says to a `tune.grid_search`."""
    return [
        f"parameter {p.name!r}: {searcher} cannot promise to try every value of a tune.grid_search; "
        "use the searcher Grid(), or write tune.choice."
        for p in space.parameters
        if getattr(p, "grid_search", False)
    ]


def refuse_first(mistakes: list[str]) -> None:
    """SpaceError with the first mistake, if there is one."""
    if mistakes:
        raise SpaceError("", mistakes[0])
