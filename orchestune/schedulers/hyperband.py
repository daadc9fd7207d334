"""HyperBand: synchronous successive halving, several times over, from many short trainings to a few long ones.

Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization" (JMLR 18, arXiv 1603.06560),
Algorithm 1. Its table for 81 epochs and a factor of 3 is `HyperBand().brackets(81)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from orchestune.schedulers.base import Continue, Start, Work
from orchestune.schedulers.pausing import Pausing

if TYPE_CHECKING:
    from orchestune.space import Space

Rungs = list[tuple[int, int]]  # how many trials train until how many epochs, from the first rung to the last


@dataclass(frozen=True, kw_only=True)
class HyperBand:
    """Brackets of trials; in each, all trials wait at a rung for the last, and the best 1/`reduction_factor` go on.

    `num_samples` None is one iteration over all brackets. With more, further iterations follow, and the last bracket
    has the trials that are left. What goes on does not depend on how many train at a time.
    """

    reduction_factor: float = 3  # eta: rung to rung, epochs grow and trials shrink by it
    grace_period: int = 1  # epochs of the shortest trainings

    name: ClassVar[str] = "hyperband"
    pauses: ClassVar[bool] = True
    chooses: ClassVar[bool] = False

    def __post_init__(self) -> None:
        period, factor = self.grace_period, self.reduction_factor
        if isinstance(period, bool) or not isinstance(period, int) or period < 1:
            raise ValueError(f"HyperBand(grace_period={period!r}): epochs, an int of at least 1")
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 < factor < math.inf:
            raise ValueError(f"HyperBand(reduction_factor={factor!r}): a finite number above 1, usually 3 or 4")

    def brackets(self, max_epochs: int) -> list[Rungs]:
        """One iteration, the bracket with the shortest trainings first (s = s_max, ..., 0)."""
        return [halving(count, epochs, self.reduction_factor) for count, epochs in self.plan(max_epochs)]

    def plan(self, max_epochs: int) -> list[tuple[int, list[int]]]:
        """How many trials each bracket of an iteration has, and the epochs of its rungs."""
        eta, most = self.reduction_factor, 0
        while self.grace_period * eta ** (most + 1) <= max_epochs:
            most += 1  # s_max = floor(log_eta(R)), without a logarithm's rounding
        found = []
        for s in range(most, -1, -1):
            count = math.ceil((most + 1) * eta**s / (s + 1))  # n, line 3
            epochs = [max_epochs * eta ** (i - s) for i in range(s + 1)]  # r_i, line 6; r is that of i = 0
            found.append((count, [math.floor(r + 0.5) for r in epochs]))
        return found

    def trials(self, max_epochs: int) -> int:
        """Of one iteration."""
        return sum(rungs[0][0] for rungs in self.brackets(max_epochs))

    def epochs(self, max_epochs: int) -> int:
        """Of one iteration, over all trials: one that goes on does so from its checkpoint."""
        return sum(epochs_of(rungs) for rungs in self.brackets(max_epochs))

    def refuse(self, space: Space, max_epochs: int, num_samples: int | None) -> list[str]:
        least = math.ceil(self.grace_period * self.reduction_factor)
        if max_epochs >= least:
            return []
        return [
            f"hyperband: with max_epochs={max_epochs} below grace_period * reduction_factor = {least} it would stop "
            f"nothing; raise max_epochs to at least {least}, lower one of the two, or use 'fifo'"
        ]

    def build(self, space: Space, max_epochs: int, num_samples: int | None, seed: int) -> HyperBandScheduler:
        return HyperBandScheduler(self, max_epochs, num_samples)


def halving(count: int, epochs: list[int], factor: float) -> Rungs:
    """The rungs of `count` trials: n_i = floor(n * eta^-i), at least one. Rungs of the same epoch are one rung."""
    rungs: Rungs = []
    for i, until in enumerate(epochs):
        if not rungs or until > rungs[-1][1]:
            # the sum keeps a quotient that is whole from being rounded to less
            rungs.append((max(1, math.floor(count / factor**i + 1e-9)), until))
    return rungs


def epochs_of(rungs: Rungs) -> int:
    """What a bracket trains in all, each trial going on from where it waited."""
    before = [0, *(until for _, until in rungs)]
    return sum(count * (until - start) for (count, until), start in zip(rungs, before, strict=False))


class Bracket:
    """One successive halving: who is in it, and what each scored at each rung."""

    def __init__(self, size: int, epochs: list[int], factor: float) -> None:
        self._epochs, self._factor = epochs, factor
        self.resize(size)
        self.trials: list[str] = []
        self.scores: list[dict[str, float]] = [{} for _ in self.rungs]
        self._entrants: list[list[str]] = []  # of each rung that is known to be filled

    def resize(self, size: int) -> None:
        """It is to have so many trials."""
        self.size, self.rungs = size, halving(size, self._epochs, self._factor)

    @property
    def is_open(self) -> bool:
        """Whether trials are still to be born in it."""
        return len(self.trials) < self.size

    def level(self, until: int) -> int:
        """The rung at which a leg until `until` ends."""
        return next(level for level, (_, epoch) in enumerate(self.rungs) if epoch >= until)

    def entrants(self, over: dict[str, float | None]) -> list[list[str]]:
        """Who trains to each rung, as far as that is known: the best of the rung below, once all are there.

        A trial that is `over` has arrived everywhere, with the score that it left; None ranks it nowhere.
        """
        if not self._entrants and not self.is_open:
            self._entrants.append(self.trials)
        while 0 < (level := len(self._entrants)) < len(self.rungs):
            here, below = self.scores[level - 1], self._entrants[level - 1]
            if any(trial not in here and trial not in over for trial in below):
                break
            values = {trial: here.get(trial, over.get(trial)) for trial in below}
            ranked = sorted((-value, n, t) for n, t in enumerate(self.trials) if (value := values.get(t)) is not None)
            self._entrants.append([trial for _, _, trial in ranked[: self.rungs[level][0]]])  # top k, line 9
        return self._entrants

    def is_done(self, over: dict[str, float | None]) -> bool:
        """Whether all that came to the last rung are over, so that nobody of it trains any more."""
        known = self.entrants(over)
        return len(known) == len(self.rungs) and all(trial in over for trial in known[-1])


class HyperBandScheduler(Pausing):
    """Trials enter the brackets in the order of their birth; idle workers begin the next bracket's."""

    name = HyperBand.name

    def __init__(self, declared: HyperBand, max_epochs: int, num_samples: int | None) -> None:
        super().__init__(max_epochs, num_samples or declared.trials(max_epochs))
        self._plan, self._factor = declared.plan(max_epochs), declared.reduction_factor
        self.brackets: list[Bracket] = []
        self._going: list[Bracket] = []  # those of them that are not done: a long run has thousands that are
        self._home: dict[str, Bracket] = {}

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        if trial not in self.born:
            bracket = self._home[trial] = self._open()
            bracket.trials.append(trial)
        super().started(trial, start, until, config)

    def arrived(self, trial: str, until: int, score: float) -> None:
        bracket = self._home[trial]
        bracket.scores[bracket.level(until)][trial] = score

    def ended(self, trial: str, status: str) -> None:
        super().ended(trial, status)
        bracket = self._home[trial]
        if bracket in self._going and bracket.is_done(self.over):
            self._going.remove(bracket)

    def next(self) -> Work:
        for bracket in self._going:
            known = bracket.entrants(self.over)
            level = len(known) - 1  # all are there at the rungs below
            for trial in known[level] if level > 0 else ():
                if not (trial in bracket.scores[level] or trial in self.over or trial in self.until):
                    return Continue(trial, bracket.rungs[level][1])
        return Start(self._opening().rungs[0][1]) if self.may_start else self.idle

    def exhausted(self) -> None:
        super().exhausted()
        for bracket in self.brackets:
            bracket.resize(len(bracket.trials))

    def _open(self) -> Bracket:
        """The bracket of the trial that is being born."""
        bracket = self._opening()
        if not bracket.trials:
            self.brackets.append(bracket)
            self._going.append(bracket)
        return bracket

    def _opening(self) -> Bracket:
        """The bracket that has room, or the one after all those; it is not among them before its first trial."""
        if self.brackets and self.brackets[-1].is_open:
            return self.brackets[-1]
        count, epochs = self._plan[len(self.brackets) % len(self._plan)]
        left = (self.num_samples or 0) - len(self.born)
        return Bracket(max(1, min(count, left)), epochs, self._factor)
