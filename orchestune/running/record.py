"""What a journal says happened: the events folded into trials. Reading only; imports neither Ray nor torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from orchestune.running.journal import Event

ENDED = ("finished", "stopped", "diverged", "failed")


@dataclass(frozen=True)
class Turn:
    """A trial that went on with another configuration, or from another trial's weights."""

    leg: int  # the first one after it
    epoch: int  # of the trial, completed before it
    config: dict[str, Any]  # the trial's before it


@dataclass
class Trial:
    """One configuration and all that became of it, over every leg; or several, one after another."""

    id: str
    config: dict[str, Any]  # of the newest leg
    maximize: bool
    until: int = 0
    leg: int = 0  # the newest leg's number
    leg_open: bool = False  # a worker has it, or had it when the driver died
    scores: dict[int, float] = field(default_factory=dict)  # epoch -> score as reported; NaN where diverged
    curves: dict[str, dict[int, float]] = field(default_factory=dict)  # of each metric that is a number, the same
    decision: str | None = None  # the last report's
    retries: int = 0  # legs lost since the last report
    status: str | None = None  # one of ENDED, or None
    status_due: str | None = None  # how it is to end, by the last report's decision
    why: str = ""
    fault: str | None = None
    error: str | None = None
    seconds: float = 0.0  # spent in training and evaluation
    seed: int | None = None
    spent: dict[str, float] = field(default_factory=dict)  # seconds by part: train_s, of it data_s, evaluate_s, ...
    examples: float = 0.0  # trained on, over all epochs
    hosts: list[str] = field(default_factory=list)  # the machines that trained it, one after another
    turns: list[Turn] = field(default_factory=list)  # oldest first
    metric: str = ""  # whose values are its scores
    refines: bool = False  # its newest score counts, as the mean over the most folds does, and not its best one

    @property
    def number(self) -> int:
        return int(self.id)

    @property
    def epochs(self) -> int:
        """Completed ones."""
        return max(self.scores, default=0)

    @property
    def state(self) -> str:
        """The word for tables: how it ended, or where it is."""
        if self.status:
            return self.status
        if self.leg_open:
            return "running"
        return "paused" if self.decision == "pause" else "waiting"

    @property
    def best(self) -> tuple[int, float] | None:
        """(epoch, score) of its best epoch, the earliest of equals; None while no score is finite.

        Of the newest epoch where each refines the score of the same model: a first fold that was lucky is no result.
        """
        finite = [(epoch, score) for epoch, score in self.scores.items() if math.isfinite(score)]
        if not finite:
            return None
        if self.refines:
            return max(finite)
        sign = 1 if self.maximize else -1
        return max(finite, key=lambda pair: (sign * pair[1], -pair[0]))

    @property
    def spread(self) -> float | None:
        """The standard deviation of its best epoch's score over the trainings of its configuration; None of one."""
        spreads = self.curves.get(f"{self.metric}_sd", {})
        return spreads.get(self.best[0]) if self.best else None

    @property
    def best_config(self) -> dict[str, Any]:
        """What its best epoch was trained with."""
        return self.config_at(self.best[0]) if self.best else self.config

    def config_at(self, epoch: int) -> dict[str, Any]:
        """What it was trained with up to the report of `epoch`."""
        return next((turn.config for turn in self.turns if epoch <= turn.epoch), self.config)

    def trained(self, leg: int, epoch: int) -> bool:
        """Whether a checkpoint of this leg and epoch is what was reported as that epoch: not so where the leg goes on
        from weights taken over at it."""
        return sum(turn.leg <= leg for turn in self.turns) == sum(turn.epoch < epoch for turn in self.turns)

    @property
    def may_win(self) -> bool:
        return self.status not in ("diverged", "failed") and self.best is not None


@dataclass
class Record:
    """A run as its journal tells it: what an experiment's `answer` is given.

    `trials` by id, oldest first, each with its `curves`; `best` the winner; `test` its metrics on data the search never
    saw; `metric` and `maximize` say what scores are; `question` holds every setting, `epochs` and `elapsed` what was
    spent.
    """

    question: dict[str, Any] = field(default_factory=dict)
    trials: dict[str, Trial] = field(default_factory=dict)
    session: Event = field(default_factory=dict)  # the newest
    run_end: Event | None = None
    elapsed: float = 0.0  # seconds, over all sessions
    reports: int = 0
    ended: int = 0  # trials
    _since: float = 0.0  # when the newest session began
    _before: float = 0.0  # seconds of the sessions before it

    @classmethod
    def of(cls, events: Iterable[Event]) -> Record:
        record = cls()
        for event in events:
            record.apply(event)
        return record

    @property
    def metric(self) -> str:
        return str(self.question["metric"])

    @property
    def maximize(self) -> bool:
        return bool(self.question["mode"] == "max")

    @property
    def best(self) -> Trial | None:
        """The trial with the best epoch, the oldest of equals; a diverged or failed one never wins.

        Where epochs refine a score, only trials with the most of them are compared: a mean over five folds is not
        beaten by one over two.
        """
        return max(self.ranked, key=lambda trial: (self._worth(trial), -trial.number), default=None)

    @property
    def ties(self) -> list[Trial]:
        """The trials whose score is the winner's, the winner among them, oldest first."""
        winner = self.best
        return [trial for trial in self.ranked if winner and self._worth(trial) == self._worth(winner)]

    @property
    def ranked(self) -> list[Trial]:
        """Those that may win, oldest first."""
        able = [trial for trial in self.trials.values() if trial.may_win]
        most = max((trial.epochs for trial in able), default=0)
        return [trial for trial in able if not trial.refines or trial.epochs == most]

    @property
    def test(self) -> dict[str, Any]:
        """The winner's metrics on the test split, numbers and texts; empty before the end, and where there is none."""
        return (self.run_end or {}).get("test") or {}

    def _worth(self, trial: Trial) -> float:
        return (1 if self.maximize else -1) * (trial.best or (0, 0.0))[1]

    @property
    def open(self) -> list[Trial]:
        """Trials that have not ended, oldest first."""
        return [trial for trial in self.trials.values() if trial.status is None]

    @property
    def faulty(self) -> list[Trial]:
        """Trials that failed by the code's or the machine's fault; a configuration's own fault does not count."""
        return [trial for trial in self.trials.values() if trial.fault in ("code", "machine")]

    @property
    def epochs(self) -> int:
        return sum(trial.epochs for trial in self.trials.values())

    def apply(self, event: Event) -> None:
        """Takes the next event in."""
        getattr(self, f"_on_{event['event']}")(event)
        self.elapsed = self.elapsed_at(event["t"])

    def elapsed_at(self, now: float) -> float:
        """Seconds over all sessions, the present one until `now` (seconds since 1970)."""
        return self._before + max(0.0, now - self._since)

    def _on_question(self, event: Event) -> None:
        self.question = event["question"]
        self._since = event["t"]

    def _on_session(self, event: Event) -> None:
        self.session = event
        self._before, self._since = self.elapsed, event["t"]

    def _on_leg(self, event: Event) -> None:
        trial = self.trials.get(event["trial"])
        if trial is None:
            refines = bool(self.question.get("refines_score"))
            trial = Trial(event["trial"], event["config"], self.maximize, metric=self.metric, refines=refines)
            self.trials[trial.id] = trial
        start = event["from"]
        if event["config"] != trial.config or (start and start[0] != trial.id):
            trial.turns.append(Turn(event["leg"], trial.epochs, trial.config))
            trial.config = event["config"]
        trial.leg, trial.leg_open, trial.until = event["leg"], True, event["until"]
        trial.seed = event.get("seed")
        trial.decision = None if trial.decision == "pause" else trial.decision

    def _on_report(self, event: Event) -> None:
        self.reports += 1
        trial = self.trials[event["trial"]]
        score = event["score"]
        trial.scores[event["epoch"]] = math.nan if score is None else score
        for name, value in event.get("metrics", {}).items():
            if may_be_number(value):
                trial.curves.setdefault(name, {})[event["epoch"]] = math.nan if value is None else value
        trial.decision, trial.retries = event["decision"], 0
        trial.status_due, trial.why = event.get("status"), event.get("why", "")
        trial.seconds += event["seconds"]
        if "host" in event and event["host"] != (trial.hosts[-1] if trial.hosts else None):
            trial.hosts.append(event["host"])
        if "new" in event:  # what the trial was not asked for, and drew
            trial.config = _with_new(trial.config, event["new"])
        telemetry = event.get("telemetry", {})
        for part, seconds in telemetry.items():
            if part.endswith("_s"):
                trial.spent[part] = trial.spent.get(part, 0.0) + seconds
        trial.examples += telemetry.get("examples_per_second", 0.0) * telemetry.get("train_s", 0.0)

    def _on_leg_end(self, event: Event) -> None:
        trial = self.trials[event["trial"]]
        trial.leg_open, trial.error = False, event["error"]
        trial.retries += event["why"] == "worker_died"

    def _on_end(self, event: Event) -> None:
        trial = self.trials[event["trial"]]
        trial.leg_open = False
        self.ended += trial.status is None
        trial.status, trial.why, trial.fault = event["status"], event["why"], event["fault"]
        trial.error = event.get("error")

    def _on_run_end(self, event: Event) -> None:
        self.run_end = event


def _with_new(config: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    from orchestune.space.growth import placed  # here: few runs need it, and reading one is to be quick

    for name, told in new.items():
        config = placed(config, name, told["value"])
    return config


def may_be_number(value: Any) -> bool:
    """Of a reported metric: the journal has None for a number that is not finite."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
