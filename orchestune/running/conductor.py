"""Decides what a run does next and what a report means, and journals each answer before it is acted on.

Between the searcher, the scheduler and the journal on one side and Ray on the other. It knows no Ray: `feed.py` and
`gate.py` ask it, and a test or a simulation may do the same. Its whole state can be had again from the journal.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from orchestune.errors import CheckpointDamaged, RunAborted, StorageError
from orchestune.experiment import Experiment
from orchestune.running import events
from orchestune.running.failure import Failure
from orchestune.running.finale import Finale
from orchestune.running.journal import Event, Journal
from orchestune.running.record import Record, Trial
from orchestune.running.verdict import score_of, verdict
from orchestune.schedulers.base import DONE, WAIT, Continue, Decision, Report, Start
from orchestune.searchers.base import FINISHED
from orchestune.training.checkpoint import CheckpointStore, Manifest
from orchestune.training.legs import Leg

SAME_ERRORS = 3  # so many trials in a row with one traceback: it is the code, not the configuration

Observer = Callable[[Event, Record], None]


class Conductor:
    """The one object that knows what is live."""

    def __init__(
        self,
        experiment: Experiment,
        journal: Journal,
        store: CheckpointStore,
        *,
        observe: Observer = lambda event, record: None,
        say: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.experiment = experiment
        self.slots = 0  # how many legs may be live at a time; known once Ray is there
        self.record = Record()
        self._journal, self._store = journal, store
        self._observe, self._say, self._clock = observe, say, clock
        self._searcher, self._scheduler = experiment.build_searcher(), experiment.build_scheduler()
        self._finale = Finale(store, self.folder / "best", experiment.max_retries, say)
        self._live: dict[tuple[str, int], Leg] = {}
        self._interrupted: list[Trial] = []  # whose leg was lost: they go on before anything else
        self._exhausted = False  # the searcher has no more questions
        self._ending: str | None = None  # why the run hands out no more legs
        self._same_errors = ("", 0)  # the last code error's signature, and how often it came in a row
        self._replay(journal.events)

    @property
    def folder(self) -> Path:
        """The run's."""
        return self._journal.path.parent

    @property
    def over(self) -> bool:
        return self.record.run_end is not None

    # ---- the past

    def _replay(self, events: list[Event]) -> None:
        """Takes the journal in as if it happened again; its word is final."""
        for event in events:
            if event["event"] == "report":
                self._scheduler.decide(self._as_report(event))
            self._take(event)

    def begin(self, session: dict[str, Any], slots: int) -> None:
        """Opens this session, of at most `slots` legs at a time, and writes the ends that a dead driver could not."""
        self.slots = slots
        self._commit({"event": "session", **session})
        for trial in self.record.open:
            if trial.leg_open:
                self._commit(events.leg_end(trial, "driver_died"))
            if trial.decision == "stop":
                self._commit(events.end(trial, str(trial.status_due), trial.why))
            elif trial.decision != "pause":
                self._interrupted.append(trial)

    def interrupt(self) -> None:
        """Closes this session before its time; the live legs go on at the next one."""
        for trial in self.record.open:
            if trial.leg_open:
                self._commit(events.leg_end(trial, "interrupted"))

    # ---- what next

    def next_leg(self) -> Leg | str | None:
        """A leg to train, None while there is nothing to do but wait, FINISHED at the end of the run."""
        if self.over:
            return FINISHED
        budget = self.experiment.time_budget_s
        if budget is not None and self.record.elapsed_at(self._clock()) >= budget:
            self._ending = self._ending or "time_budget"
        if len(self._live) >= self.slots:
            return None
        leg = None if self._ending else self._next_of_trials()
        if leg is None and self._ending and not self._live:
            leg = self._close()
        if leg is not None:
            self._live[leg.trial, leg.leg] = leg
        return FINISHED if self.over else leg

    def _next_of_trials(self) -> Leg | None:
        while self._interrupted:
            trial = self._interrupted.pop(0)
            checkpoint = self._store.newest(trial.id, self._say)
            if checkpoint is None or self._catch_up(trial, checkpoint):
                return self._begun(trial, checkpoint, trial.until)
            if self._ending:  # what its checkpoint had to tell has met a limit
                return None
        work = self._scheduler.next()
        if isinstance(work, Continue):
            trial = self.record.trials[work.trial]
            source = self._store.newest(work.source or trial.id, self._say)
            return self._begun(trial, source, work.until, work.config)
        if isinstance(work, Start) and not self._exhausted:
            number = len(self.record.trials)
            config = self._searcher.ask(number) if work.config is None else work.config
            if isinstance(config, dict):
                return self._begun(Trial(f"{number:04d}", config, self.record.maximize), None, work.until)
            self._exhausted = config == FINISHED
        if not self._live:
            if work is WAIT:
                raise RuntimeError(f"{self.experiment.scheduler} waits although nothing is live")
            if work is DONE or self._exhausted:
                self._ending = self._ending or "done"
        return None

    def _begun(self, trial: Trial, source: Manifest | None, until: int, config: dict[str, Any] | None = None) -> Leg:
        """The trial's next leg, its older ones fenced off."""
        place = source.place if source else None
        start = (place.trial, place.leg, place.epoch) if place else None
        number = trial.leg + 1
        self._store.fence(trial.id, number)
        self._commit({"event": "leg", "trial": trial.id, "leg": number, "config": config or trial.config,
                      "from": start, "until": until})  # fmt: skip
        return self._leg(trial, number, start, until)

    def _leg(self, trial: Trial, number: int, start: tuple[str, int, int] | None, until: int, **purpose: str) -> Leg:
        e = self.experiment
        return Leg(
            trial=trial.id, leg=number, start=start, until=until, store=str(self._store.root),
            seed=trial_seed(e.seed, trial.number), metric=e.metric, mode=e.mode,
            checkpoint_every=e.checkpoint_every, **purpose,
        )  # fmt: skip

    def config_of(self, leg: Leg) -> dict[str, Any]:
        return self.record.trials[leg.trial].config

    # ---- a report

    def report(self, leg: Leg, report: dict[str, Any]) -> Decision:
        """What becomes of the leg whose newest epoch this was. Raises RunAborted, StorageError."""
        if leg.purpose == "test":
            self._finale.test = report["test"]
            return Decision.STOP
        trial = self.record.trials[leg.trial]
        if report["epoch"] <= trial.epochs:  # trained again after a loss: it was told to go on from there
            return Decision.CONTINUE
        return self._judge(trial, leg.leg, report)

    def _judge(self, trial: Trial, leg: int, report: dict[str, Any]) -> Decision:
        epoch, score = report["epoch"], score_of(self.experiment, trial.id, report)
        event = {"event": "report", "trial": trial.id, "leg": leg, "epoch": epoch, "score": score,
                 "metrics": report["metrics"], "seconds": report["seconds"]}  # fmt: skip
        decision = self._scheduler.decide(self._as_report(event))
        done = bool(report.get("done"))
        judged = verdict(self.experiment, epoch, score, decision, done=done, ending=self._ending)
        event |= judged.to_json()
        if judged.decision is Decision.STOP:
            self._same_errors = ("", 0)
            self._commit(event, events.end(trial, str(judged.status), str(judged.why)))
        elif judged.decision is Decision.PAUSE:
            self._commit(event, events.leg_end(trial, "pause"))
        else:
            self._commit(event)
        return judged.decision

    def _catch_up(self, trial: Trial, checkpoint: Manifest) -> bool:
        """Journals what checkpoints say beyond the journal; True where the trial may go on from there."""
        for place in self._store.places(trial.id):
            if trial.epochs < place.epoch <= checkpoint.place.epoch:
                try:
                    ahead = [r for r in self._store.manifest(place).reports if r["epoch"] > trial.epochs]
                except CheckpointDamaged as damage:
                    self._say(f"its reports are lost to the journal: {damage}")
                    continue
                for report in ahead:
                    if self._judge(trial, place.leg, report) is not Decision.CONTINUE:
                        return False
        return True

    # ---- the end of a leg

    def released(self, leg: Leg) -> None:
        """Ray has let go of the leg's actor."""
        self._live.pop((leg.trial, leg.leg), None)

    def failed(self, leg: Leg, failure: Failure) -> None:
        """The leg broke off. Raises StorageError, and RunAborted where the same code fails again and again."""
        self.released(leg)
        if failure.fault == "storage":
            raise StorageError(f"{failure.error}. Make room, then resume.")
        if leg.purpose == "test":
            self._finale.failed(failure.error, retry=failure.fault == "machine")
            return
        trial = self.record.trials[leg.trial]
        if failure.fault == "machine":
            self._commit(events.leg_end(trial, "worker_died", failure.error))
            if trial.retries <= self.experiment.max_retries:
                self._interrupted.append(trial)
                return
            why = f"its worker died {trial.retries} times without progress"
        else:
            self._commit(events.leg_end(trial, "error", failure.error))
            why = failure.error.strip().splitlines()[-1]
        self._commit(events.end(trial, "failed", why, fault=failure.fault, error=failure.error))
        if failure.fault == "code":
            signature, times = self._same_errors
            self._same_errors = (failure.signature, times + 1 if signature == failure.signature else 1)
            if self._same_errors[1] >= SAME_ERRORS:
                raise RunAborted(f"{SAME_ERRORS} trials in a row failed at the same place:\n{failure.error}")

    # ---- the end of the run

    def _close(self) -> Leg | None:
        """Nothing is live any more: the last trials' ends, the one look at the test split, the end of the run."""
        for trial in self.record.open:
            self._commit(events.end(trial, "stopped", f"{self._ending}, epoch {trial.epochs}"))
        winner, place = self.record.best, self._finale.place(self.record)
        if winner and place:
            if self._finale.wants_test() and hasattr(self.experiment.trainable, "test"):
                start = (place.trial, place.leg, place.epoch)
                return self._leg(winner, winner.leg, start, place.epoch, purpose="test")
            self._finale.put_aside(place, winner.config)
        self._commit({"event": "run_end", "why": self._ending, **self._finale.to_json()})
        return None

    # ---- events

    def _commit(self, *events: Event) -> None:
        """Durable first, then true."""
        now = round(self._clock(), 3)
        stamped = [{"event": event["event"], "t": now, **event} for event in events]
        self._journal.append(*stamped)
        for event in stamped:
            self._take(event)
            self._observe(event, self.record)

    def _take(self, event: Event) -> None:
        """Tells all who keep a memory. The scheduler has decided on a report before."""
        self.record.apply(event)
        kind = event["event"]
        if kind not in ("leg", "report", "end"):
            return
        trial = self.record.trials[event["trial"]]
        if kind == "leg":
            if event["leg"] == 1:
                self._searcher.born(trial.number, trial.config)
            start = event["from"][2] if event["from"] else 0
            self._scheduler.started(trial.id, start, event["until"], event["config"])
            return
        ended = kind == "end"
        self._searcher.tell(trial.number, self._lesson(trial), ended)
        if ended:
            self._scheduler.ended(trial.id, event["status"])
        elif event["score"] is not None and self.experiment.reached(event["score"]):
            self._ending = "stop_at_score"

    def _lesson(self, trial: Trial) -> dict[int, float]:
        """What the searcher is to learn: nothing good of a configuration that made its trial fail."""
        if trial.fault in ("config", "code"):
            return {}
        return {epoch: self.experiment.sign * score for epoch, score in trial.scores.items()}

    def _as_report(self, event: Event) -> Report:
        score = math.nan if event["score"] is None else self.experiment.sign * event["score"]
        return Report(event["trial"], event["epoch"], score)


def trial_seed(seed: int, number: int) -> int:
    """The seed of the `number`-th trial of an experiment with this seed."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
