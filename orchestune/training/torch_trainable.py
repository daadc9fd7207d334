"""A PyTorch training that Ray Tune can run: write the model and the data, the rest is here.

Works in a run, in a hand-written `tune.Tuner` (with `reuse_actors=True` too) and on its own, without Ray
running: `MLP({"lr": 0.01}).train()`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from orchestune.training import altered, optimizers, randomness, schedules
from orchestune.training.base_params import BaseParams
from orchestune.training.data import Data, Split, batch_count, batches, shuffled
from orchestune.training.params import parse_params
from orchestune.training.precision import Precision
from orchestune.training.schedules import Schedule
from orchestune.training.stopwatch import Stopwatch
from orchestune.training.worker import Worker

STATE = "state.pt"
LOOKS = 64  # updates from one look for a non-finite loss on a GPU to the next: a look waits for what was queued


class TorchTrainable(Worker):
    """One model's training, an epoch a step. A subclass writes `make_model`, `make_data` and what differs.

    Everything is built afresh from (`seed`, configuration) at each `setup` and `reset_config`, so that an
    actor's next trial equals a new process's, and a resumed training equals one that never stopped, bit for
    bit on a CPU with the same number of threads. One at a time in a process: the random streams are global.
    """

    Params = BaseParams  # what may be set; a subclass's own `Params` derives from it and adds fields with defaults

    metrics: ClassVar[tuple[str, ...]] = ("train_loss", "val_loss")  # what each epoch reports
    x_axis: ClassVar[str | None] = None  # of these, what curves are drawn over; None: the epoch
    seed: int = 0  # of the weights, the data's order and whatever else is drawn
    max_epochs: int | None = None  # of this trial at the most, as its run says; None where there is no run
    deterministic: ClassVar[bool] = True  # slower kernels where a GPU's faster ones add up in any order
    compile_options: ClassVar[dict[str, Any]] = {}  # for torch.compile, such as {"mode": "reduce-overhead"}
    evaluation_batch_size: ClassVar[int] = 1024  # examples at once where no gradient is kept

    params: Any  # the subclass's own Params
    data: Data
    model: nn.Module
    optimizer: Optimizer
    schedule: Schedule
    precision: Precision
    telemetry: dict[str, float]  # of the newest epoch: lr, examples_per_second, and seconds as data_s, train_s, ...
    device: torch.device
    epoch: int  # completed ones

    # ---- what a subclass writes

    @classmethod
    def prepare(cls) -> None:
        """What must be there before any trial starts, such as files to download; called once, on the user's machine.

        Raises DataError with what is missing and where it belongs.
        """

    def make_data(self) -> Data:
        """The three splits. Called for every trial: keep what is slow to load in a cached function."""
        raise NotImplementedError(f"{type(self).__name__} needs make_data(self) -> Data")

    def make_model(self) -> nn.Module:
        """The model, freshly initialized; it is called with a batch's inputs."""
        raise NotImplementedError(f"{type(self).__name__} needs make_model(self) -> nn.Module")

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """What is minimized, of shape (): the mean over the examples."""
        return nn.functional.cross_entropy(output, target)

    def measure(self, output: Tensor, target: Tensor) -> dict[str, float]:
        """Further metrics of a whole split's outputs; `{"accuracy": ...}` is reported as val_accuracy."""
        return {}

    def make_optimizer(self) -> Optimizer:
        """The one that `optimizer` names; override it for groups of weights with settings of their own."""
        p = self.params
        return optimizers.make_optimizer(p.optimizer, self._weights(), lr=p.lr, weight_decay=p.weight_decay)

    def make_schedule(self, optimizer: Optimizer) -> Schedule | LRScheduler | None:
        """The one that `schedule` names. One of torch's own is moved once an epoch; ReduceLROnPlateau by val_loss."""
        p = self.params

        def updates() -> int:
            accumulate: int = p.accumulate
            return math.ceil(batch_count(self.data.train, p.batch_size) / accumulate)

        return schedules.make_schedule(p.schedule, optimizer, updates=updates, max_epochs=self.max_epochs)

    def train_epoch(self) -> dict[str, float]:
        """Trains one epoch and returns its metrics; override it for any other loop.

        train_loss is the mean over the epoch's examples, each taken just before its own update. A loss that is not
        finite ends the epoch there.
        """
        total, seen = torch.zeros((), device=self.device), 0
        source = self.train_batches()
        updates = 0
        while group := list(islice(source, self.params.accumulate)):
            count = sum(len(batch[-1]) for batch in group)
            for *inputs, target in group:
                with self.precision.autocast():
                    loss = self.loss(self.model(*inputs), target)
                self.backward(loss if len(group) == 1 else loss * (len(target) / count))
                total.add_(loss.detach(), alpha=len(target))  # on the device: asking for the value would wait for it
            self.update()
            updates, seen = updates + 1, seen + count
            if (self.device.type == "cpu" or updates % LOOKS == 0) and not math.isfinite(total.item()):
                break
        return {"train_loss": total.item() / seen}

    # ---- what it can use

    def train_batches(self) -> Iterator[tuple[Tensor, ...]]:
        """This epoch's training batches on the trial's device, in an order drawn from (seed, epoch)."""
        source = shuffled(self.data.train, self.params.batch_size, self.seed, self.epoch)
        for batch in self._watch.each("data_s", self._on_device(source)):
            self._seen += len(batch[-1])
            yield batch

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of `loss` (shape ()) to those of this update."""
        self.precision.backward(loss)

    def update(self) -> None:
        """One update of the weights by the gradients so far, cut to `clip_norm`; then they are zero again."""
        clip = self.params.clip_norm
        self.precision.step(self.optimizer, () if clip is None else self._weights(), clip)
        self.optimizer.zero_grad(set_to_none=True)
        self.schedule.after_update()
        self._updates += 1

    def evaluate(self, split: Split) -> dict[str, float]:
        """Loss and `measure` of all a split's outputs together; moves no random stream of the training."""
        outputs, targets = [], []
        self.model.eval()
        # no_grad, not inference_mode: a model may keep what it made here (a table of positions) to train on
        with torch.no_grad(), randomness.preserved(self.device):
            for *inputs, target in self._on_device(batches(split, self.evaluation_batch_size)):
                with self.precision.autocast():
                    outputs.append(self.model(*inputs))
                targets.append(target)
            output, target = torch.cat(outputs), torch.cat(targets)
            if output.dtype in (torch.bfloat16, torch.float16):
                output = output.float()
            found: dict[str, Any] = {"loss": self.loss(output, target), **self.measure(output, target)}
        return {name: float(value) for name, value in found.items()}

    @property
    def has_test(self) -> bool:
        """Whether there is a test split to score the winner on."""
        return self.data.test is not None

    def test(self) -> dict[str, float]:
        """Metrics of the test split: test_loss and test_NAME of `measure`. ValueError without a split."""
        if self.data.test is None:
            raise ValueError(f"{type(self).__name__} has no test split: give Data(test=...) in make_data")
        return {f"test_{name}": value for name, value in self.evaluate(self.data.test).items()}

    # ---- what Ray calls

    def setup(self, config: dict[str, Any]) -> None:
        self._build(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._build(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """One epoch. All metrics are NaN where the training or the validation loss is not finite: diverged.

        ValueError where what was measured is not what `metrics` declares.
        """
        self.model.train()
        self._watch, self._seen, self._updates = Stopwatch(), 0, 0
        lr = self.optimizer.param_groups[0]["lr"]
        with self._watch.part("train_s"):
            report = {name: float(value) for name, value in self.train_epoch().items()}
        self._check_updates()
        finite = all(map(math.isfinite, report.values()))
        if finite and self.data.validation is not None:
            with self._watch.part("evaluate_s"):
                report |= {f"val_{name}": value for name, value in self.evaluate(self.data.validation).items()}
            finite = math.isfinite(report.get("val_loss", 0.0))
        if finite:
            self._check(report)
        else:
            report = dict.fromkeys(self.metrics, math.nan)  # its accuracy would pass for a score
        self.schedule.after_epoch(report)
        self.epoch += 1
        self.telemetry = {"lr": lr, **self._watch.seconds}
        if self._seen:
            self.telemetry["examples_per_second"] = self._seen / self._watch.seconds["train_s"]
        return {**report, "training_iteration": self.epoch}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        self.write_state(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: str) -> None:
        self.read_state(Path(checkpoint))

    # ---- state

    def model_state(self) -> dict[str, Any]:
        """What a checkpoint holds of the model: override both where most of it never changes, as a frozen base."""
        return self.model.state_dict()

    def load_model_state(self, state: dict[str, Any]) -> None:
        """Takes up what `model_state` gave, in a model as `make_model` makes it."""
        self.model.load_state_dict(state)

    def write_state(self, directory: Path) -> None:
        """Everything that the next epoch depends on, into one file that loads without running code."""
        state = {
            "epoch": self.epoch,
            "settings": self._settings,
            "model": self.model_state(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "precision": self.precision.state_dict(),
            "random": randomness.capture(self.device),
        }
        torch.save(state, directory / STATE)

    def read_state(self, directory: Path) -> None:
        """Goes on from there: bit for bit where the settings are the same, and with its own where they are others."""
        state = torch.load(directory / STATE, map_location="cpu", weights_only=True)
        self.load_model_state(state["model"])
        altered.load(state, self.optimizer, self.schedule, self._settings)
        self.precision.load_state_dict(state["precision"])
        self.epoch = state["epoch"]
        randomness.restore(state["random"], self.device)

    # ---- inside

    def _build(self, config: dict[str, Any]) -> None:
        self.params = parse_params(self.Params, config)
        self.epoch = 0
        self.device = self.occupy(deterministic=self.deterministic)
        self._watch, self._seen, self._updates, self.telemetry = Stopwatch(), 0, 0, {}
        randomness.seed_all(self.seed)
        self.data = self.make_data()
        randomness.seed_all(self.seed)  # again: data that was cached drew nothing this time
        self.model = self.make_model().to(self.device)
        if self.params.compile:
            self.model.compile(**self.compile_options)
        self.precision = Precision(self.params.precision, self.device)
        self.optimizer = self.make_optimizer()
        made = self.make_schedule(self.optimizer)
        self.schedule = made if isinstance(made, Schedule) else Schedule(made)
        self._settings = altered.settings_of(self.optimizer, self.schedule)

    def _weights(self) -> list[Tensor]:
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    def _on_device(self, source: Iterator[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
        for batch in source:
            yield tuple(tensor.to(self.device) for tensor in batch)

    def _check_updates(self) -> None:
        """A loop of its own may leave `update` out; what only `update` heeds must not be set then, and be ignored."""
        heeded = ("clip_norm", "accumulate", "precision") + (("schedule",) if self.schedule.per == "step" else ())
        ignored = [name for name in heeded if getattr(self.params, name) != getattr(TorchTrainable.Params, name)]
        if ignored and not self._updates:
            raise ValueError(
                f"{type(self).__name__}.train_epoch never called self.update(): "
                f"{', '.join(ignored)} had no effect. Call self.backward(loss) and self.update() in its loop."
            )

    def _check(self, report: dict[str, float]) -> None:
        if set(report) != set(self.metrics):
            raise ValueError(
                f"{type(self).__name__} declares metrics={self.metrics!r} and reported {tuple(report)!r}: "
                "the two must name the same"
            )
