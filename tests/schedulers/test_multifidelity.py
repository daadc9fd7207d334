"""One model that searches and schedules: quotas, what it asks, and that a replay knows the same."""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import numpy as np
import pytest
from ray import tune

from orchestune.schedulers import DONE, WAIT, Continue, Decision, MultiFidelityRungs, Report, Start
from orchestune.space import Space

SPACE = Space.parse({"x": tune.uniform(0, 1), "y": tune.uniform(0, 1)})
Event = tuple[str, tuple[Any, ...]]


def score(config: dict[str, Any], epoch: int) -> float:
    return -((config["x"] - 0.3) ** 2) - (config["y"] - 0.7) ** 2 - 0.2 / epoch


class Run:
    """One worker, or several in turn; keeps every event for a replay."""

    def __init__(self, max_epochs: int = 27, num_samples: int | None = None, seed: int = 0, **settings: Any) -> None:
        self.make = lambda: MultiFidelityRungs(**settings).build(SPACE, max_epochs, num_samples, seed)
        self.judge = self.make()
        self.events: list[Event] = []
        self.configs: dict[str, dict[str, Any]] = {}
        self.epoch: dict[str, int] = {}
        self.live: list[str] = []
        self.until: dict[str, int] = {}
        self.first: dict[str, int] = {}  # trial -> where it was looked at first

    def tell(self, name: str, *told: Any) -> Any:
        self.events.append((name, told))
        return getattr(self.judge, name)(*told)

    def start(self) -> bool:
        work = self.judge.next()
        if not isinstance(work, Start | Continue):
            return False
        trial = work.trial if isinstance(work, Continue) else f"{len(self.configs):04d}"
        if isinstance(work, Start):
            assert work.config is not None
            self.configs[trial], self.epoch[trial], self.first[trial] = work.config, 0, work.until
        self.until[trial] = work.until
        self.live.append(trial)
        self.tell("started", trial, self.epoch[trial], work.until, self.configs[trial])
        return True

    def train(self, spoilt: tuple[str, ...] = ()) -> None:
        """One epoch of the trial that has waited longest."""
        trial = self.live.pop(0)
        self.epoch[trial] += 1
        value = math.nan if trial in spoilt else score(self.configs[trial], self.epoch[trial])
        decision = self.tell("decide", Report(trial, self.epoch[trial], value))
        if decision is Decision.CONTINUE:
            self.live.append(trial)
        elif decision is Decision.STOP:
            self.tell("ended", trial, "diverged" if trial in spoilt else "finished")

    def spend(self, epochs: int, workers: int = 1, spoilt: tuple[str, ...] = ()) -> None:
        for _ in range(epochs):
            while len(self.live) < workers and self.start():
                pass
            if not self.live:
                return
            self.train(spoilt)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_replay_gives_the_same_answers(workers: int) -> None:
    run = Run(n_initial_points=6)
    run.spend(150, workers)
    again = run.make()
    for name, told in run.events:
        getattr(again, name)(*told)
    for _ in range(3):  # and so on from here
        assert again.next() == run.judge.next()
        before = len(run.events)
        run.spend(5, workers)
        for name, told in run.events[before:]:
            getattr(again, name)(*told)


def test_a_lost_leg_that_is_issued_again_changes_nothing() -> None:
    runs = Run(n_initial_points=4), Run(n_initial_points=4)
    for run in runs:
        run.spend(40)
        assert run.start()
    lost = runs[1].live[0]
    runs[1].tell("started", lost, runs[1].epoch[lost], runs[1].until[lost], runs[1].configs[lost])
    for run in runs:
        run.spend(60)
    assert runs[0].configs == runs[1].configs


def test_next_changes_nothing() -> None:
    run = Run(n_initial_points=4)
    run.spend(60)
    assert run.judge.next() == run.judge.next() == run.judge.next()


def test_every_leg_ends_at_a_rung() -> None:
    run = Run(max_epochs=27)
    run.spend(200, workers=3)
    assert set(run.until.values()) <= {1, 3, 9, 27}
    resting = {epoch for trial, epoch in run.epoch.items() if trial not in run.live}
    assert resting <= {1, 3, 9, 27}
    assert 27 in run.epoch.values()


def test_quotas_of_a_rung() -> None:
    """No more than a third of a rung, and the trials that promise most, go on to the one above."""
    run = Run(max_epochs=27, continue_share=0.0)
    run.spend(400)
    for low, high in itertools.pairwise((1, 3, 9, 27)):
        there = [trial for trial, epoch in run.epoch.items() if epoch >= low]
        gone = [trial for trial in there if run.epoch[trial] >= high > run.first[trial]]
        assert len(gone) <= len(there) / 3


def test_with_few_trials_the_best_is_trained_to_the_end() -> None:
    for samples in (1, 2, 5, 9):
        run = Run(max_epochs=9, num_samples=samples)
        run.spend(10**4)
        assert len(run.configs) == samples
        assert run.judge.next() is DONE
        longest = [trial for trial, epoch in run.epoch.items() if epoch == 9]
        best = max(run.configs, key=lambda trial: score(run.configs[trial], 1))
        assert best in longest


def test_it_waits_for_what_is_under_way() -> None:
    run = Run(max_epochs=9, num_samples=2)
    assert run.start()
    assert run.start()
    assert run.judge.next() is WAIT


def test_it_comes_near_the_optimum() -> None:
    run = Run(seed=3)
    run.spend(400)
    x, y = max(
        ((c["x"], c["y"]) for t, c in run.configs.items() if run.epoch[t] == 27),
        key=lambda p: score({"x": p[0], "y": p[1]}, 27),
    )
    assert abs(x - 0.3) < 0.05
    assert abs(y - 0.7) < 0.05


def test_a_corner_that_is_best_is_not_tried_over_and_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "score", lambda config, epoch: config["x"] + config["y"] - 0.2 / epoch)
    run = Run()
    run.spend(400)
    tried = [tuple(config.values()) for config in run.configs.values()]
    assert max(sum(point) for point in tried) > 1.99
    assert len(set(tried)) == len(tried)


def test_no_entry_of_a_table_is_trained_in_full_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a table many configurations are one; whatever the model expects of it, training it again tells nothing."""

    def table(config: dict[str, Any], epoch: int) -> float:
        x, y = round(config["x"] * 12), round(config["y"] * 12)
        return -float(np.random.default_rng([x, y]).random()) - 0.2 / epoch

    monkeypatch.setitem(globals(), "score", table)
    run = Run(max_epochs=27)
    run.spend(800)
    ends = [table(config, 27) for trial, config in run.configs.items() if run.epoch[trial] == 27]
    assert len(ends) > 5
    assert len(set(ends)) == len(ends)


def looks_after(run: Run, epochs: int) -> dict[bool, list[int]]:
    """Of the trials born in so many more epochs, the first looks; of those drawn blindly under True."""
    before = len(run.configs)
    run.spend(epochs)
    born = zip(list(run.configs)[before:], run.judge.drawn[before:], strict=True)
    found: dict[bool, list[int]] = {True: [], False: []}
    for trial, blindly in born:
        found[blindly].append(run.first[trial])
    return found


def test_where_first_scores_mislead_the_models_trials_are_looked_at_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def misleading(config: dict[str, Any], epoch: int) -> float:
        early = math.exp(-epoch / 4)
        return -early * abs(config["x"] - 0.2) - (1 - early) * abs(config["x"] - 0.8) - 0.1 * abs(config["y"] - 0.5)

    monkeypatch.setitem(globals(), "score", misleading)
    run = Run(max_epochs=50)
    run.spend(199)  # all but the four full trainings before which it is not asked
    assert set(run.first.values()) == {1}
    later = looks_after(run, 400)
    assert set(later[False]) == {6}
    assert set(later[True]) == {1}


def test_where_first_scores_are_mere_noise_they_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often: each of them says something, and is cheap."""

    def noisy(config: dict[str, Any], epoch: int) -> float:
        chance = np.random.default_rng([int(config["x"] * 2**32), epoch])
        return -abs(config["x"] - 0.7) - abs(config["y"] - 0.3) + float(chance.normal(0, 0.4 / epoch**0.5))

    monkeypatch.setitem(globals(), "score", noisy)
    run = Run(max_epochs=50)
    run.spend(200)
    later = looks_after(run, 400)[False]
    assert later.count(1) > 0.8 * len(later)


def test_a_diverged_trial_is_over_and_its_neighbourhood_avoided() -> None:
    run = Run(n_initial_points=8, random_share=0.0, seed=1)
    bad: tuple[str, ...] = ()
    for _ in range(60):
        while not run.live and run.start():
            bad = tuple(trial for trial, config in run.configs.items() if config["x"] > 0.5)
        run.train(bad)
    late = list(run.configs)[12:]
    assert late
    assert sum(trial in bad for trial in late) < 0.3 * len(late)
    assert all(run.epoch[trial] == 1 for trial in bad if trial not in run.live)


def test_blind_trials_are_known_again_and_more_frequent_in_a_stall() -> None:
    run = Run(random_share=0.3)
    run.spend(300)
    assert not any(run.judge.drawn[:8]), "the first ones are the model's"
    share = np.mean(run.judge.drawn[8:])
    assert 0.1 < share < 0.8
    judge = run.judge
    judge.best_at = judge.spent  # something better just now
    trusted = judge._random_share()
    judge.best_at = -10 * judge.spent  # nothing better for a long time
    assert trusted < judge._random_share() == pytest.approx(0.7)


def test_a_trial_from_outside_the_space_is_trained_and_not_learnt_from() -> None:
    judge = MultiFidelityRungs().build(SPACE, 9, None, 0)
    judge.started("0000", 0, 9, {"x": 7.0, "y": 0.5})
    assert judge.decide(Report("0000", 1, 100.0)) is Decision.CONTINUE
    assert judge.decide(Report("0000", 9, 100.0)) is Decision.STOP
    judge.ended("0000", "finished")
    assert isinstance(judge.next(), Start)


def test_a_suggestion_at_500_trials_is_affordable() -> None:
    """25 ms on an idle machine; ten times that is no noise of a busy one."""
    run = Run(max_epochs=50, continue_share=0.0)
    run.spend(1000)
    assert len(run.configs) > 200
    began, n = time.process_time(), 0
    for _ in range(20):
        n += 1
        run.spend(1)
    assert (time.process_time() - began) / n < 0.25


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"levels": 0}, "levels=0"),
        ({"n_initial_points": True}, "n_initial_points=True"),
        ({"random_share": 1.1}, "random_share=1.1"),
        ({"continue_share": -1}, "continue_share=-1"),
        ({"reduction_factor": 1}, "reduction_factor=1"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MultiFidelityRungs(**settings)


@pytest.mark.parametrize(("alike", "promoted"), [(1, [0, 1, 2]), (2, [0, 2]), (6, [0, 1, 2])])
def test_a_copy_of_a_trial_that_went_on_does_not(alike: int, promoted: list[int]) -> None:
    """Nine trials at the first rung, the best of them with the same score; a third may go on.

    Of two that score alike one goes on. Six alike are no copies: the score tells them not apart.
    """
    judge = MultiFidelityRungs(n_initial_points=9).build(SPACE, 9, 9, 0)
    configs = [{"x": 0.1 * n, "y": 0.5} for n in range(9)]
    for n, config in enumerate(configs):
        judge.started(f"{n:04d}", 0, 1, config)
        judge.decide(Report(f"{n:04d}", 1, 1.0 if n < alike else 0.9 - 0.1 * n))
    found = []
    while (row := judge._promoted(None, judge._able())) is not None:
        found.append(row)
        judge.started(f"{row:04d}", 1, 3, configs[row])
    assert found == promoted
