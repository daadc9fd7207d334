"""A simulated search is the real one: the same objects, only the clock and the curves are told."""

from __future__ import annotations

import math
from typing import Any

import pytest
from ray import tune

from orchestune import Asha, Fifo, Grid, HyperBand, MultiFidelity, Random, simulate
from orchestune.schedulers import WAIT, MultiFidelityRungs
from orchestune.schedulers.base import Declaration

SPACE = {"x": tune.uniform(0, 1)}


def curve(config: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Approaches x by halves; an epoch lasts 1 + x seconds."""
    x = config["x"]
    return [x * (1 - 0.5**epoch) for epoch in range(1, 28)], [epoch * (1 + x) for epoch in range(1, 28)]


def search(**changes: Any) -> Any:
    base = {"space": SPACE, "searcher": Random(), "scheduler": Fifo(), "mode": "max", "max_epochs": 9,
            "budget_epochs": 10**6, "num_samples": 6}  # fmt: skip
    return simulate(curve, **{**base, **changes})


def test_one_worker_trains_one_trial_after_the_other() -> None:
    done = search(num_samples=2)
    assert [(r.trial, r.epoch) for r in done.reports] == [(t, e) for t in ("0000", "0001") for e in range(1, 10)]
    first, second = (done.configs[name]["x"] for name in ("0000", "0001"))
    assert done.reports[8].time == pytest.approx(9 * (1 + first))
    assert done.reports[-1].time == pytest.approx(9 * (2 + first + second))
    assert done.reports[3].score == curve(done.configs["0000"])[0][3]


def test_workers_train_side_by_side() -> None:
    alone, together = search(), search(workers=3)
    assert together.configs == alone.configs
    assert together.reports[-1].time < alone.reports[-1].time / 2
    times = [report.time for report in together.reports]
    assert times == sorted(times)
    assert len({report.trial for report in together.reports[:3]}) == 3


def test_a_slow_worker_takes_so_many_times_as_long() -> None:
    one, half = search(), search(workers=(2.5,))
    assert half.configs == one.configs
    assert [report.time for report in half.reports] == pytest.approx([2.5 * report.time for report in one.reports])


def test_the_others_do_not_wait_for_a_slow_worker() -> None:
    steady = lambda config: ([config["x"]] * 9, list(range(1, 10)))  # noqa: E731
    done = simulate(steady, space=SPACE, searcher=Random(), scheduler=Fifo(), mode="max", max_epochs=9,
                    budget_epochs=10**6, workers=(1, 3.1), num_samples=6)  # fmt: skip
    ends = {report.trial: report.time for report in done.reports if report.epoch == 9}
    told = {"0000": 9, "0002": 18, "0003": 27, "0001": 27.9, "0004": 36, "0005": 55.8}
    assert list(ends) == list(told)
    assert ends == pytest.approx(told)


def test_workers_alike_are_just_so_many() -> None:
    assert search(workers=(1.0, 1.0, 1.0), scheduler=Asha()) == search(workers=3, scheduler=Asha())


@pytest.mark.parametrize("workers", [0, (), (1.0, 0.0), (1.0, math.inf), (math.nan,), (1.0, -2.0)], ids=str)
def test_refuses_workers_that_are_none(workers: Any) -> None:
    with pytest.raises(ValueError, match="how many times as long"):
        search(workers=workers)


def test_a_paused_trial_goes_on_and_only_new_epochs_are_charged() -> None:
    """HyperBand with 81 epochs and a factor of 3, 143 trials in five brackets, and nothing trained twice."""
    long = lambda config: ([config["x"]] * 81, list(range(1, 82)))  # noqa: E731
    scheduler = HyperBand()
    done = simulate(
        long, space=SPACE, searcher=Random(), scheduler=scheduler, mode="max", max_epochs=81, budget_epochs=10**6
    )
    assert len(done.configs) == scheduler.trials(81)
    assert len(done.reports) == scheduler.epochs(81)
    assert len({(report.trial, report.epoch) for report in done.reports}) == len(done.reports)


def test_the_budget_ends_it() -> None:
    assert len(search(budget_epochs=20).reports) == 20


def test_best_at() -> None:
    done = search(budget_epochs=20)
    scores = [report.score for report in done.reports]
    assert [done.best_at(n) for n in (1, 5, 20, 99)] == [max(scores[:n]) for n in (1, 5, 20, 20)]
    assert math.isnan(done.best_at(0))
    least = search(mode="min", budget_epochs=20)
    assert least.best_at(20) == min(report.score for report in least.reports)


def test_a_trial_of_its_own_length_is_over_there() -> None:
    short = lambda config: ([0.5, 0.6], [1.0, 2.0])  # noqa: E731
    done = simulate(short, space=SPACE, searcher=Random(), scheduler=Asha(), mode="max", max_epochs=9,
                    budget_epochs=100, num_samples=3)  # fmt: skip
    assert [(report.trial, report.epoch) for report in done.reports][:2] == [("0000", 1), ("0000", 2)]
    assert max(report.epoch for report in done.reports) == 2


def test_a_diverged_trial_is_over_and_never_best() -> None:
    broken = lambda config: ([0.5, math.nan, 0.9], [1.0, 2.0, 3.0])  # noqa: E731
    done = simulate(broken, space=SPACE, searcher=Random(), scheduler=Fifo(), mode="max", max_epochs=3,
                    budget_epochs=100, num_samples=2)  # fmt: skip
    assert [report.epoch for report in done.reports] == [1, 2, 1, 2]
    assert done.best_at(100) == 0.5


def test_a_grid_ends_by_itself() -> None:
    assert len(search(searcher=Grid(points=4), num_samples=None).configs) == 4


def test_the_same_seed_is_the_same_search() -> None:
    for scheduler in (Asha(), MultiFidelityRungs(n_initial_points=4)):
        searcher = MultiFidelity() if scheduler.chooses else Random()
        once, again, other = (
            search(scheduler=scheduler, searcher=searcher, workers=3, seed=seed, num_samples=20) for seed in (1, 1, 2)
        )
        assert once == again
        assert once.configs != other.configs


class Stuck:
    """Waits for ever."""

    name, pauses, chooses = "stuck", False, False

    def build(self, *args: Any) -> Any:
        return self

    def next(self) -> Any:
        return WAIT


def test_a_scheduler_that_waits_for_nothing_is_told_on() -> None:
    stuck: Any = Stuck()
    declaration: Declaration = stuck
    with pytest.raises(RuntimeError, match="waits although nothing is live"):
        search(scheduler=declaration)
