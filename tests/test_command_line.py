"""The commands as a user meets them: what they print, what they refuse, with which exit code, and how fast."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestune.cli import main
from orchestune.running.journal import Journal
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record
from tests.conftest import PROJECT

HOUSE = Path(__file__).parents[1]
Refusal = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refusal:
    """Runs a command that must be refused as wrong input, and returns what it says."""

    def run(*words: str) -> str:
        assert main(words) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "Traceback" not in captured.err
        assert captured.err.startswith("orchestune: ")
        return captured.err

    return run


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(PROJECT)
    return PROJECT


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one's own, with nothing in it."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


# ---- names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu", "toy"], "no command named 'rnu'. Did you mean 'run'?"),
        (["run", "toi"], "no experiment named 'toi'. Did you mean 'toy'?"),
        (["run", "toy", "--num-sample", "3"], "no option named '--num-sample'. Did you mean '--num-samples'?"),
        (["run", "toy", "--searcher", "hyperot"], "no searcher named 'hyperot'. Did you mean 'hyperopt'?"),
        (["run", "toy", "--scheduler", "asah"], "no scheduler named 'asah'. Did you mean 'asha'?"),
        (["run", "toy", "--scheduler", "asha(grace_periode=2)"], "Did you mean 'grace_period'?"),
        (["run", "toy", "--num-samples", "0"], "num_samples is 0: it must be a whole number, 1 or more"),
        (["run", "toy", "--max-epochs", "-3"], "max_epochs is -3"),
        (["run", "toy", "--max-epochs", "many"], "--max-epochs: 'many' is not a whole number of epochs"),
        (["run", "toy", "--set", "x"], "write NAME=DOMAIN"),
        (["run", "toy", "--set", "x=unifrom(0, 1)"], "Did you mean 'uniform'?"),
        (["run", "toy", "--set", "x=uniform(1, 0)"], "parameter 'x'"),
        (["run", "toy", "--cpus-per-trial", "0"], "resources.cpu is 0"),
        (["run", "toy", "--trial", "0001"], "--trial goes with --debug and --run-name"),
        (["run"], "NAME"),
        ([], "COMMAND"),
    ],
    ids=" ".join,
)
def test_wrong_words(words: list[str], said: str, project: Path, tmp_path: Path, refused: Refusal) -> None:
    storage = ["--storage", str(tmp_path / "runs")] if words[:1] == ["run"] and len(words) > 1 else []
    assert said in refused(*words, *storage)
    assert not (tmp_path / "runs").exists()


def test_all_mistakes_of_the_command_line_at_once(project: Path, refused: Refusal) -> None:
    said = refused("run", "toy", "--seed", "x", "--searcher", "rnadom", "--max-epochs", "1.5")
    assert [word in said for word in ("--seed", "--searcher", "--max-epochs")] == [True] * 3


def test_a_misspelt_parameter_is_caught(monkeypatch: pytest.MonkeyPatch, refused: Refusal) -> None:
    monkeypatch.chdir(HOUSE)
    said = refused("run", "digits_mlp", "--set", "hiden=64")
    assert "no parameter named 'hiden'. Did you mean 'hidden'?" in said


# ---- storage and run names


@pytest.mark.parametrize("name", ["../x", "/abs", "a/b", "", ".hidden", "-rf", "a b", "a\nb", "é", "x" * 81])
def test_a_run_name_stays_in_its_storage(name: str, project: Path, tmp_path: Path, refused: Refusal) -> None:
    assert "is not a plain name" in refused("run", "toy", "--storage", str(tmp_path / "s"), f"--run-name={name}")
    assert not list(tmp_path.iterdir())


def test_a_taken_name(project: Path, tmp_path: Path, refused: Refusal) -> None:
    (tmp_path / "mine").mkdir()
    said = refused("run", "toy", "--storage", str(tmp_path), "--run-name", "mine")
    assert "is taken" in said
    assert f"orchestune resume {tmp_path / 'mine'}" in said


def test_a_storage_that_is_a_file(project: Path, tmp_path: Path, refused: Refusal) -> None:
    (tmp_path / "file").touch()
    assert "is a file" in refused("run", "toy", "--storage", str(tmp_path / "file"))
    assert "is a file" in refused("run", "toy", "--storage", str(tmp_path / "file" / "below"))


def test_a_storage_that_cannot_be_written(project: Path, read_only_disk: Path, refused: Refusal) -> None:
    assert "is not writable" in refused("run", "toy", "--storage", str(read_only_disk))


def test_a_storage_that_is_full(project: Path, small_disk: Path, refused: Refusal) -> None:
    (small_disk / "filler").write_bytes(b"." * 3_500_000)
    assert f"storage {small_disk} is full: " in refused("run", "toy", "--storage", str(small_disk))
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "no Ray cluster listens at '127.0.0.1:1'"),
        ("ray://127.0.0.1:10001", "write HOST:PORT"),
        ("auto", "write HOST:PORT"),
    ],
)
def test_a_cluster_that_is_not_there(
    address: str, said: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)  # other tests' Ray would be taken as it is
    assert main(["run", "toy", "--storage", str(tmp_path / "s"), "--run-name", "mine", "--address", address]) == 2
    assert said in capfd.readouterr().err
    assert not (tmp_path / "s" / "mine").exists()


# ---- data


@pytest.mark.parametrize("how", [[], ["--debug"]], ids=["run", "debug"])
def test_a_data_folder_that_is_not_there(how: list[str], project: Path, tmp_path: Path, refused: Refusal) -> None:
    said = refused("run", "toy", *how, "--data", str(tmp_path / "none"), "--storage", str(tmp_path / "runs"))
    assert f"the data folder {tmp_path / 'none'} does not exist: give another with --data" in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("how", [[], ["--debug"]], ids=["run", "debug"])
def test_missing_data_are_told_before_anything_is_made(
    how: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refusal
) -> None:
    monkeypatch.chdir(HOUSE)
    monkeypatch.setenv("ORCHESTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ORCHESTUNE_DATA", "before")  # so that what the command sets is taken back
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("orchestune.training.node_data._opened", {})
    words = ["--data", str(tmp_path / "data"), "--storage", str(tmp_path / "runs")]
    said = refused("run", "mnist_mlp", *how, *words)
    assert "mnist is not whole in the data folder" in said
    assert "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz" in said
    assert not (tmp_path / "runs").exists()


# ---- experiments


def test_no_experiments_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refusal) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no experiments here" in refused("run", "toy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (", "mine.py, line 1: SyntaxError"),
        ("a = 1\nb = a / 0\n", "experiments/mine.py, line 2: ZeroDivisionError: division by zero"),
        ("from orchestune import Experimint\n", "Experimint"),
        ("other = 1\n", "it defines no `experiment = Experiment(...)`"),
    ],
)
def test_a_broken_experiment_file(text: str, said: str, empty: Path, refused: Refusal) -> None:
    (empty / "experiments" / "mine.py").write_text(text)
    assert said in refused("run", "mine")
    assert not (empty / "runs").exists()


def test_all_mistakes_of_an_experiment_at_once(empty: Path, refused: Refusal) -> None:
    (empty / "experiments" / "mine.py").write_text(
        "from ray import tune\nfrom orchestune import Experiment\nfrom models.toy import Toy\n"
        "experiment = Experiment(trainable=Toy, space={'x': tune.uniform(1, 0), 'f': print},"
        " metric='score', mode='up', num_samples=0, max_epochs=4)\n"
    )
    said = refused("run", "mine")
    assert said.startswith("orchestune: experiments/mine.py cannot run:")
    for part in ("parameter 'x'", "parameter 'f'", "mode is 'up'", "num_samples is 0"):
        assert part in said


# ---- reading


@pytest.fixture(scope="module")
def run_of_200(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run's journal: 200 trials of five epochs, one of them diverged, one failed."""
    root = tmp_path_factory.mktemp("runs") / "big"
    root.mkdir()
    journal, events = Journal(root / "events.jsonl"), []

    def add(event: str, **fields: Any) -> None:
        events.append({"event": event, "t": 1000.0 + len(events), **fields})

    question = {"name": "toy", "metric": "score", "mode": "min", "overrides": {}}
    add("question", v=1, rev=1, question=question)
    add("session", host="here", processes=[])
    for n in range(200):
        trial = f"{n:04d}"
        add("leg", trial=trial, leg=1, config={"x": n, "deep": {"y": [1, 2]}}, until=5, seed=7, **{"from": None})
        for epoch in range(1, 6):
            score = None if (n, epoch) == (7, 3) else (n + 1) / epoch
            decision = {"decision": "continue"}
            if score is None or epoch == 5:
                status = "diverged" if score is None else "finished"
                decision = {"decision": "stop", "status": status, "why": f"{status}, epoch {epoch}"}
            told = {"lr": 0.1, "examples_per_second": 300.0, "train_s": 2.0, "data_s": 0.5, "checkpoint_s": 0.25}
            add("report", trial=trial, leg=1, epoch=epoch, score=score, metrics={}, seconds=0.1, host="here",
                telemetry=told, **decision)  # fmt: skip
            if score is None:
                break
        fault = "code" if n == 9 else None
        status = "failed" if fault else events[-1]["status"]
        add("end", trial=trial, status=status, why=f"{status}, epoch {epoch}", fault=fault, error="ValueError: no")
    add("run_end", why="done", test={"test_score": 0.25}, test_error=None)
    journal.append(*events)
    journal.close()
    return root


def test_show_as_json(run_of_200: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(run_of_200), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["metric"], shown["mode"], shown["best"], len(shown["trials"])) == ("score", "min", "0000", 200)
    assert shown["trials"][0] == {
        "id": "0000", "config": {"x": 0, "deep": {"y": [1, 2]}}, "status": "finished",
        "why": "finished, epoch 5", "epochs": 5, "score": 0.2, "seed": 7,
        "seconds": {"train_s": 10.0, "data_s": 2.5, "checkpoint_s": 1.25},
        "hosts": ["here"],
    }  # fmt: skip
    assert [shown["trials"][n]["status"] for n in (7, 9)] == ["diverged", "failed"]
    assert shown["test"] == {"test_score": 0.25}


def test_show_as_a_table(run_of_200: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(run_of_200)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [word in lines[0] for word in ("trial", "status", "epochs", "score", "why", "config")] == [True] * 6
    assert lines[1].split()[:5] == ["0000", "finished", "5", "0.2", "@5"]
    assert "x=0 deep={y=[1, 2]}" in lines[1]
    assert any(line.startswith("best        trial 0000: score 0.2 at epoch 5") for line in lines)


def test_show_one_trial(run_of_200: Path, capsys: pytest.CaptureFixture[str], refused: Refusal) -> None:
    assert main(["show", str(run_of_200), "--trial", "0009"]) == 0
    shown = capsys.readouterr().out
    assert "ValueError: no" in shown
    assert "  time  training 10.00 s, of it waiting for data 2.50 s, checkpoints 1.25 s; 300 examples per" in shown
    assert "  seed  7" in shown
    assert main(["show", str(run_of_200), "--trial", "0007", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"] == {"1": 8.0, "2": 4.0, "3": None}
    assert "no trial named '9'" in refused("show", str(run_of_200), "--trial", "9")


def test_best(run_of_200: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", str(run_of_200), "--json"]) == 0
    best = json.loads(capsys.readouterr().out)
    assert (best["id"], best["score"], best["test"]) == ("0000", 0.2, {"test_score": 0.25})
    assert main(["best", str(run_of_200)]) == 0
    assert "test_score 0.25 (data that the search never saw" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["show", "best", "resume"])
def test_what_is_no_run(command: str, tmp_path: Path, refused: Refusal) -> None:
    assert "is not a run" in refused(command, str(tmp_path / "nothing"))
    assert "is not a run" in refused(command, str(tmp_path))
    (tmp_path / "events.jsonl").touch()
    assert "its run never began" in refused(command, str(tmp_path))


@pytest.mark.parametrize("command", ["show", "best", "resume"])
def test_a_damaged_journal_names_the_line(command: str, run_of_200: Path, tmp_path: Path, refused: Refusal) -> None:
    lines = (run_of_200 / "events.jsonl").read_text().splitlines(keepends=True)
    lines[41] = lines[41].replace("1", "2", 1)
    (tmp_path / "events.jsonl").write_text("".join(lines))
    assert "events.jsonl, line 42: the journal is damaged here" in refused(command, str(tmp_path))


def test_resuming_what_is_finished(run_of_200: Path, project: Path, refused: Refusal) -> None:
    assert "is finished (done)" in refused("resume", str(run_of_200))


def test_resuming_in_another_project(run_of_200: Path, empty: Path, refused: Refusal) -> None:
    lines = (run_of_200 / "events.jsonl").read_text().splitlines(keepends=True)
    (empty / "events.jsonl").write_text("".join(lines[:-1]))
    assert "which is not in" in refused("resume", str(empty))


def test_list(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out == "toy  Which x is the largest?\n"


def test_list_reads_what_does_not_even_parse(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty / "experiments" / "bad.py").write_text("x = (")
    (empty / "experiments" / "good.py").write_text('"""Is it good?\n\nMore."""\nraise SystemExit')
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "good  Is it good?"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert "ray 2." in capsys.readouterr().out


# ---- speed


@pytest.mark.parametrize("words", [["list"], ["show"], ["show", "--json"], ["best"]], ids=" ".join)
def test_commands_that_read_are_fast_and_import_little(words: list[str], run_of_200: Path) -> None:
    words = [*words, str(run_of_200)] if words != ["list"] else words
    heavy = (
        "import sys, orchestune.cli as c; c.main(sys.argv[1:]); "
        "print(sorted({'ray', 'torch', 'numpy', 'tensorboard', 'matplotlib'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", heavy, *words], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    # Beside what any command with a table costs on this machine; Ray or torch would be ten times that.
    plain = _fastest("-c", "import argparse, json, rich.console, rich.table")
    assert _fastest("-m", "orchestune.cli", *words) < 6 * plain


def _fastest(*words: str) -> float:
    """Seconds of a Python process, of five the least."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], cwd=HOUSE, capture_output=True, check=True)
        took.append(time.perf_counter() - began)
    return min(took)


def test_a_reader_may_leave(run_of_200: Path) -> None:
    """`orchestune show RUN | head -1`"""
    script = f"{sys.executable} -m orchestune.cli show {run_of_200} | head -1"
    done = subprocess.run(["sh", "-c", script], cwd=HOUSE, capture_output=True, text=True, check=False)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("faults", "test_error", "interrupted", "code"),
    [
        ([None], None, False, 0),
        (["config"], None, False, 0),
        ([None, "code"], None, False, 1),
        (["machine"], None, False, 1),
        ([None], "it broke", False, 1),
        (["code"], None, True, 130),
    ],
)
def test_exit_codes_of_a_run(
    faults: list[str | None], test_error: str | None, interrupted: bool, code: int, tmp_path: Path
) -> None:
    from orchestune.running.runner import Outcome

    made: list[dict[str, Any]] = [{"event": "question", "question": {"metric": "score", "mode": "max"}}]
    for number, fault in enumerate(faults):
        trial = f"{number:04d}"
        made.append({"event": "leg", "trial": trial, "leg": 1, "config": {}, "from": None, "until": 1})
        made.append({"event": "end", "trial": trial, "status": "failed", "why": "", "fault": fault})
    made.append({"event": "run_end", "why": "done", "test": None, "test_error": test_error})
    record = Record.of([{**event, "t": 0.0} for event in made])
    assert Outcome(RunPaths(tmp_path), record, interrupted).exit_code == code


# ---- debugging


def test_debug_trains_here_without_ray(project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import ray

    before = ray.is_initialized()
    results = set(Path("~/ray_results").expanduser().glob("*"))
    assert main(["run", "toy", "--debug", "--max-epochs", "3", "--storage", str(tmp_path / "s")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["epoch", "1:"], ["epoch", "2:"], ["epoch", "3:"]]
    assert ray.is_initialized() is before
    assert set(Path("~/ray_results").expanduser().glob("*")) == results
    assert not (tmp_path / "s").exists()


def test_debugging_a_runs_trial(project: Path, run_of_200: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--storage", str(run_of_200.parent), "--run-name", run_of_200.name]
    assert main(["run", "toy", "--debug", *where, "--trial", "0009"]) == 0
    assert "x=9" in capsys.readouterr().out
