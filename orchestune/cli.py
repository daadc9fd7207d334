"""The command line: new, list, plan, run, resume, show, best, verify, plot; up, submit, runs, logs, stop, fetch, down;
version.

Exit codes: 0; 1 when trials failed by the code's or the machine's fault; 2 wrong input; 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from orchestune import catalog
from orchestune.arguments import given, parse
from orchestune.asked import experiment_of, read, use_data
from orchestune.environment import settings
from orchestune.errors import OrchestuneError, UnknownName

# `list`, `show`, `best` and `version` must stay fast: what imports Ray or torch is imported in the commands that train.


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        options = parse(words, COMMANDS)
        return int(options.command(options))
    except OrchestuneError as wrong:
        print(f"orchestune: {wrong}", file=sys.stderr)
        return wrong.exit_code
    except KeyboardInterrupt:
        print("orchestune: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `orchestune show RUN | head`
        sys.stderr.close()
        return 0


# ---- the commands


def new_(options: argparse.Namespace) -> int:
    from orchestune.new import EXPERIMENT, new

    for file in new(options.folder):
        print(options.folder / file)
    into = "" if options.folder == Path() else f"cd {options.folder} && "
    print(f"go on with: {into}orchestune run {EXPERIMENT}")
    return 0


def list_(options: argparse.Namespace) -> int:
    found = catalog.questions(Path.cwd())
    width = max(map(len, found), default=0)
    for name, question in found.items():
        print(f"{name:{width}}  {question}")
    if not found:
        print(f"no experiments here: {Path.cwd() / catalog.FOLDER} holds none", file=sys.stderr)
    return 0


def run_(options: argparse.Namespace) -> int:
    project = Path.cwd()
    catalog.check_name(options.name, project)
    if options.trial is not None and not (options.debug and options.run_name):
        raise OrchestuneError("--trial goes with --debug and --run-name: it trains that run's trial in this process")
    if options.debug:
        use_data(options.data)
        return _debug(options, project)
    from orchestune.running.paths import check_storage

    use_data(options.data)
    check_storage(options.storage.folder, options.run_name)  # the cheap refusals first: importing torch takes seconds
    from orchestune.console import ProgressConsole
    from orchestune.overrides import apply_overrides
    from orchestune.report.tensorboard import TensorBoardLog
    from orchestune.running.runner import start

    overrides = given(options)
    experiment = apply_overrides(catalog.load(options.name, project), overrides)
    expected = _expected(experiment, options)
    outcome = start(
        experiment, name=options.name, storage=options.storage, run_name=options.run_name,
        listeners=(ProgressConsole(expected), TensorBoardLog()), overrides=overrides, address=options.address,
    )  # fmt: skip
    return _ended(outcome)


def plan_(options: argparse.Namespace) -> int:
    project = Path.cwd()
    catalog.check_name(options.name, project)
    use_data(options.data)
    from orchestune.overrides import apply_overrides
    from orchestune.planning.plan import plan
    from orchestune.planning.timing import first_step, last_run

    experiment = apply_overrides(catalog.load(options.name, project), given(options))
    timing = last_run(experiment, options.name, options.storage.folder)
    if timing is None and not options.untimed:
        timing = first_step(experiment)
    print("\n".join(plan(experiment, timing).lines))
    return 0


def resume_(options: argparse.Namespace) -> int:
    if options.cluster is not None:
        return _on_cluster("resume")(options)
    record = read(options.run)
    from orchestune.running.runner import check_resumable

    check_resumable(record, options.run)
    use_data(options.data or record.question.get("data"))
    experiment = experiment_of(record, options.run)
    from orchestune.console import ProgressConsole
    from orchestune.report.tensorboard import TensorBoardLog
    from orchestune.running.paths import RunPaths
    from orchestune.running.runner import resume

    paths = RunPaths(options.run.absolute())
    listeners = (ProgressConsole(), TensorBoardLog())
    return _ended(resume(experiment, paths, listeners=listeners, address=options.address))


def show_(options: argparse.Namespace) -> int:
    if options.cluster is not None:
        return _on_cluster("show")(options)
    record = read(options.run)
    from orchestune.report import words

    if options.trial is not None:
        trial = _trial(record, options.trial)
        shown = words.trial_json(trial) | {"error": trial.error, "scores": words.curve(trial)}
        print(words.dumps(shown) if options.json else "\n".join(words.trial_lines(record, trial)))
    elif options.json:
        print(words.dumps(words.as_json(record)))
    else:
        from rich.console import Console

        from orchestune.report import table

        piped = None if sys.stdout.isatty() else 1000  # a file has no width to fold at
        Console(highlight=False, width=piped).print(table.trials(record))
        print("\n".join(["", *words.summary(record, options.run)]))
    return 0


def best_(options: argparse.Namespace) -> int:
    if options.cluster is not None:
        if options.export is not None or options.retrain:
            raise OrchestuneError(
                "--export and --retrain are for a run that is here: first "
                f"`orchestune fetch {options.run} --cluster {options.cluster}`"
            )
        return _on_cluster("best")(options)
    from orchestune.winner.commands import best

    return best(options)


def verify_(options: argparse.Namespace) -> int:
    from orchestune.winner.commands import verify

    return verify(options)


def plot_(options: argparse.Namespace) -> int:
    record = read(options.run)
    trial = None if options.trial is None else _trial(record, options.trial).id
    from orchestune.report import picture
    from orchestune.report.tensorboard import show_picture
    from orchestune.running.paths import RunPaths

    paths = RunPaths(options.run)
    drawn, path = picture.figure(record, trial), options.out or paths.picture(trial)
    picture.save(drawn, path)
    show_picture(paths, trial or "curves", picture.encoded(drawn, ".png"), record.epochs)
    print(path)
    return 0


def _on_cluster(name: str) -> Callable[[argparse.Namespace], int]:
    """A command that is about a cluster."""

    def command(options: argparse.Namespace) -> int:
        from orchestune.cluster.token import cluster_settings

        # Ray reads its settings when it is first used: by then it has to know that a cluster wants a token.
        with settings(cluster_settings()):
            from orchestune.cluster import commands

            return int(commands.COMMANDS[name](options))

    return command


def version_(options: argparse.Namespace) -> int:
    import platform
    from importlib.metadata import version

    print(f"orchestune {version('orchestune')}")
    print(
        f"python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("ray", "torch", "hyperopt"))
    )
    return 0


# ---- what they share


def _expected(experiment: Any, options: argparse.Namespace) -> str:
    """The plan in one line; nothing for a cluster, since what that has is not known before it is asked.

    Raises OrchestuneError where a grid has grown large, and nobody said yes to that.
    """
    from orchestune.planning.plan import grid_mistake, plan
    from orchestune.planning.timing import last_run

    mistake = grid_mistake(experiment)
    if mistake and not options.yes:
        raise OrchestuneError(mistake)
    if options.address is not None:
        return ""
    return plan(experiment, last_run(experiment, options.name, options.storage.folder)).short


def _trial(record: Any, name: str) -> Any:
    """Raises UnknownName."""
    if name not in record.trials:
        raise UnknownName("trial", name, record.trials)
    return record.trials[name]


def _debug(options: argparse.Namespace, project: Path) -> int:
    from orchestune.debugging import debug
    from orchestune.overrides import apply_overrides
    from orchestune.running.seeds import trial_seed

    experiment = catalog.load(options.name, project)
    if options.trial is None:
        experiment = apply_overrides(experiment, given(options))
        first = experiment.build_searcher().ask(0)
        if not isinstance(first, dict):
            raise OrchestuneError(f"the searcher has no first question: {first}")
        debug(experiment, first, trial_seed(experiment.seed, 0))
        return 0
    record = read(options.storage.folder / options.run_name)
    trial = _trial(record, options.trial)
    experiment = apply_overrides(experiment, record.question["overrides"])
    debug(experiment, trial.config, trial_seed(experiment.seed, trial.number))
    return 0


def _ended(outcome: Any) -> int:
    from orchestune.report import words

    record, root = outcome.record, _short(outcome.paths.root)
    print("\n".join(["", *words.failures(record, root), *words.summary(record, root)]))
    if outcome.interrupted:
        print(f"interrupted; nothing is lost. Go on with: {words.program()} resume {root}")
    return int(outcome.exit_code)


def _short(path: Path) -> Path:
    """Relative to this folder where it lies below it: what is shorter to copy."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


COMMANDS = {
    "new": new_,
    "list": list_,
    "plan": plan_,
    "run": run_,
    "resume": resume_,
    "show": show_,
    "best": best_,
    "verify": verify_,
    "plot": plot_,
    **{name: _on_cluster(name) for name in ("up", "submit", "runs", "logs", "stop", "fetch", "down")},
    "version": version_,
}

if __name__ == "__main__":
    sys.exit(main())
