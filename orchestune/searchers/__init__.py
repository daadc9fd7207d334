"""Where to look next: one file a searcher. Adding one is a file here and a line in `SEARCHERS`."""

from orchestune.errors import UnknownName
from orchestune.searchers.base import FINISHED as FINISHED
from orchestune.searchers.base import Config as Config
from orchestune.searchers.base import Declaration as Declaration
from orchestune.searchers.base import Searcher as Searcher
from orchestune.searchers.bayesopt import BayesOpt as BayesOpt
from orchestune.searchers.grid import Grid as Grid
from orchestune.searchers.grow import Grow as Grow
from orchestune.searchers.hyperopt import HyperOpt as HyperOpt
from orchestune.searchers.multifidelity import MultiFidelity as MultiFidelity
from orchestune.searchers.optuna import Optuna as Optuna
from orchestune.searchers.random import Random as Random
from orchestune.searchers.sequential import Sequential as Sequential

SEARCHERS: dict[str, type[Declaration]] = {
    "grid": Grid,
    "random": Random,
    "hyperopt": HyperOpt,
    "bayesopt": BayesOpt,
    "optuna": Optuna,
    "sequential": Sequential,
    "grow": Grow,
    "multifidelity": MultiFidelity,
}


def searcher(name: str) -> type[Declaration]:
    """The declaration that the command line and the tables call `name`. UnknownName lists them all."""
    if name not in SEARCHERS:
        raise UnknownName("searcher", name, SEARCHERS)
    return SEARCHERS[name]
