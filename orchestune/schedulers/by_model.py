"""The scheduler of `multifidelity.py`: what its model believes decides who goes on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orchestune.errors import SpaceError
from orchestune.schedulers.base import DONE, WAIT, Continue, Decision, Report, Start, Work
from orchestune.schedulers.quotas import by_quota, copies
from orchestune.space.plain import form
from orchestune.surrogate.belief import Belief, believe, data_of, propose
from orchestune.surrogate.encoding import Encoding
from orchestune.surrogate.observed import Observed, design, rungs_of
from orchestune.surrogate.process import Process
from orchestune.surrogate.threads import one_thread

if TYPE_CHECKING:
    from orchestune.schedulers.multifidelity import MultiFidelityRungs
    from orchestune.space import Space

STALL = (0.2, 0.5)  # shares of the epochs without a better score, from which on and until which the model loses trust
STALLED = 0.7  # the share of new trials drawn blindly by then
HEADSTART = 4  # full trainings: added to the epochs spent, as no stall is to be seen yet; before them `SMOOTH` waits
SMOOTH = 0.6  # of what scores leave open of the last rung: where the model takes no more for noise, first ones mislead
LATER = 2  # rungs below the last, where the model's trials are looked at first from then on
LEAST = 4  # trials before the model is asked, where there are few in all
REFIT = 1.15  # the model is fitted anew when there are so many times as many trials with a score
ITERATIONS = 30  # of a fit


class ByModel:
    """Every leg ends at a rung; what comes next is then asked of the model.

    The model's parameters are fitted when the number of trials with a score has grown by `REFIT`, to what was known at
    that report: so a replay, which asks nothing, arrives at the same answers.
    """

    name = "multifidelity"

    def __init__(
        self, declared: MultiFidelityRungs, space: Space, max_epochs: int, num_samples: int | None, seed: int
    ) -> None:
        self.declared, self.max_epochs, self.num_samples, self.seed = declared, max_epochs, num_samples, seed
        self.encoding = Encoding(space)
        self.observed = Observed(space.dimensions, rungs_of(max_epochs, declared.reduction_factor, declared.levels))
        self.rungs = self.observed.rungs
        self.rows: dict[str, int] = {}  # trial -> its row
        self.outside: set[str] = set()  # trials whose configuration is not in the space, of which nothing is learnt
        most = declared.n_initial_points
        self._first = most if num_samples is None else min(most, max(LEAST, num_samples // 3))
        self.names: list[str] = []  # row -> trial
        self.drawn: list[bool] = []  # row -> whether its point was drawn blindly, after the first ones
        self.until: dict[int, int] = {}  # running rows -> the epoch at which they pause
        self.over: set[int] = set()
        self.legs = 0
        self.spent = 0  # epochs
        self.best, self.best_at = -math.inf, 0  # the best score, and what was spent when it came
        self._process = Process(self.encoding.group)
        self._fit_at = 3.0  # trials with a score
        self._snapshot: tuple[int, NDArray[np.float64]] | None = None  # what the next fit is made from
        self._answer: Work | None = None

    # ---- what happens

    def decide(self, report: Report) -> Decision:
        self._answer = None
        row = self.rows.get(report.trial)
        over = report.diverged or report.epoch >= self.max_epochs
        if row is None:
            return Decision.STOP if over else Decision.CONTINUE
        self.spent += report.epoch - self.observed.epoch[row]
        if not report.diverged and report.score > self.best:
            self.best, self.best_at = report.score, self.spent
        self.observed.report(row, report.epoch, math.inf if report.diverged else -report.score)
        if over:
            return Decision.STOP
        self._note_fit()
        if report.epoch < self.until[row]:
            return Decision.CONTINUE
        del self.until[row]
        return Decision.PAUSE

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        self._answer = None
        lost = trial in self.outside or self.rows.get(trial) in self.until  # and issued again: nothing was chosen
        self.legs += not lost
        if trial not in self.rows and trial not in self.outside:
            try:
                point = self.encoding.point(config)
            except SpaceError:  # from before the space was narrowed, or a user's own: no place in this model
                self.outside.add(trial)
                return
            born = len(self.rows) + len(self.outside)
            blindly = born >= self._first and form(config) == form(self.encoding.config(self._drawn(born)))
            self.drawn.append(blindly)
            self.rows[trial] = self.observed.add(point)
            self.names.append(trial)
        if trial in self.rows:
            self.until[self.rows[trial]] = until

    def ended(self, trial: str, status: str) -> None:
        self._answer = None
        row = self.rows.get(trial)
        if row is None:
            return
        self.until.pop(row, None)
        self.over.add(row)
        self.observed.close(row, bad=status in ("diverged", "failed"))
        self._note_fit()

    def exhausted(self) -> None:
        self._answer = None
        self.num_samples = len(self.rows) + len(self.outside)

    def _note_fit(self) -> None:
        scored = int((self.observed.rung >= 0).sum())
        if scored >= self._fit_at:
            self._fit_at = scored * REFIT
            self._snapshot = (self.legs, self.observed.losses.copy())

    # ---- what next

    def next(self) -> Work:
        if self._answer is None:
            self._answer = self._choose()
        return self._answer

    @one_thread()
    def _choose(self) -> Work:
        chance = np.random.default_rng([self.seed, self.legs])
        born = len(self.rows) + len(self.outside)
        may_start = self.num_samples is None or born < self.num_samples
        if may_start and born < self._first:
            return self._start(self._drawn(born))
        belief, able = self._believe(chance), self._able()
        promoted = self._promoted(belief, able)
        if promoted is not None:
            return self._continue(promoted)
        if not may_start:
            return self._last(belief)
        if belief is None or chance.random() < self._random_share():
            return self._start(self._drawn(born))
        point, gain = propose(belief, self.encoding, self.observed.points, chance)
        gains = np.where(able[belief.rows], belief.improvement(), -1.0)
        if gains.max() >= gain and chance.random() < self.declared.continue_share:
            return self._continue(int(belief.rows[np.argmax(gains)]))
        return self._start(point, self._first_look())

    def _last(self, belief: Belief | None) -> Work:
        """Once no trial may start any more: those paused ones go on that are expected to end better than the best.

        While nothing was trained in full the first of all goes on in any case, and without a model, which is with one
        or two trials, all do.
        """
        if belief is None:
            rows, best = np.flatnonzero(self.observed.rung >= 0), math.inf
            expected = self.observed.losses[rows, self.observed.rung[rows]]
        else:
            rows, expected = belief.rows, belief.mean
            best = belief.best if self.over or self.until else math.inf
        expected = np.where(self._paused(rows), expected, math.inf)
        if len(rows) and expected.min() < best:
            return self._continue(int(rows[np.argmin(expected)]))
        return WAIT if self.until else DONE

    def _start(self, point: NDArray[np.float64], rung: int = 0) -> Work:
        return Start(self.rungs[rung], self.encoding.config(point))

    def _first_look(self) -> int:
        """The rung to which a trial of the model's is trained before it is judged.

        What the scores of the first rungs leave open of the last one is noise in the eyes of the regressions. Where the
        model explains most of it by the configuration, every new score at the first rung would only confirm the model
        in what it cannot know: what learns fast. So it is held to a later one, once some trials were trained in full.
        """
        if self.spent < HEADSTART * self.max_epochs or self._process.factor > SMOOTH:
            return 0
        return max(len(self.rungs) - 1 - LATER, 0)

    def _continue(self, row: int) -> Work:
        return Continue(self.names[row], self.rungs[int(self.observed.rung[row]) + 1])

    def _believe(self, chance: np.random.Generator) -> Belief | None:
        observed = self.observed
        features = self.encoding.features(observed.points)
        if self._snapshot is not None:
            (legs, losses), self._snapshot = self._snapshot, None
            data = data_of(features, losses, np.random.default_rng([self.seed, legs]))
            if data is not None:
                self._process.fit(data.features, data.variances, data.values, ITERATIONS)
        data = data_of(features, observed.losses, chance)
        if data is None:
            return None
        rung = observed.rung
        blind = [row for row in self.until if rung[row] < 0]
        final = np.zeros(len(observed), dtype=bool)
        final[list(self.over)] = True
        return believe(self._process, data, features[blind], final)

    def _drawn(self, n: int) -> NDArray[np.float64]:
        """The n-th trial's point if it is drawn blindly: by seed and n alone, so that it is known again."""
        if n < self._first:
            return np.asarray(design(self.encoding.dimensions, self._first, self.seed)[n])
        return np.random.default_rng([self.seed, n, 1]).random(self.encoding.dimensions)

    def _random_share(self) -> float:
        """How often a new trial is drawn blindly: the longer nothing better was found, the more often.

        Where the model is right it has found the best by then, and little is lost; where it is wrong, it would not
        notice.
        """
        stall = (self.spent - self.best_at) / (self.spent + HEADSTART * self.max_epochs)
        (first, last), least = STALL, self.declared.random_share
        return least + (max(STALLED, least) - least) * min(max((stall - first) / (last - first), 0.0), 1.0)

    def _paused(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.array([row not in self.over and row not in self.until for row in rows.tolist()], dtype=bool)

    def _heading(self) -> NDArray[np.int64]:
        """Of each trial the rung where it is or will arrive, -1 before the first."""
        heading = self.observed.rung
        heading[list(self.until)] = np.searchsorted(self.rungs, list(self.until.values()))
        return heading

    def _able(self) -> NDArray[np.bool_]:
        """Of each trial whether it may go on: it waits, and is no copy of one that has gone on."""
        able = self._paused(np.arange(len(self.observed)))
        waiting = np.flatnonzero(able)
        able[waiting] = ~copies(self.observed.losses, self._heading(), waiting, self.declared.reduction_factor)
        return able

    def _promoted(self, belief: Belief | None, able: NDArray[np.bool_]) -> int | None:
        """The row to go on with by its rung's quota: of the trials drawn blindly by their scores, of the others as the
        model ranks them.

        Each kind has quotas of its own. In common ones the model's trials, which lie close together, would fill every
        quota where it is wrong.
        """
        observed, heading, drawn = self.observed, self._heading(), np.array(self.drawn, dtype=bool)
        for kind, ranked in ((drawn, None), (~drawn, belief)):
            if ranked is None:  # by their scores
                rows = np.flatnonzero((observed.rung >= 0) & kind)
                losses = np.asarray(observed.losses[rows, observed.rung[rows]])
            else:
                rows, losses = ranked.rows[kind[ranked.rows]], ranked.mean[kind[ranked.rows]]
            factor = self.declared.reduction_factor
            found = by_quota(observed.losses, heading, able, kind, rows, losses, factor)
            if found is not None:
                return found
        return None
