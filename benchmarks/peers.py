"""Other libraries' searches on a recorded curve, called directly, one worker; each yields the losses it pays for."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.curves import budget


def random_search(problem: Any, seed: int) -> Iterator[float]:
    chance = np.random.default_rng(seed)
    while True:
        yield from problem.curve(problem.sample(chance))[0]


def hyperopt_tpe(problem: Any, seed: int) -> Iterator[float]:
    from hyperopt import JOB_STATE_DONE, STATUS_OK, Domain, Trials, hp, space_eval, tpe

    labels = {leaf["name"]: _hyperopt_label(leaf, hp) for leaf in problem.space}
    domain, trials = Domain(lambda config: 0, labels), Trials()
    for n in range(10**6):
        [document] = tpe.suggest([n], domain, trials, seed * 10**6 + n, verbose=False)
        values = {name: found[0] for name, found in document["misc"]["vals"].items() if found}
        losses = problem.curve(problem.active(_whole(problem, space_eval(labels, values))))[0]
        yield from losses
        document["state"], document["result"] = JOB_STATE_DONE, {"loss": float(min(losses)), "status": STATUS_OK}
        trials.insert_trial_doc(document)
        trials.refresh()


def _hyperopt_label(leaf: dict[str, Any], hp: Any) -> Any:
    name, low, high = leaf["name"], leaf.get("low"), leaf.get("high")
    if leaf["type"] == "cat":
        return hp.choice(name, leaf["choices"])
    if leaf["type"] == "int":
        return (
            hp.qloguniform(name, math.log(low), math.log(high), 1) if leaf["log"] else hp.quniform(name, low, high, 1)
        )
    return hp.loguniform(name, math.log(low), math.log(high)) if leaf["log"] else hp.uniform(name, low, high)


def _whole(problem: Any, config: dict[str, Any]) -> dict[str, Any]:
    leaves = {leaf["name"]: leaf for leaf in problem.space}
    return {
        name: min(max(round(value), leaves[name]["low"]), leaves[name]["high"])
        if leaves[name]["type"] == "int"
        else value
        for name, value in config.items()
    }


def optuna_by(sampler: Callable[[Any, int], Any], *, hyperband: bool = False) -> Callable[[Any, int], Iterator[float]]:
    """Optuna's ask and tell, the whole space described by its suggest functions, conditions as `if`."""

    def search(problem: Any, seed: int) -> Iterator[float]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        pruner = optuna.pruners.HyperbandPruner(1, problem.max_epoch, 3) if hyperband else optuna.pruners.NopPruner()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its samplers call themselves experimental
            study = optuna.create_study(sampler=sampler(optuna.samplers, seed), pruner=pruner)
            while True:
                trial = study.ask()
                losses = problem.curve(_suggested(problem, trial))[0]
                state = None
                for epoch, loss in enumerate(losses, start=1):
                    yield float(loss)
                    if hyperband:
                        trial.report(float(loss), epoch)
                        if trial.should_prune():
                            state = optuna.trial.TrialState.PRUNED
                            break
                study.tell(trial, None if state else float(min(losses)), state=state)

    return search


def _suggested(problem: Any, trial: Any) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for leaf in problem.space:
        condition = leaf.get("condition")
        if condition and config.get(condition["parent"]) not in condition["values"]:
            continue
        name = leaf["name"]
        if leaf["type"] == "cat":
            config[name] = trial.suggest_categorical(name, leaf["choices"])
        else:
            suggest = trial.suggest_int if leaf["type"] == "int" else trial.suggest_float
            config[name] = suggest(name, leaf["low"], leaf["high"], log=leaf["log"])
    return config


class _Trial:
    """What Ray's ASHA looks at of a trial."""

    def __init__(self, number: int) -> None:
        self.trial_id = str(number)


def ray_asha(problem: Any, seed: int) -> Iterator[float]:
    from ray.tune.schedulers import ASHAScheduler

    np.random.seed(seed)  # noqa: NPY002 - Ray draws brackets from it
    scheduler: Any = ASHAScheduler(metric="loss", mode="min", max_t=problem.max_epoch, grace_period=1)
    chance = np.random.default_rng(seed)
    for number in range(10**6):
        trial = _Trial(number)
        scheduler.on_trial_add(None, trial)
        losses = problem.curve(problem.sample(chance))[0]
        for epoch, loss in enumerate(losses, start=1):
            yield float(loss)
            told = {"loss": float(loss), "training_iteration": epoch}
            if scheduler.on_trial_result(None, trial, told) == scheduler.STOP:
                break
        scheduler.on_trial_complete(None, trial, told)


PEERS: dict[str, Callable[[Any, int], Iterator[float]]] = {
    "random search": random_search,
    "HyperOpt's TPE": hyperopt_tpe,
    "Optuna's TPE": optuna_by(lambda samplers, seed: samplers.TPESampler(seed=seed)),
    "Optuna's TPE, Hyperband pruner": optuna_by(lambda samplers, seed: samplers.TPESampler(seed=seed), hyperband=True),
    "Optuna's GP": optuna_by(lambda samplers, seed: samplers.GPSampler(seed=seed)),
    "Ray's ASHA": ray_asha,
}


def losses_of(peer: str, problem: Any, seed: int) -> list[float]:
    """The losses of the budget's epochs, in the order in which they are paid for."""
    source, paid = PEERS[peer](problem, seed), budget(problem)
    return [float(loss) for loss, _ in zip(source, range(paid), strict=False)]
