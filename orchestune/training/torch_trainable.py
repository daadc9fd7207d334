"""A PyTorch training that Ray Tune can run: write the model and the data, the rest is here.

Works in a run, in a hand-written `tune.Tuner` (with `reuse_actors=True` too) and on its own, without Ray
running: `MLP({"lr": 0.01}).train()`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from orchestune.training import randomness
from orchestune.training.data import Data, Split, batches, epoch_order, size
from orchestune.training.params import parse_params
from orchestune.training.worker import Worker

STATE = "state.pt"


class TorchTrainable(Worker):
    """One model's training, an epoch a step. A subclass writes `make_model`, `make_data` and what differs.

    Everything is built afresh from (`seed`, configuration) at each `setup` and `reset_config`, so that an
    actor's next trial equals a new process's, and a resumed training equals one that never stopped, bit for
    bit on a CPU with the same number of threads. One at a time in a process: the random streams are global.
    """

    @dataclass(frozen=True, kw_only=True)
    class Params:
        """What may be set. A subclass's own `Params` derives from this one and adds fields with defaults."""

        lr: float = 1e-3  # step size per update
        batch_size: int = 128  # examples per update
        weight_decay: float = 0.0  # share of a weight lost per update, times lr (decoupled, as in AdamW)

        def __post_init__(self) -> None:
            if self.batch_size < 1:
                raise ValueError(f"parameter 'batch_size' is {self.batch_size!r}: 1 or more is needed")
            for name, value in (("lr", self.lr), ("weight_decay", self.weight_decay)):
                if not 0 <= value < math.inf:
                    raise ValueError(f"parameter {name!r} is {value!r}: 0 or more, and finite, is needed")

    metrics: ClassVar[tuple[str, ...]] = ("train_loss", "val_loss")  # what each epoch reports
    seed: int = 0  # of the weights, the data's order and whatever else is drawn
    evaluation_batch_size: ClassVar[int] = 1024  # examples at once where no gradient is kept

    params: Any  # the subclass's own Params
    data: Data
    model: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler | None
    device: torch.device
    epoch: int  # completed ones

    # ---- what a subclass writes

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
        parameters = [weight for weight in self.model.parameters() if weight.requires_grad]
        fused = self.device.type in ("cpu", "cuda") and all(p.is_floating_point() for p in parameters)
        return torch.optim.AdamW(parameters, lr=self.params.lr, weight_decay=self.params.weight_decay, fused=fused)

    def make_schedule(self, optimizer: Optimizer) -> LRScheduler | None:
        """How the step size changes from epoch to epoch. ReduceLROnPlateau is given val_loss."""
        return None

    def train_epoch(self) -> dict[str, float]:
        """Trains one epoch and returns its metrics; override it for any other loop.

        train_loss is the mean over the epoch's examples, each taken just before its own update.
        """
        total = torch.zeros((), device=self.device)
        for *inputs, target in self.train_batches():
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.model(*inputs), target)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            total += loss.detach() * len(target)  # on the device: asking for the value would wait for it
        return {"train_loss": float(total) / size(self.data.train)}

    # ---- what it can use

    def train_batches(self) -> Iterator[tuple[Tensor, ...]]:
        """This epoch's training batches on the trial's device, in an order drawn from (seed, epoch)."""
        order = epoch_order(size(self.data.train), self.seed, self.epoch)
        return self._on_device(batches(self.data.train, self.params.batch_size, order))

    def evaluate(self, split: Split) -> dict[str, float]:
        """Loss and `measure` of all a split's outputs together; moves no random stream of the training."""
        outputs, targets = [], []
        self.model.eval()
        # no_grad, not inference_mode: a model may keep what it made here (a table of positions) to train on
        with torch.no_grad(), randomness.preserved(self.device):
            for *inputs, target in self._on_device(batches(split, self.evaluation_batch_size)):
                outputs.append(self.model(*inputs))
                targets.append(target)
            output, target = torch.cat(outputs), torch.cat(targets)
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
        report = {name: float(value) for name, value in self.train_epoch().items()}
        finite = all(map(math.isfinite, report.values()))
        if finite and self.data.validation is not None:
            report |= {f"val_{name}": value for name, value in self.evaluate(self.data.validation).items()}
            finite = math.isfinite(report.get("val_loss", 0.0))
        if finite:
            self._check(report)
        else:
            report = dict.fromkeys(self.metrics, math.nan)  # its accuracy would pass for a score
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(report["val_loss"])
        elif self.schedule is not None:
            self.schedule.step()
        self.epoch += 1
        return {**report, "training_iteration": self.epoch}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        self.write_state(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: str) -> None:
        self.read_state(Path(checkpoint))

    # ---- state

    def write_state(self, directory: Path) -> None:
        """Everything that the next epoch depends on, into one file that loads without running code."""
        state = {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "random": randomness.capture(self.device),
        }
        torch.save(state, directory / STATE)

    def read_state(self, directory: Path) -> None:
        state = torch.load(directory / STATE, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        self.epoch = state["epoch"]
        randomness.restore(state["random"], self.device)

    # ---- inside

    def _build(self, config: dict[str, Any]) -> None:
        self.params = parse_params(self.Params, config)
        self.epoch = 0
        self.device = self.occupy()
        randomness.seed_all(self.seed)
        self.data = self.make_data()
        randomness.seed_all(self.seed)  # again: data that was cached drew nothing this time
        self.model = self.make_model().to(self.device)
        self.optimizer = self.make_optimizer()
        self.schedule = self.make_schedule(self.optimizer)

    def _on_device(self, source: Iterator[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
        for batch in source:
            yield tuple(tensor.to(self.device) for tensor in batch)

    def _check(self, report: dict[str, float]) -> None:
        if set(report) != set(self.metrics):
            raise ValueError(
                f"{type(self).__name__} declares metrics={self.metrics!r} and reported {tuple(report)!r}: "
                "the two must name the same"
            )
