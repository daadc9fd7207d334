"""The commands about a run's winner: best, with --export and --retrain."""

from __future__ import annotations

import argparse
from pathlib import Path

from orchestune.asked import read
from orchestune.errors import OrchestuneError, RunStateError
from orchestune.report import words

# `best` alone must stay fast: what imports Ray or torch is imported where a model is wanted.


def best(options: argparse.Namespace) -> int:
    record = read(options.run)
    winner = record.best
    if winner is None:
        raise RunStateError(f"{options.run} has no best trial yet: none has reported a finite {record.metric}")
    if options.export is not None or options.retrain:
        return _models(options)
    if options.json:
        kept = options.run.absolute() / "best"
        test = record.run_end["test"] if record.run_end else None
        print(
            words.dumps(words.trial_json(winner) | {"test": test, "checkpoint": str(kept) if kept.exists() else None})
        )
    else:
        print("\n".join(words.summary(record, options.run)))
    return 0


def _models(options: argparse.Namespace) -> int:
    if options.json:
        raise OrchestuneError("--json goes without --export and --retrain: `best RUN --json` says all that is known")
    if options.export is not None:
        from orchestune.winner.export import check_target, export_best

        check_target(options.export)
    record = read(options.run)
    use_data(options.data or record.question.get("data"))
    from orchestune.winner.winner import winner_of

    winner = winner_of(record, options.run)
    winner.experiment.get_ready()
    scores = export_best(winner, options.export)
    print(f"export      {options.export}: trial {winner.trial.id} after epoch {winner.epoch}")
    print(f"            {words.config(scores)}, as in the run")
    print(f"            python {options.export / 'evaluate.py'}")
    return 0


def use_data(folder: Path | str | None) -> None:
    """Where the data's files lie, from now on."""
    if folder is not None:
        from orchestune.training.files import use_data_folder

        use_data_folder(Path(folder))
