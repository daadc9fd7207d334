"""A training whose learning rate follows its batch size, or does not.

The linear rule: Goyal et al., *Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour*, 2017, section 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch.optim import Optimizer

from orchestune.errors import UnknownName
from trainables.mlp import MnistMLP

REFERENCE = 32  # examples: the batch size that `lr` is meant for
RULES = {"fixed": 0, "linear": 1}  # the power of batch_size / REFERENCE by which lr is multiplied


class MnistLrRule(MnistMLP):
    """The MLP on MNIST, with the rate that `lr_rule` makes of `lr` and `batch_size`."""

    @dataclass(frozen=True, kw_only=True)
    class Params(MnistMLP.Params):
        lr_rule: str = "fixed"  # fixed: lr as it is; linear: times batch_size / 32

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.lr_rule not in RULES:
                raise UnknownName("lr_rule", self.lr_rule, RULES)

    def make_optimizer(self) -> Optimizer:
        optimizer = super().make_optimizer()
        for group in optimizer.param_groups:
            group["lr"] *= (self.params.batch_size / REFERENCE) ** RULES[self.params.lr_rule]
        return optimizer
