"""The commands about a run's winner: best, with --export and --retrain; verify."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from orchestune.asked import experiment_of, read, use_data
from orchestune.errors import OrchestuneError, RunStateError
from orchestune.report import words

if TYPE_CHECKING:
    from orchestune.running.paths import RunPaths
    from orchestune.running.record import Record
    from orchestune.winner.winner import Winner

INTERRUPTED = 130  # the exit code

# `best` alone must stay fast: what imports Ray or torch is imported where a model is wanted.


def best(options: argparse.Namespace) -> int:
    record = read(options.run)
    winner = record.best
    if winner is None:
        raise RunStateError(f"{options.run} has no best trial yet: none has reported a finite {record.metric}")
    if options.export is not None or options.retrain:
        return _models(options, record)
    if options.json:
        kept = options.run.absolute() / "best"
        test = record.run_end["test"] if record.run_end else None
        print(
            words.dumps(words.trial_json(winner) | {"test": test, "checkpoint": str(kept) if kept.exists() else None})
        )
    else:
        print("\n".join(words.summary(record, options.run)))
    return 0


def _models(options: argparse.Namespace, record: Record) -> int:
    """Its model: given away as it is, or trained again."""
    if options.json:
        raise OrchestuneError("--json goes without --export and --retrain: `best RUN --json` says all that is known")
    from orchestune.winner.export import check_target, export_best

    if options.export is not None:
        check_target(options.export)
    use_data(options.data or record.question.get("data"))
    from orchestune.winner.winner import winner_of

    winner = winner_of(record, options.run)
    winner.experiment.get_ready()
    if options.retrain:
        return _retrain(winner, options.export)
    scores = export_best(winner, options.export)
    print(f"export      {options.export}: trial {winner.trial.id} after epoch {winner.epoch}")
    print(f"            {words.config(scores)}, as in the run")
    print(f"            python {options.export / 'evaluate.py'}")
    return 0


def _retrain(winner: Winner, target: Path | None) -> int:
    from orchestune.winner.retrain import export_retrained, retrained

    result = retrained(winner, print)
    print(f"retrained   {winner.paths.retrained}, {result['epochs']} epochs")
    print(f"test        {words.config(result['test'])} (looked at once)")
    print(f"            {words.config(winner.record.test)} before, trained without validation")
    if target is not None:
        export_retrained(winner, result, target)
        print(f"export      {target}: it scores the same there")
        print(f"            python {target / 'evaluate.py'} --split test")
    return 0


def verify(options: argparse.Namespace) -> int:
    record = read(options.run)
    from orchestune.winner.verify import check_counts, judgement, lines, place, test_metric

    check_counts(options.top, options.seeds)
    metric = test_metric(record, options.run)
    paths = place(options.run, options.top, options.seeds)
    finished = paths.events.exists() and read(paths.root).run_end
    exit_code = 0 if finished else _reruns(options, record, paths)
    if exit_code == INTERRUPTED:
        again = f"verify {options.run} --top {options.top} --seeds {options.seeds}"
        print(f"interrupted; nothing is lost. Go on with: {words.program()} {again}")
        return exit_code
    found = judgement(paths, metric=metric, seeds=options.seeds, maximize=record.maximize)
    from orchestune.space.plain import form
    from orchestune.winner.rerun import candidates

    if found.judged != {form(trial.best_config) for trial in candidates(record, options.top)}:
        raise RunStateError(
            f"{paths.root} is not about the best that {options.run} has now: move it away and verify again"
        )
    print("\n".join(lines(found)))
    return exit_code


def _reruns(options: argparse.Namespace, record: Record, paths: RunPaths) -> int:
    """Trains the best again, or goes on with that."""
    from orchestune.console import ProgressConsole
    from orchestune.winner import verify as check
    from orchestune.winner.rerun import candidates
    from orchestune.winner.winner import check_trainable

    use_data(options.data or record.question.get("data"))
    experiment = experiment_of(record, options.run)
    check_trainable(record, experiment, options.run)
    trials = candidates(record, options.top)
    if not trials:
        raise RunStateError(f"{options.run} has no trial that can be trained again: all changed while they trained")
    console = ProgressConsole(check.cost(record, trials, options.seeds))
    return check.verify(
        experiment, record, paths, trials, options.seeds, listeners=(console,), address=options.address
    ).exit_code
