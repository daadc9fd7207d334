"""The winner check: fresh seeds, the same for all; the test split looked at in the end; broken off, gone on with."""

from __future__ import annotations

import dataclasses
import shutil
from contextlib import chdir
from pathlib import Path

import pytest
from models.toy import Toy, WithTest

from orchestune import Resources
from orchestune.asked import experiment_of, read
from orchestune.cli import main
from orchestune.debugging import alone
from orchestune.experiment import Experiment
from orchestune.running.journal import Event, read_events
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record, Turn
from orchestune.winner.judged import Candidate, Judgement
from orchestune.winner.rerun import PARAMETERS, candidates, rerun
from orchestune.winner.verify import cost, judgement, lines, place
from orchestune.winner.winner import parameters
from tests.running.simulation import session, toy
from tests.winner.conftest import HOUSE, finished


@pytest.fixture
def asked(a_run: Path, house: Path) -> tuple[Record, Experiment]:
    record = read(a_run)
    return record, experiment_of(record, a_run)


@pytest.fixture(scope="module")
def verified(a_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the run's trials with two seeds, in a process without Ray."""
    record = read(a_run)
    with chdir(HOUSE):
        again = rerun(experiment_of(record, a_run), candidates(record, 2), 2)
    root = tmp_path_factory.mktemp("verified") / "run"
    session(again, root, name="digits_mlp")
    return root


def last_reports(root: Path) -> list[tuple[Event, Event]]:
    """Each trial's leg and its last report."""
    events = read_events(root / "events.jsonl")
    legs = {event["trial"]: event for event in events if event["event"] == "leg"}
    last = {event["trial"]: event for event in events if event["event"] == "report"}
    return [(legs[trial], last[trial]) for trial in legs]


def test_each_rerun_is_the_plain_training_with_that_seed(
    verified: Path, asked: tuple[Record, Experiment], tmp_path: Path
) -> None:
    record, experiment = asked
    seeds: dict[str, set[int]] = {}
    for leg, report in last_reports(verified):
        told, seed = leg["config"]["candidate"], leg["config"]["seed"]
        trial = record.trials[told["trial"]]
        assert (told["config"], told["epochs"]) == (trial.best_config, trial.best and trial.best[0])
        assert report["epoch"] == told["epochs"]
        seeds.setdefault(trial.id, set()).add(seed)
        plain = alone(experiment, told["config"], seed, str(tmp_path))
        for _ in range(told["epochs"]):
            metrics = plain.step()
        assert report["metrics"] == {
            name: value for name, value in metrics.items() if name != "training_iteration"
        } | plain.test() | {PARAMETERS: parameters(plain.model)}
    one, other = seeds.values()
    assert one == other, "differences are paired over the same seeds"
    assert len(one) == 2
    assert not one & {trial.seed for trial in record.trials.values()}


def test_the_test_split_is_looked_at_in_the_last_report_alone(verified: Path) -> None:
    reports = [event for event in read_events(verified / "events.jsonl") if event["event"] == "report"]
    looked = [event for event in reports if "test_accuracy" in event["metrics"]]
    assert len(looked) == 4
    assert all(event["decision"] == "stop" for event in looked)
    assert len(reports) > len(looked)


def test_the_judgement_is_read_from_the_journal(verified: Path) -> None:
    found = judgement(RunPaths(verified), metric="test_accuracy", seeds=2, maximize=True)
    assert not found.broken
    scores = {(leg["config"]["candidate"]["trial"], leg["config"]["seed"]): report["metrics"]["test_accuracy"]
              for leg, report in last_reports(verified)}  # fmt: skip
    assert {(one.trial, seed): score for one in found.ranked for seed, score in one.scores.items()} == scores
    assert found.ranked[0].mean >= found.ranked[1].mean
    assert all(one.parameters and one.parameters > 1000 for one in found.ranked)


def test_a_rerun_goes_on_from_its_checkpoint(asked: tuple[Record, Experiment], tmp_path: Path) -> None:
    record, experiment = asked
    again = rerun(experiment, candidates(record, 1), 2)
    config = again.typed_space.from_unit([0.1, 0.1])
    config["candidate"]["epochs"] = 2
    straight, broken = (alone(again, config, 0, str(tmp_path)) for _ in range(2))
    straight.step()
    broken.step()
    broken.save_checkpoint(str(tmp_path))
    later = alone(again, config, 1, str(tmp_path))
    later.load_checkpoint(str(tmp_path))
    assert later.step() == straight.step()


def test_a_plain_class_that_counts_no_epochs_is_tested_when_it_should(tmp_path: Path) -> None:
    class Uncounted(toy().trainable):  # type: ignore[misc]
        def step(self) -> dict[str, float]:
            report = super().step()
            del report["training_iteration"]
            return dict(report)

    base = dataclasses.replace(toy(), trainable=Uncounted)
    record = session(toy(num_samples=1, max_epochs=2), tmp_path / "run")
    again = rerun(base, candidates(record, 1), 2)
    made = alone(again, again.typed_space.from_unit([0.1, 0.1]), 0, str(tmp_path))
    assert "test_score" not in made.step()
    folder = tmp_path / "kept"
    folder.mkdir()
    made.save_checkpoint(str(folder))
    later = alone(again, again.typed_space.from_unit([0.1, 0.1]), 0, str(tmp_path))
    later.load_checkpoint(str(folder))
    report = later.step()
    assert (report["done"], "test_score" in report, PARAMETERS in report) == (True, True, False)


def test_a_function_of_the_configuration_still_says_what_a_trial_occupies(asked: tuple[Record, Experiment]) -> None:
    record, experiment = asked
    sized = dataclasses.replace(experiment, resources=lambda config: Resources(cpu=config["hidden"][0] / 1000))
    again = rerun(sized, candidates(record, 1), 2)
    trial = candidates(record, 1)[0]
    config = again.typed_space.from_unit([0.1, 0.1])
    assert again.resources_for(config).cpu == trial.config["hidden"][0] / 1000


def test_the_best_come_first_and_none_twice(asked: tuple[Record, Experiment]) -> None:
    record, _ = asked
    found = candidates(record, 9)
    assert [trial.best[1] for trial in found if trial.best] == sorted(
        (trial.best[1] for trial in found if trial.best), reverse=True
    )
    assert found[0] is record.best
    assert len(found) == 4
    twin = dataclasses.replace(found[1], id="0009")
    changed = dataclasses.replace(found[0], id="0010", config={"lr": 9}, turns=[Turn(2, 1, {})])
    more = dataclasses.replace(record, trials={**record.trials, "0009": twin, "0010": changed})
    assert [trial.id for trial in candidates(more, 9)] == [trial.id for trial in found]


def test_the_cost_is_said(asked: tuple[Record, Experiment]) -> None:
    record, _ = asked
    trials = candidates(record, 2)
    epochs = sum(trial.best[0] for trial in trials if trial.best)
    assert cost(record, trials, 5).startswith(f"2 configurations x 5 seeds: 10 trainings, {epochs * 5} epochs, about ")


# ---- words


def shown(*scores: list[float], sizes: tuple[int | None, ...] = (None, None, None)) -> str:
    made = [
        Candidate(trial=f"{n:04d}", config={"lr": 0.1}, epochs=4, scores=dict(enumerate(values)), parameters=sizes[n])
        for n, values in enumerate(scores)
    ]
    return "\n".join(lines(Judgement.of(made, metric="test_accuracy", seeds=2, maximize=True)))


def test_the_judgement_in_words() -> None:
    said = shown([0.9, 0.8], [0.8, 0.9], [0.1], sizes=(90, 9, 1)).splitlines()
    assert said[0].split() == ["trial", "test_accuracy", "95", "%", "interval", "epochs", "parameters", "config"]
    assert said[1].split() == ["0000", "0.85", "0.2147", "to", "1.485", "4", "90", "lr=0.1"]
    assert said[3] == "trial 0002 came to its end with 1 of 2 seeds: it is not ranked"
    assert "tie         0000 and 0001 cannot be told apart" in said[4]
    assert said[5] == "choose      trial 0001: of those that tie, the smallest model"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (shown([0.9, 0.91], [0.1, 0.11]), "trial 0000: better than each other one over the same seeds"),
        (shown([0.9, 0.8], [0.8, 0.9], sizes=(9, 90, None)), "trial 0000: of those that tie, none is smaller"),
        (shown([0.9, 0.8], [0.8, 0.9]), "trial 0000: of those that tie, the best mean"),
        (shown([0.9, 0.8]), "trial 0000: the best mean"),
        (shown([0.9]), "none: no configuration came to its end with every seed"),
    ],
    ids=["apart", "smaller", "unknown", "alone", "none"],
)
def test_why_one_is_chosen(said: str, why: str) -> None:
    assert said.splitlines()[-1] == f"choose      {why}"


# ---- the command


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_what_cannot_be_verified(a_run: Path, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--top is 0" in refused(capsys, "verify", str(a_run), "--top", "0")
    assert "--seeds is 1: it must be a whole number, 2 or more" in refused(capsys, "verify", str(a_run), "--seeds", "1")
    assert "invalid int value: 'x'" in refused(capsys, "verify", str(a_run), "--seeds", "x")
    assert "Did you mean '--seeds'" in refused(capsys, "verify", str(a_run), "--seed", "3")
    assert "is not a run" in refused(capsys, "verify", str(tmp_path))
    *begun, _ = (a_run / "events.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "events.jsonl").write_text("".join(begun))
    assert "is not finished. Go on with: orchestune resume" in refused(capsys, "verify", str(tmp_path))
    assert not (a_run / "verified").exists()


def test_without_a_test_split_nothing_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session(toy(trainable=Toy, num_samples=1), tmp_path / "run")
    assert "has no test split to verify on" in refused(capsys, "verify", str(tmp_path / "run"))


def test_a_metric_that_the_test_split_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Other(WithTest):
        def test(self) -> dict[str, float]:
            return {"test_loss": 1.0}

    session(toy(trainable=Other, num_samples=1), tmp_path / "run")
    said = refused(capsys, "verify", str(tmp_path / "run"))
    assert "searched score, and its test split has no test_score: it has test_loss" in said


def test_what_is_finished_is_read_as_long_as_it_is_about_the_best(
    a_run: Path, verified: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, run in (("same", a_run), ("other", finished(tmp_path / "more", num_samples="6", seed="3"))):
        root = place(tmp_path / name, 2, 2).root
        root.mkdir(parents=True)
        shutil.copy(run / "events.jsonl", tmp_path / name)
        shutil.copy(verified / "events.jsonl", root)
    words = ["--top", "2", "--seeds", "2"]
    assert main(["verify", str(tmp_path / "same"), *words]) == 0
    assert "choose      trial " in capsys.readouterr().out
    assert "is not about the best that" in refused(capsys, "verify", str(tmp_path / "other"), *words)


@pytest.mark.ray
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("ray_cluster")
def test_verified_on_ray_and_broken_off(
    a_run: Path, verified: Path, house: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same figures as without Ray; a journal that was cut off is gone on with; a whole one is only read."""
    words = ["verify", str(a_run), "--top", "2", "--seeds", "2"]
    assert main(words) == 0
    said = capfd.readouterr().out
    assert "2 configurations x 2 seeds: 4 trainings, " in said
    judged = said[said.index("\ntrial  ") + 1 :]
    root = place(a_run, 2, 2).root
    for metric in ("test_accuracy", "val_loss"):
        assert {
            (leg["config"]["candidate"]["trial"], leg["config"]["seed"]): pytest.approx(report["metrics"][metric])
            for leg, report in last_reports(verified)
        } == {
            (leg["config"]["candidate"]["trial"], leg["config"]["seed"]): report["metrics"][metric]
            for leg, report in last_reports(root)
        }
    assert main(words) == 0
    assert capfd.readouterr().out == judged

    journal = root / "events.jsonl"
    events = journal.read_text().splitlines(keepends=True)
    last = max(n for n, line in enumerate(events) if '"event": "report"' in line)
    journal.write_text("".join(events[:last]))
    assert main(words) == 0
    assert capfd.readouterr().out.endswith(judged)
