"""The winner check: a run's best few, trained again with fresh seeds, judged on data that chose none of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestune.errors import OrchestuneError, RunStateError
from orchestune.experiment import Experiment
from orchestune.report import words
from orchestune.running.journal import read_events
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record, Trial
from orchestune.running.runner import Listener, Outcome, resume, start
from orchestune.storage.storage import Storage
from orchestune.winner import rerun
from orchestune.winner.judged import Judgement, judged


def test_metric(record: Record, run: Path) -> str:
    """What the test split says of the metric that was searched. Raises RunStateError where it says nothing."""
    if record.run_end is None:
        raise RunStateError(f"{run} is not finished. Go on with: orchestune resume {run}")
    name = "test_" + record.metric.removeprefix("val_")
    if not record.test:
        raise RunStateError(
            f"{run} has no test split to verify on, and data that configurations were chosen by would flatter them: "
            "give Data(test=...) in make_data"
        )
    if name not in record.test:
        raise RunStateError(
            f"{run} searched {record.metric}, and its test split has no {name}: it has {', '.join(record.test)}"
        )
    return name


def check_counts(top: int, seeds: int) -> None:
    """Raises OrchestuneError where nothing could be said in the end."""
    if top < 1:
        raise OrchestuneError(f"--top is {top}: it must be a whole number, 1 or more")
    if seeds < 2:
        raise OrchestuneError(f"--seeds is {seeds}: it must be a whole number, 2 or more, for a mean and its interval")


def cost(record: Record, trials: Sequence[Trial], seeds: int) -> str:
    """What it will take, in one line, by what those trials took."""
    executions = int(record.question.get("executions_per_trial") or 1)
    epochs = [(trial.best or (trial.epochs, 0.0))[0] for trial in trials]
    seconds = sum(n * trial.seconds / trial.epochs / executions for n, trial in zip(epochs, trials, strict=True))
    return (
        f"{len(trials)} configurations x {seeds} seeds: {len(trials) * seeds} trainings, "
        f"{sum(epochs) * seeds:,} epochs, about {words.duration(seconds * seeds)} one after the other, and Ray's start"
    )


def place(run: Path, top: int, seeds: int) -> RunPaths:
    """Where the reruns lie, as a run of its own."""
    return RunPaths(RunPaths(run.absolute()).verified / f"top-{top}-seeds-{seeds}")


def verify(
    experiment: Experiment, record: Record, paths: RunPaths, trials: Sequence[Trial], seeds: int, *,
    listeners: Sequence[Listener], address: str | None = None,
) -> Outcome:  # fmt: skip
    """Trains them again, or goes on with what was broken off. Raises OrchestuneError as any run does."""
    again = rerun.rerun(experiment, trials, seeds)
    if paths.events.exists():
        return resume(again, paths, listeners=listeners, address=address)
    # On a cluster's machines that share no folder, or did not need one, the driver's keeps the reruns' checkpoints.
    by_head = address is not None and record.question.get("kept_at") is not None
    return start(
        again, name=record.question["name"], storage=Storage(paths.root.parent, by_head=by_head), run_name=paths.name,
        listeners=listeners, overrides=record.question["overrides"], address=address,
    )  # fmt: skip


def judgement(paths: RunPaths, *, metric: str, seeds: int, maximize: bool) -> Judgement:
    """What came of it."""
    found = judged(
        read_events(paths.events),
        metric=metric,
        parameters=rerun.PARAMETERS,
        candidate=rerun.CANDIDATE,
        seed=rerun.SEED,
    )
    return Judgement.of(found.values(), metric=metric, seeds=seeds, maximize=maximize)


def lines(judgement: Judgement) -> list[str]:
    """The judgement in words: a table, who ties, and which one to take."""
    ranked = judgement.ranked
    rows = [("trial", judgement.metric, "95 % interval", "epochs", "parameters", "config")]
    for one in ranked:
        low, high = one.interval
        size = "-" if one.parameters is None else f"{one.parameters:,}"
        told = (
            one.trial,
            words.number(one.mean),
            f"{words.number(low)} to {words.number(high)}",
            str(one.epochs),
            size,
        )
        rows.append((*told, words.config(one.config)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    found = ["  ".join([*map(str.ljust, row[:-1], widths), row[-1]]) for row in rows] if ranked else []
    found += [
        f"trial {one.trial} came to its end with {len(one.scores)} of {judgement.seeds} seeds: it is not ranked"
        for one in judgement.broken
    ]
    if not ranked:
        return [*found, "choose      none: no configuration came to its end with every seed"]
    best, ties, choice = ranked[0], judgement.ties, judgement.choice
    for one in ties[1:]:
        low, high = judgement.difference(one)
        found.append(
            f"tie         {best.trial} and {one.trial} cannot be told apart: over the same seeds they differ by "
            f"{words.number(low)} to {words.number(high)}"
        )
    if len(ties) == 1:
        why = "the best mean" if len(ranked) == 1 else "better than each other one over the same seeds"
    elif choice is best:
        why = (
            "of those that tie, none is smaller"
            if choice.parameters is not None
            else "of those that tie, the best mean"
        )
    else:
        why = "of those that tie, the smallest model"
    found.append(f"choose      trial {choice.trial}: {why}")
    return found
