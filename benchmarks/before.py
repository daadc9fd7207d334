"""What was made cheaper, as it was: to be measured beside what it is now."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from orchestune.console import ProgressConsole
from orchestune.schedulers import Continue, Report, Start, Work
from orchestune.schedulers.asha import AshaScheduler
from orchestune.schedulers.hyperband import HyperBandScheduler
from orchestune.schedulers.promoting import PromotingScheduler


class EveryScore(AshaScheduler):
    """The percentile of a whole rung for each report there."""

    def keeps(self, report: Report) -> bool:
        scores = self.rungs[report.epoch]
        good = not scores or report.score >= float(np.percentile(scores, self.keep * 100))
        scores.append(report.score)
        return good


class EveryPlace(PromotingScheduler):
    """All the best of each rung are looked at for one that has not gone on."""

    def __init__(self, *declared: Any) -> None:
        super().__init__(*declared)
        self.promoted: list[set[str]] = [set() for _ in self.rungs]

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        super().started(trial, start, until, config)
        for below in range(self._level(until)):
            self.promoted[below].add(trial)

    def next(self) -> Work:
        for level in range(len(self.rungs) - 2, -1, -1):
            best = int(len(self.ranked[level]) // self.factor)
            for _, _, trial in islice(self.ranked[level], best):
                if trial not in self.promoted[level] and trial not in self.over:
                    return Continue(trial, self.rungs[level + 1])
        return Start(self.rungs[0]) if self.may_start else self.idle


class EveryBracket(HyperBandScheduler):
    """All brackets are looked at, those that are done as well."""

    def next(self) -> Work:
        self._going = list(self.brackets)
        return super().next()


class EveryEvent(ProgressConsole):
    """The live table made anew at every event."""

    def _show_in_time(self) -> None:
        self._show()
