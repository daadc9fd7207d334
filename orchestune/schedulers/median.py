"""The median stopping rule: whoever never did as well as the others usually do is stopped.

Golovin et al. 2017, "Google Vizier: A Service for Black-Box Optimization" (KDD), section 3.2.2.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from orchestune.schedulers.base import Report
from orchestune.schedulers.stopping import Stopping

if TYPE_CHECKING:
    from orchestune.space import Space


@dataclass(frozen=True, kw_only=True)
class Median:
    """Stops a trial whose best score so far is below the median of what the others scored up to there on average.

    The others are those that have reached the same epoch, each with the mean of its scores up to it.
    """

    grace_period: int = 1  # epochs before any trial may be stopped
    min_samples: int = 3  # other trials that must have reached an epoch before any is stopped there

    name: ClassVar[str] = "median"
    pauses: ClassVar[bool] = False
    chooses: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for field in ("grace_period", "min_samples"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"Median({field}={value!r}): an int of at least 1")

    def refuse(self, space: Space, max_epochs: int, num_samples: int | None) -> list[str]:
        refusals = []
        if self.grace_period >= max_epochs:
            refusals.append(
                f"median: grace_period={self.grace_period} is not below max_epochs={max_epochs}, so that it would stop "
                "nothing; lower it, raise max_epochs, or use 'fifo'"
            )
        if num_samples is not None and num_samples <= self.min_samples:
            refusals.append(
                f"median: num_samples={num_samples} is not above min_samples={self.min_samples}, so that it would stop "
                "nothing; raise num_samples, lower min_samples, or use 'fifo'"
            )
        return refusals

    def build(self, space: Space, max_epochs: int, num_samples: int | None, seed: int) -> MedianScheduler:
        return MedianScheduler(self, max_epochs, num_samples)


@dataclass
class _Course:
    """One trial's scores so far."""

    epoch: int = 0  # the last that is settled
    total: Fraction = Fraction(0)  # exact: the unit of the scores must not decide between equals
    count: int = 0
    best: float = float("-inf")


class MedianScheduler(Stopping):
    """The running averages of all trials, sorted, for each epoch that one has reached.

    An epoch that is passed over, by a trainable that reports less often, has the average of the report before it.
    """

    name = Median.name

    def __init__(self, declared: Median, max_epochs: int, num_samples: int | None) -> None:
        super().__init__(max_epochs, num_samples)
        self.declared = declared
        self.averages: dict[int, list[Fraction]] = {}  # epoch -> of the trials that have reached it
        self._courses: dict[str, _Course] = {}

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        super().started(trial, start, until, config)
        course = self._courses.setdefault(trial, _Course())
        course.epoch = max(start, course.epoch)

    def keeps(self, report: Report) -> bool:
        course = self._courses.setdefault(report.trial, _Course())
        if report.epoch <= course.epoch:  # reported again after a loss
            return True
        if course.count:
            for passed in range(course.epoch + 1, report.epoch):
                insort(self.averages.setdefault(passed, []), course.total / course.count)
        course.epoch, course.best = report.epoch, max(course.best, report.score)
        course.total, course.count = course.total + Fraction(report.score), course.count + 1
        others = self.averages.setdefault(report.epoch, [])
        good = (
            report.epoch < self.declared.grace_period
            or len(others) < self.declared.min_samples
            or course.best >= _median(others)
        )
        insort(others, course.total / course.count)
        return good


def _median(ordered: list[Fraction]) -> Fraction:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
