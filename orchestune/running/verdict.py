"""What a report means for its trial: the scheduler's word, and the limits that stand above it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestune.errors import RunAborted
from orchestune.experiment import Experiment
from orchestune.schedulers.base import Decision


@dataclass(frozen=True)
class Verdict:
    """`status` and `why` say how the trial ends, where the decision is STOP."""

    decision: Decision
    status: str | None = None
    why: str | None = None

    def to_json(self) -> dict[str, Any]:
        ending = {"status": self.status, "why": self.why} if self.status else {}
        return {"decision": self.decision.value, **ending}


def score_of(experiment: Experiment, trial: str, report: dict[str, Any]) -> float | None:
    """The metric's value, None where it is not finite. Raises RunAborted where it is absent or no number."""
    metrics = report["metrics"]
    value: float | str | None = metrics.get(experiment.metric, "absent")
    if isinstance(value, str | bool):
        reported = ", ".join(sorted(metrics)) or "nothing"
        raise RunAborted(
            f"metric {experiment.metric!r} is {'absent from' if value == 'absent' else 'no number in'} the report of "
            f"trial {trial} at epoch {report['epoch']}. Reported: {reported}."
        )
    return value


def verdict(
    experiment: Experiment,
    epoch: int,
    score: float | None,
    decision: Decision,
    *,
    rule: str,
    done: bool,
    ending: str | None,
) -> Verdict:
    """`decision` is the scheduler's, by its `rule`; `done`: the trainable has had enough; `ending`: why the whole run
    is ending."""

    def stop(status: str, why: str) -> Verdict:
        return Verdict(Decision.STOP, status, f"{why}, epoch {epoch}")

    if score is None:
        return stop("diverged", f"{experiment.metric} is not finite")
    if experiment.reached(score):
        return stop("finished", "stop_at_score")
    if epoch >= experiment.max_epochs:
        return stop("finished", "max_epochs")
    if done:
        return stop("finished", "the trainable is done")
    if decision is Decision.STOP:
        return stop("stopped", rule)
    if ending:
        return stop("stopped", ending)
    return Verdict(decision)
