"""TensorBoard's files of a run, read back with its own readers: what they hold, and that they lack nothing."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from models.toy import WithTest
from ray import tune

from orchestune import Asha, Experiment, Fifo, when
from orchestune.errors import StorageError
from orchestune.report import words
from orchestune.report.tensorboard import TensorBoardLog
from orchestune.running.journal import Event, read_events
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record
from tests.conftest import Plan
from tests.report.event_files import Curves
from tests.running.simulation import Crash, Halving, crash_at, session, toy
from tests.running.test_crashes import ended

HOUSE = Path(__file__).parents[2]


class Measured(WithTest):
    """Reports more than its score: a loss that is finite at odd epochs only, a note, and what its training was like."""

    def step(self) -> dict[str, Any]:
        report = super().step()
        self.telemetry = {"lr": 0.5**self.epoch, "examples_per_second": 1000.0, "train_s": 0.1}
        return {**report, "loss": 1 / self.epoch if self.epoch % 2 else math.nan, "note": "text", "early": True}


MEASURED = toy(trainable=Measured)
EVERYTHING = toy(
    space={
        "x": tune.uniform(0, 1),
        "hidden": (tune.qrandint(16, 128, 16), tune.qrandint(16, 128, 16)),
        "model": {"noise": tune.randn(0, 1), "amsgrad": tune.choice([True, False])},
        "batch_size": tune.choice([64, 16, 32.5]),
        "optimizer": tune.choice(["sgd", "adam"]),
        "momentum": when("optimizer", "sgd", tune.loguniform(0.01, 1)),
        "clip": tune.choice([None, 1.5, True]),
        "widths": tune.choice([[64, 64], [128], {"narrow": 8}]),
        "schedule": tune.choice([{"kind": "constant"}, {"kind": "step", "gamma": tune.uniform(0, 1)}]),
        "constant": 7,
    },
    scheduler=Fifo(),
    num_samples=24,
    max_epochs=1,
)


def log_of(experiment: Experiment, root: Path) -> TensorBoardLog:
    log = TensorBoardLog()
    log.open(sys.stdout, experiment, RunPaths(root))
    return log


def run(experiment: Experiment, root: Path) -> Record:
    return session(experiment, root, observe=log_of(experiment, root).observe)


def events(root: Path, kind: str, trial: str) -> list[Event]:
    return [e for e in read_events(root / "events.jsonl") if e["event"] == kind and e["trial"] == trial]


def files(root: Path) -> dict[str, bytes]:
    """Everything below the folder, by its path."""
    folder = RunPaths(root).tensorboard
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def made_again(experiment: Experiment, root: Path) -> dict[str, bytes]:
    """What the files would be, were they made from nothing but the journal."""
    copy = root.with_name("again")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    (copy / root.name).mkdir()  # the run's name is in its files
    shutil.copy(root / "events.jsonl", copy / root.name)
    mend(experiment, copy / root.name)
    return files(copy / root.name)


def mend(experiment: Experiment, root: Path) -> None:
    """What a session does first."""
    past = read_events(root / "events.jsonl")
    log_of(experiment, root).observe({"event": "session", "t": 0.0}, Record.of(past))


# ---- parameters


def test_parameters_of_every_kind(tmp_path: Path) -> None:
    record = run(EVERYTHING, tmp_path / "run")
    seen = set()
    for trial in record.trials.values():
        c = trial.config
        expected = {
            "x": c["x"],
            "hidden/0": c["hidden"][0],
            "hidden/1": c["hidden"][1],
            "model/noise": c["model"]["noise"],
            "model/amsgrad": c["model"]["amsgrad"],
            "batch_size": c["batch_size"],
            "optimizer": c["optimizer"],
            "clip": str(c["clip"]),
            "widths": json.dumps(c["widths"]),
            "schedule": ["constant", "step"].index(c["schedule"]["kind"]),
        }
        if c["optimizer"] == "sgd":
            expected["momentum"] = c["momentum"]
        if c["schedule"]["kind"] == "step":
            expected["schedule[1]/gamma"] = c["schedule"]["gamma"]
        assert Curves(tmp_path / "run", trial.id).parameters == expected
        seen |= {expected["clip"], expected["widths"], len(expected)}
    assert {"None", "1.5", "True", "[64, 64]", '{"narrow": 8}', 10, 11, 12} <= seen


def test_columns_of_every_kind(tmp_path: Path) -> None:
    run(EVERYTHING, tmp_path / "run")
    experiment = Curves(tmp_path / "run", "0000").experiment
    number, truth, text = 3, 2, 1  # TensorBoard's data types
    columns = {info.name: info for info in experiment.hparam_infos}
    assert {name: info.type for name, info in columns.items()} == {
        "x": number, "hidden/0": number, "hidden/1": number, "model/noise": number, "model/amsgrad": truth,
        "batch_size": number, "optimizer": text, "momentum": number, "clip": text, "widths": text, "schedule": number,
        "schedule[1]/gamma": number,
    }  # fmt: skip
    domains = {name: list(info.domain_discrete) for name, info in columns.items() if info.HasField("domain_discrete")}
    assert domains == {
        "model/amsgrad": [False, True],
        "batch_size": [16, 32.5, 64],
        "optimizer": ["adam", "sgd"],
        "clip": ["1.5", "None", "True"],
        "widths": ["[128]", "[64, 64]", '{"narrow": 8}'],
        "schedule": [0, 1],
    }
    ends = {name: info.domain_interval for name, info in columns.items() if info.HasField("domain_interval")}
    assert {name: (end.min_value, end.max_value) for name, end in ends.items()} == {
        "x": (0, 1), "hidden/0": (16, 128), "hidden/1": (16, 128), "momentum": (0.01, 1), "schedule[1]/gamma": (0, 1),
    }  # fmt: skip
    assert all(info.differs for info in columns.values())


def test_a_parameter_of_one_value_does_not_come_first(tmp_path: Path) -> None:
    one = tune.choice([3])
    space = {"x": tune.uniform(0, 1), "one": one, "kind": tune.choice(["a", "b"]), "sometimes": when("kind", "a", one)}
    run(toy(space=space), tmp_path / "run")
    infos = Curves(tmp_path / "run", "0000").experiment.hparam_infos
    assert {info.name: info.differs for info in infos} == {"x": True, "one": False, "kind": True, "sometimes": True}


def test_the_columns_are_in_one_file_with_every_metric(tmp_path: Path) -> None:
    record = run(MEASURED, tmp_path / "run")
    found = [Curves(tmp_path / "run", trial).experiment for trial in record.trials]
    assert [experiment is not None for experiment in found] == [True] + [False] * 4
    assert [info.name.tag for info in found[0].metric_infos] == ["best/score", "best/loss"]


def test_the_columns_come_once_with_the_first_report(tmp_path: Path) -> None:
    log, record = log_of(MEASURED, tmp_path), Record()
    first, second = report("0001", 1, 0.5, {"score": 0.5}), report("0001", 2, 0.6, {"score": 0.6})
    tell(log, record, question(MEASURED), birth("0000", x=0.5), end("0000", "failed"))
    tell(log, record, birth("0001", x=0.6), first, second)
    tell(log, record, birth("0002", x=0.7), report("0002", 1, 0.5, {"score": 0.5}))
    assert [data.count(b"_hparams_/experiment") for _, data in sorted(files(tmp_path).items())] == [0, 1, 0]


def test_the_columns_come_once_where_the_younger_reports_first(tmp_path: Path) -> None:
    log, record = log_of(MEASURED, tmp_path), Record()
    tell(log, record, question(MEASURED), birth("0000", x=0.5), birth("0001", x=0.6))
    tell(log, record, report("0001", 1, 0.5, {"score": 0.5}), report("0000", 1, 0.5, {"score": 0.5}))
    assert [data.count(b"_hparams_/experiment") for _, data in sorted(files(tmp_path).items())] == [0, 1]


# ---- curves


@pytest.mark.parametrize("scheduler", [Asha(reduction_factor=3), Halving()], ids=["asha", "halving"])
def test_curves_are_the_journals(scheduler: Any, tmp_path: Path) -> None:
    record = run(toy(trainable=Measured, scheduler=scheduler), tmp_path / "run")
    for trial in record.trials:
        reports, curves = events(tmp_path / "run", "report", trial), Curves(tmp_path / "run", trial)
        assert curves.tags == {"score", "loss", "lr", "examples_per_second", "best/score", "best/loss"}
        assert curves.points("score") == [(e["epoch"], pytest.approx(e["score"])) for e in reports]
        finite = [(e["epoch"], pytest.approx(e["metrics"]["loss"])) for e in reports if e["epoch"] % 2]
        assert curves.points("loss") == finite
        assert curves.points("lr") == [(e["epoch"], 0.5 ** e["epoch"]) for e in reports]
        assert curves.times("score") == [e["t"] for e in reports]
    assert any(len(events(tmp_path / "run", "leg", trial)) > 1 for trial in record.trials) == (scheduler == Halving())


def test_one_trial_is_one_file(tmp_path: Path) -> None:
    record = run(toy(scheduler=Halving()), tmp_path / "run")
    assert set(files(tmp_path / "run")) == {f"{trial}/events.out.tfevents.{trial}" for trial in record.trials}
    starts = {trial: Curves(tmp_path / "run", trial).start for trial in record.trials}
    births = {trial: events(tmp_path / "run", "leg", trial)[0]["t"] for trial in record.trials}
    assert {trial: start.start_time_secs for trial, start in starts.items()} == births
    assert {start.group_name for start in starts.values()} == {f"{trial} run" for trial in record.trials}


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_best_epoch_stands_in_the_table(mode: str, tmp_path: Path) -> None:
    """Of any curve, its best epoch so far, with all metrics of that epoch and no other's."""
    experiment = toy(trainable=Measured, mode=mode, num_samples=1)
    log, record = log_of(experiment, tmp_path), Record()
    scores = [0.5, 0.7, None, 0.7, 0.9, 0.2, 0.1, 0.9]
    tell(log, record, question(experiment), birth("0000", x=0.5))
    for epoch, score in enumerate(scores, start=1):
        loss = epoch / 10 if epoch != 5 else None
        tell(log, record, report("0000", epoch, score, {"score": score, "loss": loss, "note": "text"}))
    curves = Curves(tmp_path, "0000")
    better = [1, 2, 5] if mode == "max" else [1, 6, 7]
    assert curves.points("best/score") == [(epoch, pytest.approx(scores[epoch - 1])) for epoch in better]
    losses = [(epoch, pytest.approx(math.nan if epoch == 5 else epoch / 10, nan_ok=True)) for epoch in better]
    assert curves.points("best/loss") == losses


def test_reports_of_runs_without_telemetry(tmp_path: Path) -> None:
    run(toy(), tmp_path / "run")
    assert Curves(tmp_path / "run", "0000").tags == {"score", "best/score"}


# ---- ends


@pytest.mark.parametrize(
    ("changes", "fault", "success"),
    [
        ({"scheduler": Fifo()}, None, True),
        ({"scheduler": Asha(reduction_factor=3)}, None, True),
        ({"scheduler": Fifo()}, ["nan", 2], False),
        ({"scheduler": Fifo()}, ["nan", 1], False),
    ],
    ids=["finished", "stopped", "diverged", "diverged at once"],
)
def test_how_a_trial_ended(changes: Any, fault: Any, success: bool, plan: Plan, tmp_path: Path) -> None:
    plan(**({"fault": fault} if fault else {}))
    record = run(toy(**changes), tmp_path / "run")
    for trial in record.trials:
        end = Curves(tmp_path / "run", trial).end
        assert end.status == (1 if success else 2)
        assert end.end_time_secs == events(tmp_path / "run", "end", trial)[0]["t"]


def test_a_trial_that_goes_on_has_no_end(tmp_path: Path) -> None:
    log, record = log_of(MEASURED, tmp_path), Record()
    tell(log, record, question(MEASURED), birth("0000", x=0.5), report("0000", 1, 0.5, {"score": 0.5}))
    assert Curves(tmp_path, "0000").end is None


def test_a_trial_that_ends_without_a_report(tmp_path: Path) -> None:
    log, record = log_of(MEASURED, tmp_path), Record()
    tell(log, record, question(MEASURED), birth("0000", x=0.5), end("0000", "failed"), birth("0001", x=0.6))
    assert Curves(tmp_path, "0000").end.status == 2
    assert Curves(tmp_path, "0000").tags == set()


# ---- gaps


@pytest.mark.parametrize("moment", ["before", "after", "torn"])
def test_nothing_is_lost_or_doubled_by_crashes(moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = toy(trainable=Measured, scheduler=Halving())
    crashed, nth = True, 0
    while crashed:
        nth, root = nth + 1, tmp_path / f"run-{nth}"
        log, crashed = log_of(experiment, root), False
        try:
            with crash_at(nth, moment, monkeypatch):
                session(experiment, root, observe=log.observe)
        except Crash:
            crashed = True
            if not ended(root):
                run(experiment, root)
        assert files(root) == made_again(experiment, root), f"after a crash at durable step {nth}"
    assert nth > 8


@pytest.fixture
def past(tmp_path: Path) -> Path:
    """A run, whose files are whole."""
    run(MEASURED, tmp_path / "run")
    return tmp_path / "run"


def test_a_file_cut_off_anywhere_is_read_on(past: Path) -> None:
    """Completed, not replaced: a TensorBoard that has the file open would not see another in its place."""
    path, whole = RunPaths(past).curves("0002"), files(past)
    data, place = path.read_bytes(), path.stat().st_ino
    for cut in range(len(data)):
        with path.open("r+b") as file:
            file.truncate(cut)
        mend(MEASURED, past)
        assert files(past) == whole, f"cut after {cut} of {len(data)} bytes"
    assert path.stat().st_ino == place


def test_a_file_that_is_something_else_is_replaced(past: Path) -> None:
    path, whole = RunPaths(past).curves("0002"), files(past)
    for wrong in (b"x" * 100, path.read_bytes()[:-1] + b"x", path.read_bytes()[1:50]):
        path.write_bytes(wrong)
        mend(MEASURED, past)
        assert files(past) == whole


def test_a_folder_that_was_never_there_is_made(past: Path) -> None:
    whole = files(past)
    shutil.rmtree(RunPaths(past).tensorboard)
    mend(MEASURED, past)
    assert files(past) == whole


def test_whole_files_are_left_alone(past: Path) -> None:
    """Whatever ends as it should is whole: what all trials of a long run have told is not to be written again."""
    path = RunPaths(past).curves("0002")
    path.write_bytes(b"?" + path.read_bytes()[1:])
    stats = {path: path.stat().st_mtime_ns for path in RunPaths(past).tensorboard.rglob("*")}
    mend(MEASURED, past)
    assert {path: path.stat().st_mtime_ns for path in stats} == stats


def test_the_folder_may_be_deleted_at_any_moment(tmp_path: Path) -> None:
    """A report and the end that it brings are journaled together, and told one by one."""
    total = run(toy(trainable=Measured, scheduler=Halving()), tmp_path / "run") and len(told(tmp_path / "run"))
    for moment in range(0, total, 2):
        root, counter = tmp_path / f"run-{moment}", itertools.count()
        log = log_of(MEASURED, root)

        def observe(event: Event, record: Record) -> None:
            if next(counter) == moment:  # noqa: B023 - called within this turn of the loop
                shutil.rmtree(RunPaths(root).tensorboard, ignore_errors=True)  # noqa: B023
            log.observe(event, record)  # noqa: B023

        session(toy(trainable=Measured, scheduler=Halving()), root, observe=observe)
        expected = made_again(MEASURED, root)
        found = files(root)
        assert found.items() <= expected.items()
        later = {e["trial"] for e in told(root)[moment:] if e["event"] in ("report", "end")}
        assert {name[:4] for name in found} >= later, "whoever is heard of again is whole again"


def told(root: Path) -> list[Event]:
    """The events that a run's observer was told."""
    return [e for e in read_events(root / "events.jsonl") if e["event"] != "question"]


def test_a_full_disk_is_told_in_words(small_disk: Path) -> None:
    log, record = log_of(MEASURED, small_disk), Record()
    tell(log, record, question(MEASURED), birth("0000", x=0.5))
    with suppress(OSError):
        (small_disk / "filler").write_bytes(b"." * (4 << 20))
    reports = [report("0000", epoch, 0.5, {"score": 0.5}) for epoch in range(1, 200)]
    with pytest.raises(StorageError, match=r"No space left on device .*Make room, then resume"):
        tell(log, record, *reports)


def test_a_read_only_folder_is_told_in_words(read_only_disk: Path) -> None:
    log, record = log_of(MEASURED, read_only_disk), Record()
    with pytest.raises(StorageError, match="Read-only file system"):
        tell(log, record, question(MEASURED), birth("0000", x=0.5))


# ---- where it is found


def test_the_last_lines_of_a_run_name_the_command(past: Path) -> None:
    record = Record.of(read_events(past / "events.jsonl"))
    assert words.summary(record, past)[-1].split() == ["tensorboard", "--logdir", str(past)]
    shutil.rmtree(RunPaths(past).tensorboard)
    assert "tensorboard" not in "".join(words.summary(record, past))


def test_a_command_is_named_as_the_shell_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [".venv/bin/orchestune"])
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert [words.program(), words.program("tensorboard")] == ["orchestune", "tensorboard"]
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert [words.program(), words.program("tensorboard")] == [".venv/bin/orchestune", ".venv/bin/tensorboard"]


# ---- what it costs


def test_it_is_imported_by_runs_alone() -> None:
    code = "import orchestune.report.tensorboard, sys; print(sorted({'ray', 'torch', 'tensorboard'} & {*sys.modules}))"
    assert python(code) == "[]"
    code = "import orchestune.report.summaries, sys; print(sorted({'ray', 'torch'} & {*sys.modules}))"
    assert python(code) == "[]"


def test_the_bytes_are_the_same_in_another_process() -> None:
    """Or a file would not be completed after a crash, but replaced under a TensorBoard that has it open."""
    code = """
import hashlib
from orchestune.report.summaries import Summaries
from orchestune.running.record import Record
from orchestune.space import Float, Space
from orchestune.space.tree import Slot, Table
names = [f"parameter-{n}" for n in range(50)]
space = Space(tuple(Float(name=n, low=0, high=1) for n in names), Table(tuple((n, Slot(n)) for n in names)))
birth = {"event": "leg", "t": 1.5, "trial": "0000", "leg": 1, "config": {n: 0.5 for n in names}}
print(hashlib.sha256(Summaries("run", space).of(birth, Record())).hexdigest())
"""
    assert len({python(code) for _ in range(4)}) == 1


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True
    ).stdout.strip()


# ---- events made by hand


def tell(log: TensorBoardLog, record: Record, *told: Event) -> None:
    for event in told:
        record.apply(event)
        log.observe(event, record)


def question(experiment: Experiment) -> Event:
    return {"event": "question", "t": 0.0, "v": 1, "question": {**experiment.to_json(), "name": "toy"}}


def birth(trial: str, **config: Any) -> Event:
    return {"event": "leg", "t": 1.0, "trial": trial, "leg": 1, "config": config, "from": None, "until": 9}


def report(trial: str, epoch: int, score: float | None, metrics: dict[str, Any]) -> Event:
    return {"event": "report", "t": 1.0 + epoch, "trial": trial, "leg": 1, "epoch": epoch, "score": score,
            "metrics": metrics, "seconds": 1.0, "decision": "continue"}  # fmt: skip


def end(trial: str, status: str) -> Event:
    return {"event": "end", "t": 9.0, "trial": trial, "status": status, "why": "", "fault": None, "error": None}
