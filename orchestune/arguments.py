"""The words of the command line: which commands there are, and which options each one takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from orchestune.errors import OrchestuneError, UnknownName
from orchestune.running.mirror import folder_of_run
from orchestune.storage.storage import Storage

DATA_HELP = "a folder with the data's files (default: ORCHESTUNE_DATA, else they are downloaded once)"
SETTINGS = {  # what `overrides.SETTINGS` reads; spelled out here because that module imports Ray
    "searcher": (
        "NAME",
        "auto, multifidelity, grid, random, hyperopt, bayesopt, optuna, sequential, grow; "
        "with settings: 'grid(points=3)'",
    ),
    "scheduler": (
        "NAME",
        "auto, multifidelity, fifo, asha, hyperband, median, plateau, pbt, or with settings: 'asha(promote=True)'",
    ),
    "num_samples": ("N", "how many trials ('none': as many as the searcher has)"),
    "max_epochs": ("N", "how long a trial trains at the most"),
    "total_epochs": ("N", "end the run when so many epochs are trained, over all trials"),
    "early_stopping": ("PLATEAU", "end trials that get no better: 'plateau(patience=5)', or none"),
    "executions_per_trial": ("N", "train each configuration so often, with different seeds"),
    "time_budget_s": ("SECONDS", "end the run after so long, over all its sessions"),
    "stop_at_score": ("SCORE", "end the run as soon as a trial reaches this"),
    "max_concurrent_trials": ("N", "how many trials at a time"),
    "cpus_per_trial": ("N", "CPU cores of one trial"),
    "gpus_per_trial": ("N", "GPUs of one trial"),
    "memory_per_trial": ("BYTES", "memory that one trial is placed by, as 2GB or 512MiB"),
    "seed": ("N", "what the searcher's questions and the trials' seeds are drawn from"),
    "checkpoint_every": ("N", "epochs from one checkpoint to the next"),
    "max_retries": ("N", "how often a trial whose worker died is tried again"),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OrchestuneError(f"{message}. See {self.prog} --help.")


def parse(words: list[str], does: Mapping[str, Callable[[argparse.Namespace], int]]) -> argparse.Namespace:
    """The options, `command` being what `does` the command of that name. Raises OrchestuneError, UnknownName."""
    parser, commands = parser_of(does)
    if words and not words[0].startswith("-") and words[0] not in commands.choices:
        raise UnknownName("command", words[0], commands.choices)
    options, unknown = parser.parse_known_args(words)
    if unknown:
        used = commands.choices[options.name_of_command]
        raise UnknownName("option", unknown[0].partition("=")[0], used._option_string_actions)
    return options


def given(options: argparse.Namespace) -> dict[str, str]:
    """The settings of the experiment that were given, as text. Raises OrchestuneError."""
    found = {name: getattr(options, name) for name in SETTINGS if getattr(options, name) is not None}
    for text in options.set:
        name, equals, domain = text.partition("=")
        if not equals or not name:
            raise OrchestuneError(f"--set {text!r}: write NAME=DOMAIN, as in --set lr='loguniform(1e-4, 1e-1)'")
        found[f"set {name}"] = domain
    return found


def parser_of(does: Mapping[str, Any]) -> tuple[argparse.ArgumentParser, Any]:
    """The parser, and those of the commands."""
    parser = _Parser(
        prog="orchestune", description="Hyperparameter tuning of PyTorch models on Ray Tune.", allow_abbrev=False
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="name_of_command")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        made.set_defaults(command=does[name])
        return made

    new = command("new", "write the smallest project that runs, into a folder without one")
    new.add_argument("folder", type=Path, nargs="?", default=Path(), metavar="FOLDER", help="(default: this one)")

    command("list", "the experiments in this folder, and what each one asks")

    plan = command("plan", "what a run would do and cost; nothing is started")
    _question(plan)
    plan.add_argument("--untimed", action="store_true", help="train no epoch to learn how long one takes")
    _settings(plan)

    run = command("run", "ask an experiment's question")
    _question(run)
    run.add_argument("--run-name", metavar="RUN", help="the run's folder in DIR (default: NAME and the time)")
    run.add_argument("--address", help="a Ray cluster that is up (default: a local one, for this run alone)")
    run.add_argument("--yes", action="store_true", help="start a large grid all the same")
    run.add_argument("--debug", action="store_true", help="train one configuration in this process, without Ray")
    run.add_argument("--trial", metavar="ID", help="with --debug and --run-name: that run's trial")
    _settings(run)

    resume = command("resume", "go on with a run that was interrupted or killed")
    resume.add_argument("run", type=folder_of_run, metavar="RUN", help="the run's folder")
    resume.add_argument("--address", help="a Ray cluster that is up (default: a local one)")
    resume.add_argument("--data", type=Path, metavar="DIR", help="the data's folder, if it has moved")

    show = command("show", "what became of a run's trials")
    show.add_argument("run", type=folder_of_run, metavar="RUN")
    show.add_argument("--trial", metavar="ID", help="this trial alone, with its curve and its error")
    show.add_argument("--json", action="store_true", help="one JSON object")

    best = command("best", "a run's best configuration, its scores and its checkpoint")
    best.add_argument("run", type=folder_of_run, metavar="RUN")
    best.add_argument("--json", action="store_true", help="one JSON object")

    best.add_argument("--export", type=Path, metavar="DIR", help="its model into DIR: weights, source, evaluate.py")
    best.add_argument("--retrain", action="store_true", help="train it on train and validation together, test it once")
    best.add_argument("--data", type=Path, metavar="DIR", help="the data's folder, if it has moved")

    verify = command("verify", "train a run's best few again with fresh seeds and judge them on the test split")
    verify.add_argument("run", type=folder_of_run, metavar="RUN")
    verify.add_argument("--top", type=int, default=3, metavar="N", help="how many configurations (default: 3)")
    verify.add_argument("--seeds", type=int, default=5, metavar="N", help="how often each one (default: 5)")
    verify.add_argument("--address", help="a Ray cluster that is up (default: a local one)")
    verify.add_argument("--data", type=Path, metavar="DIR", help="the data's folder, if it has moved")

    plot = command("plot", "draw a run's learning curves, and say where the picture is")
    plot.add_argument("run", type=folder_of_run, metavar="RUN", help="the run's folder")
    plot.add_argument("trial", nargs="?", metavar="TRIAL", help="this trial's curves (default: the best one's)")
    plot.add_argument("--out", type=Path, metavar="FILE", help="a .png or .svg file (default: below RUN/plots)")

    for reading in (resume, show, best):
        _cluster(reading, default=None)

    _cluster(command("up", "start Ray on the machines of a cluster.yaml"))
    submit = command("submit", "ask an experiment's question on a cluster; this machine may go away then")
    submit.add_argument("name", metavar="NAME", help="an experiment, as `orchestune list` names it")
    submit.add_argument("--run-name", metavar="RUN", help="what the run is called (default: NAME and the time)")
    submit.add_argument("--yes", action="store_true", help="start a large grid all the same")
    submit.add_argument("--follow", action="store_true", help="print what the run says until it is over")
    _cluster(submit)
    _settings(submit)
    _cluster(command("runs", "the runs that were submitted since the cluster is up"))
    logs = command("logs", "what a run on a cluster has said")
    logs.add_argument("run", metavar="RUN")
    logs.add_argument("--follow", action="store_true", help="and what it says from now on, until it is over")
    _cluster(logs)
    stop = command("stop", "end a run on a cluster; nothing is lost, `resume` goes on")
    stop.add_argument("run", metavar="RUN")
    _cluster(stop)
    fetch = command("fetch", "bring a run's journal, TensorBoard logs and best checkpoint here")
    fetch.add_argument("run", metavar="RUN")
    fetch.add_argument("--into", type=Path, default=Path("runs"), metavar="DIR", help="into DIR/RUN (default: runs)")
    fetch.add_argument("--checkpoints", action="store_true", help="with every trial's checkpoints")
    _cluster(fetch)
    _cluster(command("down", "stop Ray on the machines of a cluster.yaml"))

    command("version", "the versions of orchestune and of what it stands on")
    return parser, commands


def _question(command: argparse.ArgumentParser) -> None:
    """What names an experiment, and where its runs and its data lie."""
    command.add_argument("name", metavar="NAME", help="an experiment, as `orchestune list` names it")
    command.add_argument(
        "--storage", type=Storage.parse, default=Storage(Path("runs")), metavar="DIR",
        help="where runs live: a folder, s3://BUCKET/PREFIX, or head:/FOLDER (default: runs)",
    )  # fmt: skip
    command.add_argument("--data", type=Path, metavar="DIR", help=DATA_HELP)


def _cluster(command: argparse.ArgumentParser, default: Path | None = Path("cluster.yaml")) -> None:
    """`default` None: without the option the command is about this machine."""
    where = f"default: {default}" if default else "RUN is then the name of a run there"
    command.add_argument(
        "--cluster", type=Path, default=default, metavar="FILE", help=f"the cluster that FILE describes ({where})"
    )


def _settings(command: argparse.ArgumentParser) -> None:
    settings = command.add_argument_group("settings of the experiment")
    for name, meaning in SETTINGS.items():
        settings.add_argument("--" + name.replace("_", "-"), metavar=meaning[0], help=meaning[1])
    settings.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=DOMAIN",
        help="a parameter's domain, as lr='loguniform(1e-4, 1e-1)'",
    )
