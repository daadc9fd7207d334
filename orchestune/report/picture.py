"""A run as a picture of its learning curves. The one file that imports matplotlib."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from orchestune.durable import write_whole
from orchestune.errors import OrchestuneError, StorageError
from orchestune.report import curves, words
from orchestune.report.curves import Curve
from orchestune.running.record import Record, Trial

FORMATS = (".png", ".svg")
PANEL = (5.5, 4.0)  # inches
CONFIG_WIDTH = 64  # characters in a panel
DECADES = 100.0  # largest over smallest value from which an axis is logarithmic
CHOSEN = "tab:blue"
SIDES = {curves.TRAINING: "tab:orange", curves.VALIDATION: CHOSEN}
FEW = 8  # trials that are told apart by name; of more, only what became of them
# How far a trial's curve fades, by what became of it.
SHADES = {"finished": 0.8, "stopped": 0.3, "diverged": 0.3, "failed": 0.25}
UNENDED = 0.5
PALEST = 0.55  # where curves have colours to be told apart by
# The same file for the same run, with its words as words: small, and a change of it can be read.
SVG: dict[Any, Any] = {"svg.hashsalt": "orchestune", "svg.fonttype": "none"}
UNDATED: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".png": {"Software": None}}


def figure(record: Record, trial: str | None = None) -> Figure:
    """Both sides of the best trial, or of `trial`, its best epoch marked; beside it what is searched, of all trials.

    Raises RunStateError where there is nothing to draw.
    """
    shown = curves.chosen(record, trial)
    panels = 2 if len(record.trials) > 1 else 1
    drawn = Figure(figsize=(PANEL[0] * panels, PANEL[1]), layout="constrained")
    first, *others = drawn.subplots(1, panels, squeeze=False)[0]
    _sides(first, record, shown)
    for axes in others:
        _all(axes, record, shown)
    return drawn


def save(drawn: Figure, path: Path) -> None:
    """PNG or SVG, by the name's ending; whole or not at all. Raises OrchestuneError, StorageError."""
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise OrchestuneError(f"--out {path}: a picture's name ends with {' or '.join(FORMATS)}, not with {kind!r}")
    content = encoded(drawn, kind)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as problem:
        raise StorageError(
            f"the picture {path} cannot be written: {problem.strerror}. Choose another place with --out."
        ) from problem


def encoded(drawn: Figure, kind: str) -> bytes:
    """The picture as a file of one of `FORMATS`."""
    buffer = io.BytesIO()
    with rc_context(SVG):
        drawn.savefig(buffer, format=kind[1:], dpi=120, metadata=UNDATED[kind])
    return buffer.getvalue()


def _sides(axes: Axes, record: Record, trial: Trial) -> None:
    """One trial, on the data that it learns from and on those that it is judged by."""
    sides = curves.both_sides(record, trial)
    for side in sides:
        prefix = next((prefix for prefix in SIDES if side.metric.startswith(prefix)), curves.VALIDATION)
        _draw(axes, side, color=SIDES[prefix], label=side.metric)
    judged = sides[-1]
    if trial.best and trial.best[0] in judged.points:
        epoch = trial.best[0]
        x, y = judged.points[epoch]
        axes.axvline(x, color="grey", linestyle=":", linewidth=1, gid="best-epoch")
        label = f"best epoch, {epoch}: {record.metric} {words.number(trial.best[1])}"
        axes.plot([x], [y], "o", color=SIDES[curves.VALIDATION], label=label, gid="best")
    names = {side.metric.removeprefix(curves.TRAINING).removeprefix(curves.VALIDATION) for side in sides}
    best = ", the best" if record.best is trial and len(record.trials) > 1 else ""
    _furnish(axes, record, sides, " ".join(sorted(names)))
    config = textwrap.wrap(words.config(trial.best_config), CONFIG_WIDTH, max_lines=2, placeholder=" ...")
    axes.set_title("\n".join([f"trial {trial.id}{best}", *config]), fontsize="small")
    axes.legend(fontsize="small")


def _all(axes: Axes, record: Record, shown: Trial) -> None:
    """What is searched, of every trial; `shown` on top of the others."""
    found = {trial.id: curves.curve(record, trial, record.metric) for trial in record.trials.values()}
    labels = _configs(record) if len(found) <= FEW else _states(record)
    for number, trial in enumerate(record.trials.values()):
        style = {"color": CHOSEN, "linewidth": 2, "zorder": 3} if trial is shown else {
            "color": f"C{1 + number % 9}" if len(found) <= FEW else "black",
            "alpha": max(SHADES.get(trial.state, UNENDED), PALEST if len(found) <= FEW else 0),
            "linewidth": 1,
        }  # fmt: skip
        dashes = "--" if trial.state == "diverged" else "-"
        label = labels.get(trial.id, f"trial {trial.id}" if trial is shown else None)
        _draw(axes, found[trial.id], gid=f"trial-{trial.id}", label=label, linestyle=dashes, **style)
    _furnish(axes, record, list(found.values()), record.metric)
    axes.set_title(f"{len(found)} trials of {record.question['name']}", fontsize="small")
    axes.legend(fontsize="small" if len(found) > FEW else "x-small")


def _configs(record: Record) -> dict[str, str]:
    """Trial -> what sets it apart, and what became of it."""
    return {
        trial.id: f"{words.config(curves.apart(record, trial)) or trial.id}, {trial.state}"
        for trial in record.trials.values()
    }


def _states(record: Record) -> dict[str, str]:
    """The first trial in each state -> how many there are."""
    first = {trial.state: trial.id for trial in reversed(record.trials.values())}
    return {first[state]: f"{count} {state}" for state, count in words.counts(record).items()}


def _draw(axes: Axes, curve: Curve, *, gid: str | None = None, **style: Any) -> None:
    marker = "." if len(curve.points) == 1 else ""  # a line of one point is not seen
    axes.plot(curve.xs, curve.ys, marker=marker, gid=gid or curve.metric, **style)


def _furnish(axes: Axes, record: Record, drawn: Sequence[Curve], name: str) -> None:
    """What both axes are called, and how they are divided."""
    over = curves.x_axis(record)
    axes.set_xlabel(over or "epoch")
    axes.set_ylabel(name)
    if _decades([y for curve in drawn for y in curve.ys]):
        axes.set_yscale("log")
    if over is None:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    elif _decades([x for curve in drawn for x in curve.xs]):
        axes.set_xscale("log")
    axes.grid(alpha=0.3)


def _decades(values: Sequence[float]) -> bool:
    """Whether so many orders of magnitude lie between the values that a linear axis would hide most of them."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > DECADES
