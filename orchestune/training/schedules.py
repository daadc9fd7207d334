"""torch's learning-rate schedules by name, moved per update or per epoch, after a warm-up if wanted.

Every length is in epochs, whole or not, whichever it moves by: {"name": "cosine", "warmup": 0.5}.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from orchestune.training import named
from orchestune.training.params import is_number

PER = ("step", "epoch")


@dataclass(frozen=True)
class _Kind:
    """How a schedule is made: the torch class, and which of its parameters are lengths."""

    make: Callable[..., Any]
    lengths: tuple[str, ...] = ()  # given by the user in epochs, counted by torch in moves
    horizon: str | None = None  # the length that is the rest of the training
    decay: bool = False  # `gamma` is per epoch
    per: str = "epoch"  # how it moves unless asked
    ours: tuple[str, ...] = ("per", "warmup")  # further parameters, which torch's class does not know


def _constant(optimizer: Optimizer) -> LRScheduler:
    return lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=0)


_SPAN = ("per", "warmup", "epochs")  # of a schedule that spans the training, or so many epochs of it
SCHEDULES: dict[str, _Kind] = {
    "constant": _Kind(_constant, per="step"),
    "step": _Kind(lr_scheduler.StepLR, lengths=("step_size",)),
    "multi_step": _Kind(lr_scheduler.MultiStepLR, lengths=("milestones",)),
    "exponential": _Kind(lr_scheduler.ExponentialLR, decay=True),
    "linear": _Kind(lr_scheduler.LinearLR, horizon="total_iters", per="step", ours=_SPAN),
    "polynomial": _Kind(lr_scheduler.PolynomialLR, horizon="total_iters", per="step", ours=_SPAN),
    "cosine": _Kind(lr_scheduler.CosineAnnealingLR, horizon="T_max", per="step", ours=_SPAN),
    "cosine_restarts": _Kind(lr_scheduler.CosineAnnealingWarmRestarts, lengths=("T_0",), per="step"),
    "one_cycle": _Kind(lr_scheduler.OneCycleLR, horizon="total_steps", per="step", ours=("per", "epochs")),
    "plateau": _Kind(ReduceLROnPlateau, ours=()),
}
_GIVEN = {"optimizer", "last_epoch", "max_lr", "epochs", "steps_per_epoch", "mode", "verbose"}  # not the user's
_DEFAULTS: dict[str, dict[str, Any]] = {"linear": {"start_factor": 1.0, "end_factor": 0.0}}  # falling, as polynomial


def check(schedule: named.Named) -> None:
    """Raises UnknownName and ValueError for a name, parameter or length that does not exist."""
    name, own = named.split("schedule", schedule, SCHEDULES)
    kind = SCHEDULES[name]
    known = [*named.keywords(kind.make, {*_GIVEN, kind.horizon or ""}), *kind.ours]
    named.check_own("schedule", name, own, known)
    if own.get("per", "step") not in PER:
        raise ValueError(f"schedule {name!r}: per is {own['per']!r}: 'step' or 'epoch' is needed")
    for key in ("warmup", "epochs", *kind.lengths):
        value = own.get(key)
        for length in value if isinstance(value, list | tuple) else [value]:
            least = "0 or more" if key == "warmup" else "above 0"
            if length is not None and not (is_number(length) and (length > 0 or (length == 0 and key == "warmup"))):
                raise ValueError(f"schedule {name!r}: {key} is {value!r}: a number of epochs, {least}, is needed")


def make_schedule(
    schedule: named.Named, optimizer: Optimizer, *, updates: Callable[[], int], max_epochs: int | None
) -> Schedule:
    """A schedule of `optimizer`, which makes `updates()` updates an epoch for at most `max_epochs` epochs.

    Raises ValueError where torch refuses a value, and where the schedule spans the whole training and nobody said how
    long that is: `max_epochs` is None, as outside a run, and the schedule has no `epochs`.
    """
    check(schedule)
    name, own = named.split("schedule", schedule, SCHEDULES)
    if name == "constant" and not own.get("warmup"):
        return Schedule(None)
    kind = SCHEDULES[name]
    own = {**_DEFAULTS.get(name, {}), **own}
    per, warmup, epochs = own.pop("per", kind.per), own.pop("warmup", 0), own.pop("epochs", max_epochs)
    moves = updates() if per == "step" else 1  # in an epoch
    warm = round(warmup * moves)
    for key in own.keys() & set(kind.lengths):
        several = isinstance(own[key], list | tuple)
        own[key] = [_moves(length, moves) for length in own[key]] if several else _moves(own[key], moves)
    if kind.decay and "gamma" in own:
        own["gamma"] = own["gamma"] ** (1 / moves)
    last = None
    if kind.horizon:
        if epochs is None:
            raise ValueError(f'schedule {name!r} needs its length: {{"name": {name!r}, "epochs": 10}}')
        own[kind.horizon] = last = max(1, round(epochs * moves) - warm)
    if name == "one_cycle":
        last = own["total_steps"] - 1  # it counts the updates, not the moves between them
        own["max_lr"] = [group["lr"] for group in optimizer.param_groups]
    scheduler = named.build("schedule", name, kind.make, optimizer, **own)
    if warm:  # the first update is made at 1 / (warm + 1) of the rate, so that none is made at 0
        climb = lr_scheduler.LinearLR(optimizer, start_factor=1 / (warm + 1), total_iters=warm)
        scheduler = lr_scheduler.SequentialLR(optimizer, [climb, scheduler], milestones=[warm])
    return Schedule(scheduler, per=per, last=None if last is None else warm + last, pace=moves)


class Schedule:
    """Moves the learning rates of an optimizer: `after_update`, then `after_epoch`."""

    def __init__(
        self, scheduler: LRScheduler | None, *, per: str = "epoch", last: int | None = None, pace: int = 1
    ) -> None:
        """`scheduler` is moved `last` times at the most, and then rests; `pace`: how often an epoch, as it expects."""
        self.scheduler, self.per, self.pace = scheduler, per, pace
        self._moved, self._last = 0, last

    def after_update(self) -> None:
        """The optimizer has made an update."""
        if self.per == "step":
            self._move()

    def after_epoch(self, report: dict[str, float]) -> None:
        """An epoch is over. `plateau` needs `val_loss` in the report, or else `train_loss`."""
        if isinstance(self.scheduler, ReduceLROnPlateau):
            known = [name for name in ("val_loss", "train_loss") if name in report]
            if not known:
                raise ValueError(f"schedule 'plateau' goes by val_loss or train_loss; reported: {', '.join(report)}")
            self.scheduler.step(report[known[0]])
        elif self.per == "epoch":
            self._move()

    def state_dict(self) -> dict[str, Any]:
        return {
            "moved": self._moved,
            "pace": self.pace,
            "scheduler": self.scheduler.state_dict() if self.scheduler else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The optimizer's own state holds its learning rates."""
        self._moved = state["moved"]
        if self.scheduler:
            self.scheduler.load_state_dict(state["scheduler"])

    def catch_up(self, state: dict[str, Any], rates: Sequence[float]) -> None:
        """Goes as far as another schedule's `state` says, by its own settings, on an optimizer fresh from them.

        `rates`: the learning rates that the other began with.
        """
        other = state["scheduler"]
        if isinstance(self.scheduler, ReduceLROnPlateau):
            if other and "num_bad_epochs" in other:
                for name in ("best", "num_bad_epochs", "cooldown_counter", "last_epoch"):
                    setattr(self.scheduler, name, other[name])
                self._scale(
                    [now / first if first else 1.0 for now, first in zip(other["_last_lr"], rates, strict=True)]
                )
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch's: that no update comes before these moves
            for _ in range(round(state["moved"] * self.pace / state.get("pace", self.pace))):
                self._move()

    def _scale(self, shares: Sequence[float]) -> None:
        """To these shares of the rates they began with, down to the least that the plateau allows."""
        plateau: Any = self.scheduler
        groups = plateau.optimizer.param_groups
        for group, share, least in zip(groups, shares, plateau.min_lrs, strict=True):
            group["lr"] = max(group["lr"] * share, min(least, group["lr"]))
        plateau._last_lr = [group["lr"] for group in groups]

    def _move(self) -> None:
        self._moved += 1
        if self.scheduler and (self._last is None or self._moved <= self._last):
            self.scheduler.step()


def _moves(epochs: float, moves: int) -> int:
    return max(1, round(epochs * moves))
