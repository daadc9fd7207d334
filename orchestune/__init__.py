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
10 report/                     journal -> table, best, curves, TensorBoard
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestune.define_by_run.discovery import discover as discover
    from orchestune.define_by_run.hyperparameters import HyperParameters as HyperParameters
    from orchestune.define_by_run.trainable import BuildModel as BuildModel
    from orchestune.experiment import Experiment as Experiment
    from orchestune.planning.simulate import simulate as simulate
    from orchestune.running.record import Record as Record
    from orchestune.schedulers import Asha as Asha
    from orchestune.schedulers import Fifo as Fifo
    from orchestune.schedulers import HyperBand as HyperBand
    from orchestune.schedulers import Median as Median
    from orchestune.schedulers import MultiFidelityRungs as MultiFidelityRungs
    from orchestune.schedulers import Pbt as Pbt
    from orchestune.schedulers import Plateau as Plateau
    from orchestune.searchers import BayesOpt as BayesOpt
    from orchestune.searchers import Grid as Grid
    from orchestune.searchers import Grow as Grow
    from orchestune.searchers import HyperOpt as HyperOpt
    from orchestune.searchers import MultiFidelity as MultiFidelity
    from orchestune.searchers import Optuna as Optuna
    from orchestune.searchers import Random as Random
    from orchestune.searchers import Sequential as Sequential
    from orchestune.space import perturb as perturb
    from orchestune.space import when as when
    from orchestune.training import Data as Data
    from orchestune.training import TorchTrainable as TorchTrainable
    from orchestune.training.resources import Resources as Resources

# What an experiment or a trainable imports. Lazy (PEP 562): commands that only read import neither Ray nor torch.
_HOMES = {
    "Asha": "orchestune.schedulers",
    "BayesOpt": "orchestune.searchers",
    "BuildModel": "orchestune.define_by_run.trainable",
    "Data": "orchestune.training",
    "Experiment": "orchestune.experiment",
    "Fifo": "orchestune.schedulers",
    "Grid": "orchestune.searchers",
    "Grow": "orchestune.searchers",
    "HyperBand": "orchestune.schedulers",
    "HyperOpt": "orchestune.searchers",
    "HyperParameters": "orchestune.define_by_run.hyperparameters",
    "Median": "orchestune.schedulers",
    "MultiFidelity": "orchestune.searchers",
    "MultiFidelityRungs": "orchestune.schedulers",
    "Optuna": "orchestune.searchers",
    "Pbt": "orchestune.schedulers",
    "Plateau": "orchestune.schedulers",
    "Random": "orchestune.searchers",
    "Record": "orchestune.running.record",
    "Resources": "orchestune.training.resources",
    "Sequential": "orchestune.searchers",
    "TorchTrainable": "orchestune.training",
    "discover": "orchestune.define_by_run.discovery",
    "perturb": "orchestune.space",
    "simulate": "orchestune.planning.simulate",
    "when": "orchestune.space",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
