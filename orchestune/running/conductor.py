"""Decides what a run does next and what a report means, and journals each answer before it is acted on.

Between the searcher, the scheduler and the journal on one side and Ray on the other. It knows no Ray: `feed.py` and
`gate.py` ask it, and a test or a simulation may do the same. Its whole state can be had again from the journal.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestune.errors import CheckpointDamaged, DataError, StorageError
from orchestune.experiment import Experiment
from orchestune.running import events
from orchestune.running.admission import Admission, Refused
from orchestune.running.agenda import Agenda, Due
from orchestune.running.failure import Failure, Streak
from orchestune.running.finale import Finale
from orchestune.running.growing import scheduler_of, searcher_of
from orchestune.running.journal import Event, Journal
from orchestune.running.memory import Memory
from orchestune.running.record import Record, Trial
from orchestune.running.room import Room
from orchestune.running.seeds import trial_seed
from orchestune.running.verdict import score_of, verdict
from orchestune.schedulers.base import WAIT, Decision
from orchestune.schedulers.early_stopping import rule
from orchestune.searchers.base import FINISHED
from orchestune.training.checkpoint import CheckpointStore, Manifest
from orchestune.training.files import data_folder
from orchestune.training.legs import Leg
from orchestune.training.resources import Resources

ENDING = {"data": DataError, "storage": StorageError}
REFUSALS = 100  # so many trials may be refused before Tune has its turn again, and sees whether Ctrl-C was pressed
Observer = Callable[[Event, Record], None]
At = tuple[str, int, int] | None  # the checkpoint that a leg starts from: trial, leg, epoch


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
        self._journal, self._store = journal, store
        self._observe, self._say, self._clock = observe, say, clock
        searcher, scheduler = searcher_of(experiment), scheduler_of(experiment)
        self._memory = Memory(searcher, scheduler, experiment.mode, experiment.reached)
        self._finale = Finale(store, self.folder / "best", experiment.max_retries, say)
        self._agenda = Agenda(searcher, scheduler)
        self._admission = Admission(experiment, Room([]))  # the room is known once Ray is there
        self._limit: str | None = None  # what else has ended the run
        self._streak = Streak()
        self._memory.replay(journal.events)

    @property
    def record(self) -> Record:
        return self._memory.record

    @property
    def folder(self) -> Path:
        """The run's."""
        return self._journal.path.parent

    @property
    def _ending(self) -> str | None:
        """Why the run hands out no more legs."""
        return "stop_at_score" if self._memory.reached else self._limit

    @property
    def over(self) -> bool:
        return self.record.run_end is not None

    @property
    def _room(self) -> Room:
        return self._admission.room

    # ---- a session

    def begin(self, session: dict[str, Any], room: Room) -> None:
        """Opens this session in the `room` there is, and writes the ends that a dead driver could not.

        Raises ClusterError where a trial has trained on a larger cluster than this.
        """
        self._admission = Admission(self.experiment, room)
        for trial in self.record.open:
            if trial.epochs:
                self._admission.needs_again(trial)
        self._commit({"event": "session", **session})
        for trial in self.record.open:
            if trial.leg_open:
                self._commit(events.leg_end(trial, "driver_died"))
            if trial.decision == "stop":
                self._commit(events.end(trial, str(trial.status_due), trial.why))
            elif trial.decision != "pause":
                self._agenda.lost(trial)

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
        self._room.refresh(self._say)
        leg = self._next_of_trials()
        if leg is None and self._ending and self._room.is_empty:
            leg = self._close()
        if leg is not None:
            self._room.enter(leg)
        return FINISHED if self.over else leg

    def _next_of_trials(self) -> Leg | None:
        for _ in range(REFUSALS):
            budget = self.experiment.time_budget_s
            if budget is not None and self.record.elapsed_at(self._clock()) >= budget:
                self._limit = self._limit or "time_budget"
            if self._ending or not self._admission.is_open:
                return None
            due = self._agenda.due(self.record)
            if not isinstance(due, Due):
                if self._room.is_empty:
                    if due is WAIT:
                        raise RuntimeError(f"{self.experiment.pair.scheduler} waits although nothing is live")
                    self._limit = "done"
                return None
            try:
                needs = self._admission.needs(due)
            except Refused as refused:
                self._agenda.settled(due)
                self._refuse(due, refused.failure)
                continue
            if not self._room.fits(needs):
                return None  # it stays due
            self._agenda.settled(due)
            if leg := self._begun(due, needs):
                return leg
        return None

    def _refuse(self, due: Due, failure: Failure) -> None:
        """A trial whose leg cannot begin has failed; one that is new is born for it, since its question was asked."""
        trial = due.trial
        birth = events.leg(trial, 1, due.config, None, due.until, self._seed(trial))
        self._fail(trial, failure, *([] if trial.id in self.record.trials else [birth]))

    def _begun(self, due: Due, needs: Resources) -> Leg | None:
        """The trial's next leg, its older ones fenced off; None where its checkpoint says that it is over."""
        trial = due.trial
        source = self._store.newest(due.source, self._say) if due.source else None
        if source and due.lost and not self._catch_up(trial, source):
            return None
        number = trial.leg + 1
        self._store.fence(trial.id, number)
        place = self._store.adopt(source.place, trial.id, number, self._say) if source else None
        if source and not place:
            return self._begun(due, needs)
        config = trial.config if due.lost else due.config  # what was caught up on may have added to it
        start, origin = (place.at, source.place.at) if source and place else (None, None)
        self._commit(events.leg(trial, number, config, origin, due.until, self._seed(trial)))
        return self._leg(trial, number, start, due.until, needs)

    def _leg(self, trial: Trial, number: int, start: At, until: int, needs: Resources, **purpose: str) -> Leg:
        e, folder = self.experiment, data_folder()
        return Leg(
            trial=trial.id, leg=number, start=start, until=until, store=self._store.depot.where,
            seed=self._seed(trial), metric=e.metric, mode=e.mode, max_epochs=e.max_epochs,
            data=str(folder) if folder else None, checkpoint_every=e.checkpoint_every, resources=needs, **purpose,
        )  # fmt: skip

    def _seed(self, trial: Trial) -> int:
        return trial_seed(self.experiment.seed, trial.number)

    def config_of(self, leg: Leg) -> dict[str, Any]:
        """Of the checkpoint that is scored, or else of the trial's newest leg."""
        trial = self.record.trials[leg.trial]
        return trial.config_at(leg.start_epoch) if leg.purpose == "test" else trial.config

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
        event: Event = {"event": "report", "trial": trial.id, "leg": leg, "epoch": epoch, "score": score,
                 "metrics": report["metrics"], "seconds": report["seconds"],
                 **{key: report[key] for key in ("host", "telemetry", "new") if key in report}}  # fmt: skip
        decision = self._memory.decide(event)
        total = self.experiment.total_epochs
        if total is not None and (self.record.reports + 1) * self.experiment.executions_per_trial >= total:
            self._limit = self._limit or "total_epochs"
        done = bool(report.get("done"))
        by = rule(self._memory.scheduler, trial.id)
        judged = verdict(self.experiment, epoch, score, decision, rule=by, done=done, ending=self._ending)
        event |= judged.to_json()
        if judged.decision is Decision.STOP:
            self._streak = Streak()
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
        self._room.leave(leg)

    def failed(self, leg: Leg, failure: Failure) -> None:
        """The leg broke off. Raises StorageError, DataError, and RunAborted where the same code fails repeatedly."""
        self.released(leg)
        if failure.fault in ENDING:  # every trial there would meet the same
            raise ENDING[failure.fault](failure.error)
        if leg.purpose == "test":
            self._finale.failed(failure.error, retry=failure.fault == "machine")
            return
        trial = self.record.trials[leg.trial]
        if failure.fault == "machine":
            self._commit(events.leg_end(trial, "worker_died", failure.error))
            if trial.retries <= self.experiment.max_retries:
                self._agenda.lost(trial)
                return
            died = f"its worker died {trial.retries} times without progress"
            self._commit(events.end(trial, "failed", died, fault="machine", error=failure.error))
        else:
            self._commit(events.leg_end(trial, "error", failure.error))
            self._fail(trial, failure)

    def _fail(self, trial: Trial, failure: Failure, *before: Event) -> None:
        """Ends the trial by its configuration's or the code's fault. Raises RunAborted where it is always the same."""
        error = failure.error if failure.error != failure.why else None
        self._commit(*before, events.end(trial, "failed", failure.why, fault=failure.fault, error=error))
        if failure.fault == "code":
            self._streak.add(failure)

    # ---- the end of the run

    def _close(self) -> Leg | None:
        """Nothing is live any more: the last trials' ends, the one look at the test split, the end of the run."""
        for trial in self.record.open:
            # One that waits when all is done was passed over: the scheduler ended it, not the end of the run.
            why = rule(self._memory.scheduler, trial.id) if self._ending == "done" else self._ending
            self._commit(events.end(trial, "stopped", f"{why}, epoch {trial.epochs}"))
        if (winner := self.record.best) and (place := self._finale.place(self.record)):
            if self._finale.wants_test() and hasattr(self.experiment.trainable, "test"):
                needs = self._admission.needs_again(winner)
                return self._leg(winner, winner.leg, place.at, place.epoch, needs, purpose="test")
            self._finale.put_aside(self.record)
        self._commit(self._finale.end(self.record, self._ending, self.experiment.answer))
        return None

    # ---- events

    def _commit(self, *events: Event) -> None:
        """Durable first, then true."""
        now = round(self._clock(), 3)
        stamped = [{"event": event["event"], "t": now, **event} for event in events]
        self._journal.append(*stamped)
        for event in stamped:
            self._memory.take(event)
            self._observe(event, self.record)
