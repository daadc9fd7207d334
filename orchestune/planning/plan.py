"""What a run will do and cost, told before it starts."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestune.errors import ClusterError
from orchestune.experiment import Experiment
from orchestune.planning.simulate import Simulation, simulate
from orchestune.planning.timing import Timing
from orchestune.running.room import Room
from orchestune.schedulers import HyperBand
from orchestune.searchers import Grid, Random
from orchestune.training.resources import figure

LARGE = 500  # combinations of a grid; more of them are not started without a yes
MOST, MODELLED = 200, 60  # trials played through, also where a model chooses; the epochs of more are in proportion
KEPT = 3  # checkpoints of a trial: the newest two and the best epoch's


@dataclass(frozen=True)
class Plan:
    """The run as it is expected; every count is of trials or of epochs, over all executions."""

    experiment: Experiment
    trials: int | None  # None: until another limit ends the run
    at_a_time: int
    bottleneck: str  # which resource keeps more trials from running, or the setting that does
    epochs: int | None  # with every trial trained to the end
    expected: int | None  # with what stops them
    hours: float | None
    ended_at: Mapping[int, int]  # epoch -> how many of the trials played through ended there
    played: int
    timing: Timing | None

    @property
    def short(self) -> str:
        """One line."""
        trials = f"{self.trials:,} trials" if self.trials else f"trials until {_limits(self.experiment)}"
        k = self.experiment.executions_per_trial
        each = f", each trained {k} times" if k > 1 else ""
        epochs = "" if self.epochs is None else f", {self.epochs:,} epochs at the most"
        stopped = "" if self.expected in (None, self.epochs) else f", about {self.expected:,} expected"
        hours = "" if self.hours is None else f", about {_duration(self.hours)}"
        return f"{trials}{each}{epochs}{stopped}; {self.at_a_time} at a time{hours}"

    @property
    def lines(self) -> list[str]:
        """A table of two columns."""
        e, pair = self.experiment, self.experiment.pair
        rows = [
            ("question", f"the {e.mode}imum of {e.metric} over {e.typed_space.dimensions} parameters"),
            ("searcher", _settings(pair.searcher)),
            ("scheduler", _settings(pair.scheduler)),
        ]
        if e.early_stopping:
            rows.append(("stopping", _settings(e.early_stopping)))
        rows.append(("trials", f"{self.trials:,}" if self.trials else f"open: until {_limits(e)}"))
        if e.executions_per_trial > 1:
            rows.append(
                ("executions", f"{e.executions_per_trial} of each trial, by different seeds; its cost is theirs")
            )
        if e.points:
            rows.append(("points", f"{len(e.points)} known configurations are asked first"))
        rows.append(("at a time", f"{self.at_a_time}; {self.bottleneck}"))
        if self.epochs is not None:
            rows.append(("epochs", f"{self.epochs:,} without early stopping"))
        if self.expected is not None and self.expected != self.epochs:
            rows.append(("", f"about {self.expected:,} with it, on curves as they usually are"))
        rows += [("", line) for line in self._rungs()]
        if self.timing:
            rows.append(("an epoch", f"{self.timing.epoch_s:.3g} s ({self.timing.source})"))
            if self.hours is not None:
                rows.append(("time", f"about {_duration(self.hours)}, and Ray's start of some seconds"))
            if self.trials:
                size = self.timing.checkpoint_bytes * e.executions_per_trial * KEPT * self.trials
                rows.append(("disk", f"{_bytes(size)} of checkpoints at the most, {KEPT} a trial"))
        return [f"{name:11} {text}" for name, text in rows]

    def _rungs(self) -> list[str]:
        scheduler = self.experiment.pair.scheduler
        if isinstance(scheduler, HyperBand):
            brackets = scheduler.brackets(self.experiment.max_epochs)
            return ["bracket of " + ", then ".join(f"{n} to epoch {until}" for n, until in rungs) for rungs in brackets]
        if not self.ended_at:
            return []
        reached = [f"{n} at epoch {epoch}" for epoch, n in sorted(self.ended_at.items())]
        shown = reached if len(reached) <= 8 else [*reached[:4], "...", *reached[-3:]]
        return [f"of {self.played} trials so many end: {', '.join(shown)}"]


def plan(experiment: Experiment, timing: Timing | None, machines: Sequence[Mapping[str, float]] | None = None) -> Plan:
    """The plan on these `machines`, what each of them has under Ray's names (None: on this one, whose memory and custom
    resources are not looked up).

    Raises ClusterError where no trial could start there.
    """
    e = experiment
    at_a_time, bottleneck = _room(e, machines)
    trials = _trials(e)
    k = e.executions_per_trial
    epochs = None if trials is None else trials * e.max_epochs * k
    if epochs is not None and e.total_epochs is not None:
        epochs = min(epochs, e.total_epochs)
    played = min(trials, MODELLED if e.pair.scheduler.chooses else MOST) if trials else 0
    if not played:
        return Plan(e, trials, at_a_time, bottleneck, epochs, e.total_epochs, None, {}, 0, timing)
    done = _play(e, played, at_a_time)
    share = (trials or played) / played
    expected = round(len(done.reports) * share) * k
    if epochs is not None and expected >= epochs:
        expected = epochs
    hours = None
    if timing and done.reports:
        hours = done.reports[-1].time * share * timing.epoch_s * k / 3600
        if e.total_epochs is not None:
            hours *= expected / max(1, round(len(done.reports) * share) * k)
    if hours is not None and e.time_budget_s is not None:
        hours = min(hours, e.time_budget_s / 3600)
    last: dict[str, int] = {report.trial: report.epoch for report in done.reports}
    ended_at = Counter(last.values())
    return Plan(e, trials, at_a_time, bottleneck, epochs, expected, hours, ended_at, len(last), timing)


def grid_mistake(e: Experiment) -> str | None:
    """What a grid of more than `LARGE` combinations costs, and how to make it smaller; None where there is none such.

    A grid's size is the product of all its parameters' values: one more of them multiplies it.
    """
    if not isinstance(e.pair.searcher, Grid) or e.num_samples is not None:
        return None
    count = e.pair.searcher.count(e.typed_space)
    if count <= LARGE:
        return None
    sizes = " x ".join(str(len(p.grid(e.pair.searcher.points))) for p in e.typed_space.parameters)
    return (
        f"the grid has {count:,} combinations ({sizes}), {count * e.max_epochs * e.executions_per_trial:,} epochs "
        "without early stopping. Say --yes to run them all; or take fewer points, --searcher 'grid(points=3)', a part "
        "of them, --num-samples, or another searcher"
    )


def this_machine() -> dict[str, float]:
    """What a local Ray would offer, under Ray's names."""
    from ray._private.accelerators import get_accelerator_manager_for_resource

    manager = get_accelerator_manager_for_resource("GPU")
    gpus = manager.get_current_node_num_accelerators() if manager else 0
    return {"CPU": float(os.cpu_count() or 1), "GPU": float(gpus)}


def _trials(e: Experiment) -> int | None:
    if e.most_trials is not None and (e.num_samples is not None or e.pair.searcher.finite):
        return e.most_trials
    own = getattr(e.pair.scheduler, "trials", None)
    return own(e.max_epochs) if own and e.total_epochs is None else None


def _room(e: Experiment, machines: Sequence[Mapping[str, float]] | None) -> tuple[int, str]:
    needs = e.resources_for(e.typed_space.from_unit([0.5] * e.typed_space.dimensions))
    asked = needs.bundle
    if machines is None:
        machines = [this_machine()]
        needs, asked = replace(needs, memory=0, custom={}), {name: asked[name] for name in asked if name in machines[0]}
    if lacking := Room(machines).lacking(needs):
        raise ClusterError(f"a trial {lacking}: ask for less in the experiment's resources")
    fits = [{name: _fit(name, has.get(name, 0), asked[name]) for name in asked} for has in machines]
    most = sum(min(on_one.values()) for on_one in fits)
    if e.max_concurrent_trials is not None and e.max_concurrent_trials < most:
        return e.max_concurrent_trials, "max_concurrent_trials allows no more"
    name = min(asked, key=lambda name: sum(on_one[name] for on_one in fits))
    there = figure(name, sum(has.get(name, 0) for has in machines))
    where = "here" if len(machines) == 1 else f"on {len(machines)} machines"
    return most, f"{name} is what runs out first: {there} {where}, {figure(name, asked[name])} a trial"


def _fit(name: str, there: float, amount: float) -> int:
    """How many trials; a fraction of a GPU is of one device, so that three of 0.6 do not fit on two."""
    if name == "GPU" and amount < 1:
        return int(there) * _fit("", 1, amount)
    return int(there / amount + 1e-9)  # the sum keeps a quotient that is whole from being rounded to less


def _play(e: Experiment, trials: int, workers: int) -> Simulation:
    """The scheduler on curves that rise and flatten, an epoch a second; which configurations are asked changes little
    of that."""

    def curve(config: dict[str, Any]) -> tuple[list[float], list[float]]:
        # In six digits: the last bits of a logarithm are each processor's own, and a plan is the same on all.
        plain = json.loads(json.dumps(config, sort_keys=True), parse_float=lambda text: f"{float(text):.6g}")
        digest = hashlib.sha256(json.dumps(plain).encode()).digest()
        end, pace = digest[0] / 255, 0.2 + digest[1] / 255
        scores = [end - (1 + digest[2] / 255) * epoch**-pace for epoch in range(1, e.max_epochs + 1)]
        return scores, [float(epoch) for epoch in range(1, e.max_epochs + 1)]

    searcher = e.pair.searcher if e.typed_space.has_grid or e.pair.scheduler.chooses else Random()
    return simulate(
        curve, space=e.typed_space, searcher=searcher, scheduler=e.pair.scheduler, mode="max",
        max_epochs=e.max_epochs, budget_epochs=trials * e.max_epochs, workers=workers, seed=e.seed, num_samples=trials,
        early_stopping=e.early_stopping,
    )  # fmt: skip


def _limits(e: Experiment) -> str:
    limits = {
        "total_epochs": e.total_epochs, "time_budget_s": e.time_budget_s, "stop_at_score": e.stop_at_score,
    }  # fmt: skip
    return " or ".join(f"{name}={value:g}" for name, value in limits.items() if value is not None)


def _settings(declaration: Any) -> str:
    fields = ", ".join(f"{name}={value!r}" for name, value in vars(declaration).items())
    return f"{declaration.name}({fields})" if fields else str(declaration.name)


def _duration(hours: float) -> str:
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    return f"{hours * 60:.0f} minutes" if hours < 2 else f"{hours:.1f} hours"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
