"""What every scheduler is: reports in, decisions out; asked for work, it names a trial and how far.

Pure: no clock, disk, Ray or global random state, so that a scheduler is tested in microseconds, simulated by
the thousand and rebuilt by replaying the journal.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from orchestune.space import Space


class Decision(enum.Enum):
    """What becomes of the trial that just reported."""

    CONTINUE = "continue"
    PAUSE = "pause"  # the leg is over; `next()` may continue the trial later
    STOP = "stop"  # the trial is over


@dataclass(frozen=True, slots=True)
class Report:
    """One evaluation of one trial. `score`: higher is better, always; non-finite means diverged."""

    trial: str
    epoch: int  # completed ones
    score: float

    @property
    def diverged(self) -> bool:
        return not math.isfinite(self.score)


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a new trial and train it until `until` epochs; the searcher chooses where `config` is None."""

    until: int
    config: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Continue:
    """Train a paused trial on to `until` epochs, from `source`'s checkpoint where that is another trial."""

    trial: str
    until: int
    source: str | None = None
    config: dict[str, Any] | None = None


class Idle(enum.Enum):
    """No leg to hand out: until a report arrives, or for ever."""

    WAIT = "wait"
    DONE = "done"


WAIT, DONE = Idle.WAIT, Idle.DONE
Work = Start | Continue | Idle


class Scheduler(Protocol):
    """Who keeps training. Built afresh for each run, and for each replay of one."""

    @property
    def name(self) -> str:
        """What a table calls it; the reason of a stop is this with the epoch: "asha, epoch 3"."""
        ...

    def decide(self, report: Report) -> Decision:
        """What becomes of the trial that reported; always STOP once it diverged or reached `max_epochs`."""
        ...

    def next(self) -> Work:
        """The next leg to hand out. Changes nothing: the same answer until `started`, `ended` or `decide`."""
        ...

    def started(self, trial: str, start: int, until: int, config: dict[str, Any]) -> None:
        """A leg of `trial` began at epoch `start` (completed ones)."""
        ...

    def ended(self, trial: str, status: str) -> None:
        """`trial` will never report again: finished, stopped, diverged or failed."""
        ...

    def exhausted(self) -> None:
        """There are no configurations left to start: what waits for more trials makes do with those it has."""
        ...


class Declaration(Protocol):
    """The frozen record an experiment holds; `name` is what the command line and the tables call it."""

    @property
    def name(self) -> str: ...

    chooses: ClassVar[bool]  # it fills configurations in by itself

    @property
    def pauses(self) -> bool:
        """Whether trials are continued later, and end with the run: none is over before."""
        ...

    def refuse(self, space: Space, max_epochs: int, num_samples: int | None) -> list[str]:
        """Why it cannot serve such a run, a sentence each; empty where it can."""
        ...

    def build(self, space: Space, max_epochs: int, num_samples: int | None, seed: int) -> Scheduler:
        """A fresh scheduler that has seen nothing; `num_samples` None leaves the number of trials open."""
        ...
