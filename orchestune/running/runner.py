"""Runs an experiment on Ray Tune, from its question to its last event, and goes on with a run that was broken off."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TextIO

from ray import tune

from orchestune.durable import NO_ROOM, write_whole
from orchestune.environment import settings
from orchestune.errors import ClusterError, OrchestuneError, RunStateError, StorageError
from orchestune.experiment import Experiment
from orchestune.running.conductor import Conductor, Observer
from orchestune.running.feed import Feed
from orchestune.running.gate import Gate
from orchestune.running.guard import Guard
from orchestune.running.journal import VERSION, Event, Journal, read_events
from orchestune.running.keeping import Keeping
from orchestune.running.memory_storage import memory_storage
from orchestune.running.paths import RunPaths, check_room, storage_error
from orchestune.running.promised import expected
from orchestune.running.quiet import quiet
from orchestune.running.ray_session import TUNE_SETTINGS, end_leftovers, machines, ray_session
from orchestune.running.record import Record
from orchestune.running.room import Room
from orchestune.storage.storage import Storage
from orchestune.training.files import data_folder
from orchestune.training.legs import with_legs
from orchestune.training.needs import ResourcesOf
from orchestune.training.resources import Resources


class Listener(Protocol):
    """Whom a run tells how it goes. `observe` and `say` may come after `close` where a session is interrupted."""

    def open(self, terminal: TextIO, experiment: Experiment, paths: RunPaths) -> None: ...
    def observe(self, event: Event, record: Record) -> None: ...
    def say(self, text: str) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """How a session ended. The run itself may go on at the next one."""

    paths: RunPaths
    record: Record
    interrupted: bool

    @property
    def exit_code(self) -> int:
        if self.interrupted:
            return 130
        broken = self.record.run_end is not None and self.record.run_end["test_error"]
        return 1 if self.record.faulty or broken else 0


def start(
    experiment: Experiment,
    *,
    name: str,
    storage: Path | Storage,
    run_name: str | None,
    listeners: Sequence[Listener],
    overrides: Mapping[str, str] | None = None,
    address: str | None = None,
) -> Outcome:
    """A new run of the experiment called `name`, as RUN_NAME in the storage (None: a name from the time).

    `overrides` is what was asked otherwise, as text; every listener is told everything, one after the other.

    Raises OrchestuneError: before any trial starts for all that can be known by then, leaving no folder behind.
    """
    experiment.get_ready()
    storage = Storage(storage) if isinstance(storage, Path) else storage
    runs = storage.folder
    paths = RunPaths.create_fresh(runs, name) if run_name is None else RunPaths.create(runs, run_name)
    try:
        keeping = Keeping(storage.kept_at(paths.name), paths)
        keeping.check_new()
    except BaseException:
        shutil.rmtree(paths.root)
        raise
    folder = data_folder()  # the journal has it for `resume`
    about = {"name": name, "overrides": dict(overrides or {}), "data": str(folder) if folder else None,
             "kept_at": storage.kept_at(paths.name)}  # fmt: skip
    question = {**about, **experiment.to_json()}
    with _journal(paths) as journal:  # the question first: a run killed while Ray starts is a run to resume
        journal.append({"event": "question", "t": round(time.time(), 3), "v": VERSION, "rev": 1, "question": question})
        write_whole(paths.question, json.dumps({**question, "made_with": _about_here()}, indent=2) + "\n")
    try:
        with _journal(paths) as journal:
            return _session(experiment, paths, journal, keeping, listeners, address)
    except OrchestuneError:
        if not Record.of(read_events(paths.events)).trials:
            shutil.rmtree(paths.root)
            with suppress(StorageError):  # what has ended the run says more
                keeping.discard()
        raise


def resume(
    experiment: Experiment, paths: RunPaths, *, listeners: Sequence[Listener], address: str | None = None
) -> Outcome:
    """Goes on where the journal ends. Raises RunStateError where the run is finished, running or now asks otherwise."""
    if not paths.events.exists():
        raise RunStateError(f"{paths.root} is not a run: it has no {paths.events.name}")
    with _journal(paths) as journal:
        record = Record.of(journal.events)
        check_resumable(record, paths.root)
        check_unchanged(record.question, experiment)
        check_room(paths.root)
        experiment.get_ready()
        if record.session.get("host") == platform.node():
            end_leftovers(record.session["processes"])
        keeping = Keeping(record.question.get("kept_at"), paths)
        return _session(experiment, paths, journal, keeping, listeners, address)


@contextmanager
def _journal(paths: RunPaths) -> Iterator[Journal]:
    journal = Journal(paths.events)
    try:
        yield journal
    finally:
        journal.close()


def check_resumable(record: Record, root: Path) -> None:
    """Raises RunStateError where the run has come to its end."""
    if record.run_end:
        raise RunStateError(
            f"{root} is finished ({record.run_end['why']}): nothing is left to do. See `orchestune show {root}`."
        )


def check_unchanged(question: Mapping[str, Any], experiment: Experiment) -> None:
    """Raises RunStateError naming every setting in which the experiment no longer is the journal's question."""
    now = json.loads(json.dumps(experiment.to_json()))
    changed = [
        f"\n  - {key}: the run has {json.dumps(question.get(key))}, the experiment now says {json.dumps(now.get(key))}"
        for key in now
        if now[key] != question.get(key)
    ]
    if changed:
        raise RunStateError(
            "the experiment is no longer what this run was asked:" + "".join(changed)
            + "\nPut it back to resume, or start a new run."
        )  # fmt: skip


def check_fixed(resources: Resources | ResourcesOf, room: Room) -> None:
    """Raises ClusterError where every trial asks for what there is not; of a function each answer is checked."""
    if isinstance(resources, Resources) and (lacking := room.lacking(resources)):
        raise ClusterError(
            f"a trial {lacking}: ask for less in the experiment's resources, or with --cpus-per-trial, "
            "--gpus-per-trial, --memory-per-trial"
        )


def _session(
    experiment: Experiment, paths: RunPaths, journal: Journal, keeping: Keeping, listeners: Sequence[Listener],
    address: str | None,
) -> Outcome:  # fmt: skip
    def observe(event: Event, record: Record) -> None:
        for listener in listeners:
            listener.observe(event, record)

    def say(text: str) -> None:
        for listener in listeners:
            listener.say(text)

    with keeping.copied(journal, say):
        guard = Guard()
        conductor = _trained(experiment, paths, journal, keeping, listeners, address, guard, observe, say)
        if guard.problem:
            raise guard.problem
        if guard.interrupted:
            conductor.interrupt()
    return Outcome(paths, conductor.record, guard.interrupted)


def _trained(
    experiment: Experiment, paths: RunPaths, journal: Journal, keeping: Keeping, listeners: Sequence[Listener],
    address: str | None, guard: Guard, observe: Observer, say: Callable[[str], None],
) -> Conductor:  # fmt: skip
    """The run's conductor once Ray has let go of the run, done or not: `guard` knows."""
    with (
        quiet(paths.log) as terminal,
        _signals(guard),
        _opened(listeners, terminal, experiment, paths),
        ThreadPoolExecutor(1) as aside,  # the searcher's library is imported, the journal replayed, while Ray starts
    ):
        ready = aside.submit(Conductor, experiment, journal, keeping.store, observe=observe, say=say)
        about = aside.submit(_about_here)
        with ray_session(address) as session, keeping.served():
            guard.listen()
            look = machines if address is None else lambda: expected(machines())
            room = Room(look(), experiment.max_concurrent_trials, look=look)
            check_fixed(experiment.resources, room)
            conductor = ready.result()
            here = {"address": address or "local", "processes": session.processes}
            conductor.begin({**about.result(), **here}, room)
            _fit(conductor, guard)
    return conductor


def _fit(conductor: Conductor, guard: Guard) -> None:
    """Tune's loop, until the feed is finished or the guard has ended it."""
    experiment = conductor.experiment
    trainable = experiment.trainable
    if experiment.executions_per_trial > 1:
        from orchestune.training.copies import copies  # here, because a run that needs no torch starts sooner

        trainable = copies(trainable, experiment.executions_per_trial)
    tuner = tune.Tuner(
        with_legs(trainable),
        tune_config=tune.TuneConfig(
            search_alg=Feed(conductor, guard),
            scheduler=Gate(conductor, guard),
            num_samples=-1,
            reuse_actors=trainable.reset_config is not tune.Trainable.reset_config,
        ),
        run_config=tune.RunConfig(
            name="run",
            storage_path="memory",
            storage_filesystem=memory_storage(),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    with settings(TUNE_SETTINGS):
        try:
            tuner.fit()
        except Exception as problem:
            if guard.problem is None:
                full = isinstance(problem, OSError) and problem.errno in NO_ROOM
                guard.problem = storage_error(conductor.folder, problem) if full else problem  # type: ignore[arg-type]


@contextmanager
def _signals(guard: Guard) -> Iterator[None]:
    """Within the block, Ctrl-C and SIGTERM end the session cleanly."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    guard.listen()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _opened(listeners: Sequence[Listener], terminal: TextIO, experiment: Experiment, paths: RunPaths) -> Iterator[None]:
    with ExitStack() as opened:
        for listener in listeners:
            listener.open(terminal, experiment, paths)
            opened.callback(listener.close)
        yield


def _about_here() -> dict[str, Any]:
    """What made these results: the process, the versions, the project's commit."""
    packages = ("orchestune", "ray", "torch", "hyperopt", "optuna", "bayesian-optimization", "numpy")
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "git": git_revision(Path.cwd()),
    }


def git_revision(folder: Path) -> str | None:
    """The commit checked out in `folder`, with `+changes` behind it where files differ; None outside a repository."""

    def git(*words: str) -> str | None:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    if shutil.which("git") is None or (commit := git("rev-parse", "HEAD")) is None:
        return None
    return commit + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
