"""Every pair that is not refused is run: in simulation at the papers' size, and on real Ray at a small one.

On Ray a searcher stands for its samplers, since these differ in nothing that Ray sees.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from models.toy import Toy
from ray import tune

from orchestune import Experiment, Plateau, perturb, simulate, when
from orchestune.running.runner import start
from orchestune.schedulers import Asha, MultiFidelityRungs, Pbt
from orchestune.searchers import SEARCHERS, BayesOpt, Declaration, Grid, Optuna, Sequential
from tests.contracts.tables import ASKS, KEEPS, allowed
from tests.end_to_end.test_on_ray import Listener

PAIRS = pytest.mark.parametrize(("asks", "keeps"), allowed())
REALS = {"x": perturb(tune.uniform(0, 1)), "y": tune.loguniform(1e-3, 1), "z": tune.quniform(0, 1, 0.25)}
LAYERED = {
    **REALS,
    "layers": tune.randint(1, 3),
    "units_0": tune.choice([16, 32, 64, 128]),
    "units_1": when("layers", 2, tune.choice([16, 32, 64])),
}
MIXED = {**REALS, "kind": tune.choice(["a", "b"]), "n": when("kind", "b", tune.randint(1, 9))}
# At this size: fewer combinations, and of a Gaussian process the last questions alone, which cost what all others do.
SIMULATED: dict[str, Declaration] = {
    "grid": Grid(points=3),
    "bayesopt": BayesOpt(n_initial_points=35),
    "optuna, gp": Optuna(sampler="gp", n_initial_points=43),
}
SMALL: dict[str, Declaration] = {"grid": Grid(points=2), "sequential": Sequential(points=2)}
SHORT = {"pbt": Pbt(perturbation_interval=1), "plateau": Plateau(patience=1)}
FACTOR_3 = {"asha": Asha(reduction_factor=3), "asha, promoting": Asha(reduction_factor=3, promote=True)}


def space_for(asks: str) -> dict[str, Any]:
    return {"optuna, cmaes": REALS, "grow": LAYERED}.get(asks, MIXED)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(("asks", "keeps"), [pair for pair in allowed() if pair[0] in SEARCHERS])
def test_on_ray(asks: str, keeps: str, tmp_path: Path) -> None:
    experiment = Experiment(
        trainable=Toy,
        space={
            name: domain for name, domain in space_for(asks).items() if name in ("x", "kind", *LAYERED.keys() - REALS)
        },
        metric="score",
        mode="max",
        searcher=SMALL.get(asks, ASKS[asks]),
        scheduler=SHORT.get(keeps, KEEPS[keeps]),
        num_samples=4,
        max_epochs=3,
        max_concurrent_trials=2,
    )
    outcome = start(experiment, name="toy", storage=tmp_path, run_name="run", listeners=[Listener()])
    record = outcome.record
    assert outcome.exit_code == 0
    assert record.run_end
    assert record.run_end["why"] == "done"
    # a sequential search of two and two values, one of them twice, has three; so has a network that no step helps
    assert 3 <= len(record.trials) <= 4
    assert all(trial.status in ("finished", "stopped") for trial in record.trials.values())
    assert record.best
    assert record.best.epochs == 3, "somebody trained to the end"


def curve(config: dict[str, Any]) -> tuple[list[float], list[float]]:
    """The best is at x = 0.3 and y = 0.1; how fast it is reached depends on z; one kind is worse.

    Of networks, 64 units in one layer are best.
    """
    end = 1 - abs(config["x"] - 0.3) - 0.1 * abs(math.log10(config["y"]) + 1) - 0.2 * (config.get("kind") == "b")
    if "layers" in config:
        end -= 0.1 * abs(math.log2(config["units_0"] / 64)) + 0.15 * (config["layers"] - 1)
    return [end - 0.5 * (1 + config["z"]) / epoch for epoch in range(1, 28)], [float(e) for e in range(1, 28)]


@PAIRS
def test_in_simulation(asks: str, keeps: str) -> None:
    """27 epochs, a factor of 3: HyperBand's four brackets have 49 trials; three at a time."""
    done = simulate(
        curve, space=space_for(asks), searcher=SIMULATED.get(asks, ASKS[asks]),
        scheduler=FACTOR_3.get(keeps, KEEPS[keeps]), mode="max", max_epochs=27, budget_epochs=10**6, workers=3, seed=1,
        num_samples=49, early_stopping=Plateau(patience=9) if keeps == "fifo" else None,
    )  # fmt: skip
    longest = {report.trial: report.epoch for report in done.reports}
    assert max(longest.values()) == 27, "somebody trained to the end"
    assert len({(r.trial, r.epoch) for r in done.reports}) == len(done.reports), "and nobody an epoch twice"
    if asks == "grow":  # 16 units, then two steps to 64, then two more that are worse; each step tries two networks
        assert [(c["units_0"], c["layers"]) for c in done.configs.values()] == [
            (16, 1), (16, 2), (32, 1), (32, 2), (64, 1), (64, 2), (128, 1),
        ]  # fmt: skip
    elif asks != "sequential":  # which has fewer questions
        assert len(longest) == 49
    if keeps in ("fifo", "plateau", "pbt"):  # these stop nobody whose score still rises
        assert len(done.reports) == 27 * len(longest)
    elif KEEPS[keeps].pauses:
        assert len(done.reports) < 0.6 * 27 * len(longest)
    else:  # who comes after better and better questions is stopped less often
        assert len(done.reports) < 27 * len(longest)


def test_one_model_searches_and_schedules() -> None:
    """With fewer epochs than its searcher alone needs beside asynchronous halving, it comes nearer."""
    from orchestune import MultiFidelity, Random

    def best(searcher: Any, scheduler: Any) -> float:
        found = [
            simulate(curve, space=MIXED, searcher=searcher, scheduler=scheduler, mode="max", max_epochs=27,
                     budget_epochs=200, seed=seed).best_at(200)
            for seed in range(8)
        ]  # fmt: skip
        return sum(found) / len(found)

    assert best(MultiFidelity(), MultiFidelityRungs()) > best(Random(), Asha(reduction_factor=3)) + 0.01
