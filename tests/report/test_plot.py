"""`orchestune plot`: what is drawn of a run, told by matplotlib's artists and by the file itself."""

from __future__ import annotations

import math
import subprocess
import sys
import xml.etree.ElementTree as tree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from orchestune import Random
from orchestune.cli import main
from orchestune.errors import ExperimentError, RunStateError
from orchestune.report import picture
from orchestune.running.journal import Event, Journal
from orchestune.running.record import Record
from tests.running.simulation import toy

HOUSE = Path(__file__).parents[2]
Curves = dict[str, list[float | None]]  # metric -> what it was at epoch 1, 2, ...

UP = {"train_accuracy": [0.5, 0.8, 0.9], "val_accuracy": [0.4, 0.7, 0.6]}


def events(
    *trials: tuple[str, Curves], metric: str = "val_accuracy", mode: str = "max", **question: Any
) -> list[Event]:
    """A run whose trials reported these curves and ended with these statuses."""
    asked = {"name": "toy", "metric": metric, "mode": mode, "overrides": {}, **question}
    made: list[Event] = [{"event": "question", "v": 1, "rev": 1, "question": asked}]
    for number, (status, curves) in enumerate(trials):
        trial = {"trial": f"{number:04d}", "leg": 1}
        made.append({"event": "leg", **trial, "config": {"lr": 0.1 * number, "width": 8}, "from": None, "until": 9})
        for epoch, values in enumerate(zip(*curves.values(), strict=True), start=1):
            metrics = dict(zip(curves, values, strict=True))
            told = {"score": metrics[metric], "metrics": metrics, "seconds": 0.1, "decision": "continue"}
            made.append({"event": "report", **trial, "epoch": epoch, **told})
        if status != "running":
            made.append({"event": "end", **trial, "status": status, "why": "so", "fault": None})
    return [{**event, "t": 0.0} for event in made]


def record(*trials: tuple[str, Curves], **question: Any) -> Record:
    return Record.of(events(*trials, **question))


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Writes such a run's journal."""

    def write(*trials: tuple[str, Curves], **question: Any) -> Path:
        root = tmp_path / "run"
        root.mkdir()
        journal = Journal(root / "events.jsonl")
        journal.append(*events(*trials, **question))
        journal.close()
        return root

    return write


def line(axes: Axes, gid: str) -> Line2D:
    (found,) = [drawn for drawn in axes.get_lines() if drawn.get_gid() == gid]
    return found


def points(drawn: Line2D) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in drawn.get_xydata()]  # type: ignore[union-attr]


# ---- one trial


def test_the_best_trial_on_both_sides_with_its_best_epoch_marked() -> None:
    worse = {"train_accuracy": [0.5, 0.6], "val_accuracy": [0.5, 0.6]}
    left, _ = picture.figure(record(("finished", worse), ("finished", UP))).axes
    assert points(line(left, "train_accuracy")) == [(1, 0.5), (2, 0.8), (3, 0.9)]
    assert points(line(left, "val_accuracy")) == [(1, 0.4), (2, 0.7), (3, 0.6)]
    assert points(line(left, "best")) == [(2, 0.7)]
    assert list(line(left, "best-epoch").get_xdata()) == [2, 2]
    assert left.get_title().startswith("trial 0001, the best\nlr=0.1 width=8")
    assert (left.get_xlabel(), left.get_ylabel()) == ("epoch", "accuracy")


def test_a_trial_by_its_name() -> None:
    worse = {"train_accuracy": [0.5, 0.6], "val_accuracy": [0.5, 0.3]}
    left, right = picture.figure(record(("stopped", worse), ("finished", UP)), "0000").axes
    assert points(line(left, "best")) == [(1, 0.5)]
    assert left.get_title().startswith("trial 0000\n")
    assert line(right, "trial-0000").get_linewidth() > line(right, "trial-0001").get_linewidth()


@pytest.mark.parametrize(
    ("curves", "drawn", "marked"),
    [
        ({"train_loss": [2, 1], "val_loss": [2, 3], "val_accuracy": [0.4, 0.7]}, ["train_loss", "val_loss"], (2, 3)),
        ({"train_loss": [2, 1], "val_accuracy": [0.4, 0.7]}, ["val_accuracy"], (2, 0.7)),
        ({"train_loss": [2, 1], "val_loss": [2, 3], **{k: v[:2] for k, v in UP.items()}}, [*UP], (2, 0.7)),
    ],
    ids=["the losses", "one side", "its own other side"],
)
def test_what_stands_for_both_sides(curves: Curves, drawn: list[str], marked: tuple[float, float]) -> None:
    (left,) = picture.figure(record(("finished", curves))).axes
    gids = [made.get_gid() for made in left.get_lines()]
    assert gids == [*drawn, "best-epoch", "best"]
    assert points(line(left, "best")) == [marked]
    assert "best epoch, 2: val_accuracy 0.7" in [made.get_label() for made in left.get_lines()]


def test_where_less_is_better_the_least_is_marked() -> None:
    curves = {"train_loss": [3, 2, 1], "val_loss": [3, 1.5, 2]}
    (left,) = picture.figure(record(("finished", curves), metric="val_loss", mode="min")).axes
    assert points(line(left, "best")) == [(2, 1.5)]


# ---- all of them


def test_those_that_were_stopped_fade() -> None:
    trials = [(status, UP) for status in ("finished", "stopped", "running", "diverged")] * 3
    _, right = picture.figure(record(*trials)).axes
    shade = {status: line(right, f"trial-{4 + n:04d}").get_alpha() or 1 for n, (status, _) in enumerate(trials[:4])}
    assert shade["stopped"] < shade["running"] < shade["finished"]
    assert [line(right, f"trial-{n:04d}").get_linestyle() for n in (6, 7)] == ["-", "--"]
    best = line(right, "trial-0000")
    assert all(best.get_zorder() > other.get_zorder() for other in right.get_lines() if other is not best)
    legend = right.get_legend()
    assert legend is not None
    told = {text.get_text() for text in legend.get_texts()}
    assert told >= {"3 stopped", "3 diverged", "3 running"}


def test_a_few_are_told_apart_by_what_they_do_not_share() -> None:
    _, right = picture.figure(record(("finished", UP), ("stopped", UP))).axes
    assert line(right, "trial-0000").get_label() == "lr=0, finished"
    assert line(right, "trial-0001").get_label() == "lr=0.1, stopped"
    assert line(right, "trial-0000").get_color() != line(right, "trial-0001").get_color()


def test_what_is_not_finite_is_left_out() -> None:
    curves: Curves = {"train_loss": [2, 1, None], "val_loss": [2, None, None]}
    drawn = record(("diverged", curves), ("finished", {k: [1.0, 1, 1] for k in curves}), metric="val_loss", mode="min")
    left, right = picture.figure(drawn, "0000").axes
    assert points(line(left, "train_loss")) == [(1, 2), (2, 1)]
    assert points(line(right, "trial-0000")) == [(1, 2)]
    assert line(right, "trial-0000").get_marker() == ".", "one point is no line"
    assert math.isnan(drawn.trials["0000"].curves["val_loss"][3])


# ---- the axes


def test_over_another_metric_where_the_trainable_says_so() -> None:
    curves: Curves = {"train_loss": [3, 2, 1], "val_loss": [2, 1, 900], "lr": [0.001, 0.1, 10]}
    (left,) = picture.figure(record(("finished", curves), metric="val_loss", mode="min", x_axis="lr")).axes
    assert points(line(left, "val_loss")) == [(0.001, 2), (0.1, 1), (10, 900)]
    assert points(line(left, "best")) == [(0.1, 1)]
    assert (left.get_xlabel(), left.get_xscale(), left.get_yscale()) == ("lr", "log", "log")


@pytest.mark.parametrize(("values", "scale"), [([0.1, 9.9], "linear"), ([0, 900], "linear"), ([0.1, 11], "log")])
def test_an_axis_is_logarithmic_over_more_than_two_decades(values: list[float | None], scale: str) -> None:
    (left,) = picture.figure(record(("finished", {"val_accuracy": values}))).axes
    assert left.get_yscale() == scale


def test_the_trainable_says_it_in_the_journal() -> None:
    plain = toy(searcher=Random())
    assert "x_axis" not in plain.to_json()
    over = type("Over", (plain.trainable,), {"metrics": ("score", "lr"), "x_axis": "lr"})
    assert toy(trainable=over).to_json()["x_axis"] == "lr"
    with pytest.raises(ExperimentError, match=r"no metric for the x axis named 'rl'\. Did you mean 'lr'\?"):
        toy(trainable=type("Over", (over,), {"x_axis": "rl"}))


# ---- the command


def test_the_command_says_where_the_picture_is(run: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    root = run(("finished", UP), ("stopped", UP))
    for words, name in (([], "curves.png"), (["0001"], "0001.png")):
        assert main(["plot", str(root), *words]) == 0
        path = root / "plots" / name
        assert capsys.readouterr().out == f"{path}\n"
        assert path.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (root / "plots").iterdir()) == ["0001.png", "curves.png"]


def test_tensorboard_shows_what_was_drawn(run: Any) -> None:
    """Each time anew, beside the run's curves."""
    root = run(("finished", UP), ("stopped", {name: values[:1] for name, values in UP.items()}))
    for words in ([], ["0001"], []):
        assert main(["plot", str(root), *words]) == 0
    read = EventAccumulator(str(root / "tensorboard" / "plots"), {"images": 0}).Reload()
    assert read.Tags()["images"] == ["curves", "0001"]
    shown = read.Images("curves")
    assert [image.step for image in shown] == [4, 4], "so many epochs the run had by then"
    assert shown[0].encoded_image_string == (root / "plots" / "curves.png").read_bytes()
    assert (shown[0].width, shown[0].height) == (1320, 480)


def test_an_svg_holds_every_trial_and_its_words(run: Callable[..., Path], tmp_path: Path) -> None:
    root = run(("finished", UP), ("stopped", UP), ("diverged", UP))
    first, second = tmp_path / "deep" / "a.svg", tmp_path / "b.svg"
    for out in (first, second):
        assert main(["plot", str(root), "--out", str(out)]) == 0
    drawn = tree.parse(first).getroot()
    ids = {element.get("id") for element in drawn.iter()}
    assert ids >= {"trial-0000", "trial-0001", "trial-0002", "train_accuracy", "val_accuracy", "best"}
    assert "3 trials of toy" in {element.text for element in drawn.iter()}
    assert first.read_bytes() == second.read_bytes(), "the same run, the same file"
    assert not (root / "plots").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["0009"], "no trial named '0009'. Did you mean"),
        (["--out", "x.jpg"], "a picture's name ends with .png or .svg, not with '.jpg'"),
        (["--out", "events.jsonl/x.svg"], "x.svg cannot be written: "),
    ],
    ids=["trial", "format", "place"],
)
def test_wrong_words(
    words: list[str], said: str, run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    root = run(("finished", UP))
    monkeypatch.chdir(root)
    assert main(["plot", str(root), *words]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in root.iterdir()] == ["events.jsonl"]


def test_nothing_to_draw() -> None:
    nothing: Curves = {"train_loss": [1, None], "val_accuracy": [None, None]}
    with pytest.raises(RunStateError, match="no trial of toy has reported a finite val_accuracy"):
        picture.figure(record(("diverged", nothing)))
    with pytest.raises(RunStateError, match="trial 0000 has reported nothing"):
        picture.figure(record(("diverged", nothing)), "0000")


def test_it_imports_neither_ray_nor_torch(run: Callable[..., Path]) -> None:
    code = "import sys, orchestune.cli as c; c.main(sys.argv[1:]); print(sorted({'ray', 'torch'} & {*sys.modules}))"
    words = [sys.executable, "-c", code, "plot", str(run(("finished", UP)))]
    done = subprocess.run(words, cwd=HOUSE, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
