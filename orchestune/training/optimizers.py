"""torch's optimizers by name, each with its own parameters, fused where torch can."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from orchestune.training import named

# Left out: LBFGS calls the loss many times an update, Muon takes matrices only, SparseAdam sparse gradients only.
OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.__name__.lower(): cls
    for cls in (
        torch.optim.Adadelta, torch.optim.Adafactor, torch.optim.Adagrad, torch.optim.Adam, torch.optim.AdamW,
        torch.optim.Adamax, torch.optim.ASGD, torch.optim.NAdam, torch.optim.RAdam, torch.optim.RMSprop,
        torch.optim.Rprop, torch.optim.SGD,
    )
}  # fmt: skip
# What Params has fields for, and how torch computes the same.
_NOT_OWN = {"params", "lr", "weight_decay", "foreach", "fused", "maximize", "capturable", "differentiable"}
_FUSED_ON = ("cpu", "cuda")  # one call for all weights: on a CPU a third of Adam's time for a small network


def check(optimizer: named.Named) -> None:
    """Raises UnknownName and ValueError for a name or parameter that does not exist."""
    name, own = named.split("optimizer", optimizer, OPTIMIZERS)
    named.check_own("optimizer", name, own, named.keywords(OPTIMIZERS[name], _NOT_OWN))


def make_optimizer(
    optimizer: named.Named, weights: Sequence[Tensor], *, lr: float, weight_decay: float = 0.0
) -> Optimizer:
    """The optimizer of `weights`. Raises ValueError where it refuses a value, or knows no weight decay."""
    check(optimizer)
    name, own = named.split("optimizer", optimizer, OPTIMIZERS)
    cls = OPTIMIZERS[name]
    takes = inspect.signature(cls).parameters
    settings: dict[str, Any] = {"lr": lr, **own}
    if "weight_decay" in takes:
        settings["weight_decay"] = weight_decay
    elif weight_decay:
        raise ValueError(f"optimizer {name!r} has no weight decay: leave out weight_decay={weight_decay!r}")
    if "fused" in takes and all(w.is_floating_point() and w.device.type in _FUSED_ON for w in weights):
        settings["fused"] = True
    return named.build("optimizer", name, cls, weights, **settings)  # type: ignore[no-any-return]
