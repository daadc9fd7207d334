"""Asynchronous successive halving: at a few epochs, the rungs, only the better part of the trials goes on.

Li et al. 2018, "A System for Massively Parallel Hyperparameter Tuning" (arXiv 1810.05934). The scheduler here is the
stopping variant of Ray's `AsyncHyperBandScheduler` with one bracket, whose decisions it shares on finite scores at the
rungs. It leaves Ray's where a diverged trial is stopped and enters no rung, and where a report is recorded at
one rung at most.
"""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from orchestune.schedulers.base import Report, Scheduler
from orchestune.schedulers.percentile import percentile
from orchestune.schedulers.promoting import PromotingScheduler
from orchestune.schedulers.stopping import Stopping

if TYPE_CHECKING:
    from orchestune.space import Space


@dataclass(frozen=True, kw_only=True)
class Asha:
    """Stops a trial that arrives at a rung below the best 1/`reduction_factor` of those there before.

    The first to arrive at a rung always goes on, and so do trials that arrive in improving order: nothing
    waits for a rung to fill, at the price of a budget above synchronous halving's. With `promote`, as in the paper, a
    trial waits at each rung until it is among the best 1/`reduction_factor` of all that came there so far: cheaper, and
    slower to have its first trial trained to the end.
    """

    grace_period: int = 1  # epochs before any trial may be stopped: the first rung
    reduction_factor: float = 4  # rung to rung: epochs grow and trials shrink by it
    promote: bool = False  # pause at the rungs and go on with the best, instead of stopping the others

    name: ClassVar[str] = "asha"
    chooses: ClassVar[bool] = False

    def __post_init__(self) -> None:
        period, factor = self.grace_period, self.reduction_factor
        if isinstance(period, bool) or not isinstance(period, int) or period < 1:
            raise ValueError(f"Asha(grace_period={period!r}): epochs, an int of at least 1")
        if not isinstance(factor, int | float) or not 1 < factor < math.inf:
            raise ValueError(f"Asha(reduction_factor={factor!r}): a finite number above 1, usually 2 to 4")
        if not isinstance(self.promote, bool):
            raise ValueError(f"Asha(promote={self.promote!r}): True or False")

    @property
    def pauses(self) -> bool:
        return self.promote

    def refuse(self, space: Space, max_epochs: int, num_samples: int | None) -> list[str]:
        refusals = []
        if self.grace_period > max_epochs:
            refusals.append(
                f"asha: grace_period={self.grace_period} is more than max_epochs={max_epochs}, so that it would "
                f"stop nothing; set grace_period to at most {max_epochs}, raise max_epochs, or use 'fifo'"
            )
        if self.promote and num_samples is not None and num_samples < self.reduction_factor:
            refusals.append(
                f"asha: with promote=True one trial in reduction_factor={self.reduction_factor} goes on, which of "
                f"num_samples={num_samples} is none; raise num_samples or lower reduction_factor"
            )
        return refusals

    def build(self, space: Space, max_epochs: int, num_samples: int | None, seed: int) -> Scheduler:
        if self.promote:
            return PromotingScheduler(self.grace_period, self.reduction_factor, max_epochs, num_samples)
        return AshaScheduler(self, max_epochs, num_samples)


class AshaScheduler(Stopping):
    """The rungs, and who was recorded there.

    A report counts at the highest rung that its trial has reached since its report before (or since the epoch
    at which it entered this run), and at no other. With one report an epoch that is the report of the rung's
    own epoch; a trainable that reports less often counts with its first report past the rung; what a retry
    reports again counts nowhere.
    """

    name = Asha.name

    def __init__(self, asha: Asha, max_epochs: int, num_samples: int | None) -> None:
        super().__init__(max_epochs, num_samples)
        self.keep = 1 - 1 / asha.reduction_factor  # a newcomer has to reach this quantile of a rung
        self.rungs: dict[float, list[float]] = {}  # epoch -> scores, which ascend as the epochs do
        rung: float = asha.grace_period
        while rung < max_epochs:
            self.rungs[rung] = []
            rung *= asha.reduction_factor
        self.seen: dict[str, int] = {}  # trial -> the last epoch that is settled for it

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        super().started(trial, start, until, config)
        self.seen[trial] = max(start, self.seen.get(trial, 0))

    def keeps(self, report: Report) -> bool:
        before = self.seen.get(report.trial, 0)
        self.seen[report.trial] = max(before, report.epoch)
        reached = [rung for rung in self.rungs if before < rung <= report.epoch]
        if not reached:
            return True
        scores = self.rungs[reached[-1]]
        # Interpolated between two neighbors, as in Ray: there their distance counts, elsewhere only order.
        good = not scores or report.score >= percentile(scores, self.keep * 100)
        insort(scores, report.score)
        return good
