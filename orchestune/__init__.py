"""Hyperparameter tuning of PyTorch models on Ray Tune.

The life of a trial:

 1 experiments/digits_mlp.py   the question
 2 cli.py                      checked, refused where it cannot run        journal: question
 3 searchers/hyperopt.py       ask(n) -> configuration
 4 running/feed.py             a leg: one Ray trial on a reused actor      journal: leg
 5 training/                   step(): one epoch -> metrics                checkpoint: files, manifest with report
 6 running/gate.py             the metric: a number, or diverged
 7 schedulers/asha.py          decide -> continue, pause or stop           journal: report with the decision
 8 searchers/hyperopt.py       told, with the epoch
 9 running/feed.py             the leg is over; later another, or the end  journal: end, with why
10 report/                     journal -> table, best
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestune.experiment import Experiment as Experiment
    from orchestune.schedulers import Asha as Asha
    from orchestune.schedulers import Fifo as Fifo
    from orchestune.searchers import Grid as Grid
    from orchestune.searchers import HyperOpt as HyperOpt
    from orchestune.searchers import Random as Random
    from orchestune.space import when as when
    from orchestune.training import Data as Data
    from orchestune.training import TorchTrainable as TorchTrainable
    from orchestune.training.resources import Resources as Resources

# What an experiment or a trainable imports. Lazy (PEP 562): commands that only read import neither Ray nor torch.
_HOMES = {
    "Asha": "orchestune.schedulers",
    "Data": "orchestune.training",
    "Experiment": "orchestune.experiment",
    "Fifo": "orchestune.schedulers",
    "Grid": "orchestune.searchers",
    "HyperOpt": "orchestune.searchers",
    "Random": "orchestune.searchers",
    "Resources": "orchestune.training.resources",
    "TorchTrainable": "orchestune.training",
    "when": "orchestune.space",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
