"""What every searcher must pass, over every space. Adding a searcher to `SEARCHERS` adds it here.

A searcher that can be set to search in quite another way is here once for each way, under a name of its own.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle, tune
from ray.tune.search.variant_generator import generate_variants

from orchestune.errors import SpaceError, UnknownName
from orchestune.searchers import (
    FINISHED,
    SEARCHERS,
    BayesOpt,
    Declaration,
    Grid,
    Grow,
    HyperOpt,
    Optuna,
    Searcher,
    Sequential,
    searcher,
)
from orchestune.searchers.feedback import losses, losses_at_fidelity
from orchestune.space import Choice, Parameter, Space
from tests.contracts.spaces import GRIDS, SPACES

PARSED = {name: Space.parse(mapping) for name, mapping in SPACES.items()}
DECLARED: dict[str, Declaration] = {name: declaration() for name, declaration in SEARCHERS.items()} | {
    "bayesopt-ei": BayesOpt(acquisition="ei", n_initial_points=4),
    "bayesopt-poi": BayesOpt(acquisition="poi", n_initial_points=4),
    "optuna-gp": Optuna(sampler="gp", n_initial_points=2),
    "optuna-cmaes": Optuna(sampler="cmaes"),
    "optuna-sobol": Optuna(sampler="qmc"),
    "optuna-halton": Optuna(sampler="qmc", sequence="halton"),
    "sequential-twice": Sequential(rounds=2, points=3),
    "grow-steadily": Grow(min_gain=0, least_share=1, factor=1.5),
}
PAIRS = [(kind, name) for kind in DECLARED for name in SPACES if not DECLARED[kind].refuse(PARSED[name])]
# Enough for the model phase of each: HyperOpt's begins at 20. A Gaussian process, at a tenth of a second a question,
# gets a few questions after its first ones.
ASKED = dict.fromkeys(DECLARED, 30) | {
    "multifidelity": 20,
    "optuna": 13,
    "bayesopt": 11,
    "bayesopt-ei": 5,
    "bayesopt-poi": 5,
    "optuna-gp": 4,
}
SLOW = {kind for kind, asked in ASKED.items() if asked < 13}
ROOMY = {  # a space with many configurations
    **dict.fromkeys(DECLARED, "mixed"),
    "optuna-cmaes": "list_dom",
    "grow": "layered",
    "grow-steadily": "layered",
}
# Where chance and the order of telling are tested: the slow ones draw and sort in the same way in all spaces.
SOME = ("mixed", "list_dom", "choice_mixed", "cond_same_key", "when_chained")
QUICK_PAIRS = [(kind, name) for kind, name in PAIRS if ASKED[kind] >= 20 or name in SOME]
MODELLED = [kind for kind in DECLARED if DECLARED[kind].adapts and not DECLARED[kind].finite]

pair = pytest.mark.parametrize(("kind", "name"), PAIRS)
kinds = pytest.mark.parametrize("kind", DECLARED)


def build(kind: str, name: str, seed: int = 7) -> Searcher:
    return DECLARED[kind].build(PARSED[name], seed=seed)


def test_what_is_refused() -> None:
    """All other spaces are searched by all: nothing falls out of this suite unseen."""
    for kind, declared in DECLARED.items():
        refused = {name for name in SPACES if declared.refuse(PARSED[name])}
        unordered = {name for name in SPACES if any(without_order(p) for p in PARSED[name].parameters)}
        special = {"grid": set(), "optuna-cmaes": unordered | GRIDS}
        special |= dict.fromkeys(("grow", "grow-steadily"), {*SPACES} - {"layered"})
        assert refused == special.get(kind, GRIDS)
    assert len(PAIRS) > 40 * (len(DECLARED) - 3), "all but cmaes and the two that grow search 40 or more"


def without_order(parameter: Parameter) -> bool:
    return parameter.condition is not None or (isinstance(parameter, Choice) and parameter.count > 1)


def answer(config: dict[str, Any]) -> float:
    """A score that depends on all of a configuration and on nothing else."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).digest()
    return digest[0] / 255


@functools.cache
def history(kind: str, name: str, seed: int = 7) -> list[tuple[int, Any, dict[int, float]]]:
    """Asked and told in turn, with diverged, failed and early-stopped trials among them."""
    asked, told = build(kind, name, seed), []
    for n in range(ASKED[kind]):
        config = asked.ask(n)
        if config == FINISHED:
            break
        assert isinstance(config, dict)
        scores = {epoch: answer(config) for epoch in range(1, 2 + n % 3)}
        if n % 5 == 3:
            scores[4] = math.nan
        if n % 7 == 0:
            scores = {}
        asked.born(n, config)
        asked.tell(n, scores, ended=True)
        told.append((n, config, scores))
    return told


@pair
def test_questions_are_inside_the_space_and_plain(kind: str, name: str) -> None:
    space = PARSED[name]
    for _, config, _ in history(kind, name):
        assert space.contains(config), config  # bounds, steps, types, and nothing inactive
        assert only_plain(config), config


def only_plain(value: Any) -> bool:
    """Of exactly the types that JSON reads back: no NumPy scalars, no tuples."""
    if type(value) is dict:
        return all(type(key) is str and only_plain(inner) for key, inner in value.items())
    if type(value) is list:
        return all(only_plain(inner) for inner in value)
    return value is None or type(value) in (bool, int, float, str)


@pair
def test_asking_has_no_side_effect(kind: str, name: str) -> None:
    asked = build(kind, name)
    first = asked.ask(0)
    later = [asked.ask(n) for n in (2, 1, 0)]
    assert later[-1] == first
    assert [asked.ask(n) for n in (2, 1, 0)] == later
    if isinstance(first, dict):
        before = json.dumps(first)
        later[-1]["changed by the trial"] = first["changed by the trial"] = 1
        assert json.dumps(asked.ask(0)) == before


@pytest.mark.parametrize(("kind", "name"), QUICK_PAIRS)
def test_told_the_same_it_asks_the_same_in_any_order(kind: str, name: str) -> None:
    told = history(kind, name)
    straight, shuffled = build(kind, name), build(kind, name)
    for n, config, scores in told:
        straight.born(n, config)
        straight.tell(n, scores, ended=True)
    mixed = random.Random(3).sample(told, len(told))
    for n, config, _ in mixed:
        shuffled.born(n, config)
    for n, _, scores in reversed(mixed):
        for epoch in scores:  # report by report, as it happens in a run
            shuffled.tell(n, {e: s for e, s in scores.items() if e <= epoch}, ended=False)
        shuffled.tell(n, scores, ended=True)
    assert straight.ask(ASKED[kind]) == shuffled.ask(ASKED[kind])


def digest() -> str:
    """Of what every searcher asks; of those with a model, over some spaces."""
    pairs = [(kind, name) for kind, name in QUICK_PAIRS if kind not in MODELLED or name in SOME]
    text = json.dumps([[(n, config) for n, config, _ in history(*pair)] for pair in pairs])
    return hashlib.sha256(text.encode()).hexdigest()


def test_same_seed_same_questions_also_in_another_process() -> None:
    code = "from tests.contracts.test_searchers import digest; print(digest())"
    root = Path(__file__).parents[2]
    other = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert other.stdout.split()[-1] == digest()


@pytest.mark.parametrize("kind", [kind for kind in DECLARED if not DECLARED[kind].finite])
def test_another_seed_asks_something_else(kind: str) -> None:
    assert history(kind, ROOMY[kind], 1) != history(kind, ROOMY[kind], 2)


@kinds
def test_ray_door_is_the_same_and_its_state_is_plain_json(kind: str, tmp_path: Path) -> None:
    declared, space = DECLARED[kind], PARSED[ROOMY[kind]]
    direct = declared.build(space, seed=1)
    by_ray = declared.build(space, seed=1, metric="loss", mode="min")
    for n in range(ASKED[kind]):
        config = direct.ask(n)
        assert by_ray.suggest(f"trial{n}") == config
        if config == FINISHED:
            break
        direct.born(n, config)
        scores = {1: answer(config), 2: -answer(config)}
        for epoch, score in scores.items():
            by_ray.on_trial_result(f"trial{n}", {"loss": -score, "training_iteration": epoch})
        if n % 4 == 0:
            by_ray.on_trial_complete(f"trial{n}", None, error=True)
            scores[3] = math.nan
        else:
            by_ray.on_trial_complete(f"trial{n}", {"loss": -scores[2], "training_iteration": 2})
        direct.tell(n, scores, ended=True)
        if n == ASKED[kind] // 2 - 2:
            state = tmp_path / "state.json"
            by_ray.save(str(state))
            json.loads(state.read_text())
            by_ray = declared.build(space, seed=1, metric="loss", mode="min")
            by_ray.restore(str(state))
    assert by_ray.ask(n + 1) == direct.ask(n + 1)
    assert by_ray.losses() == direct.losses()


def test_a_grid_is_refused_by_all_others() -> None:
    for name, declared in DECLARED.items():
        refused = declared.refuse(PARSED["grid_in"])
        if name == "grid":
            assert refused == []
            continue
        assert len(refused) == 1
        assert refused[0].startswith("parameter 'x': ")
        assert "Grid()" in refused[0]
        with pytest.raises(SpaceError, match=r"tune\.choice"):
            declared.build(PARSED["grid_in"])


@pytest.mark.parametrize("kind", MODELLED)
def test_failures_do_not_attract(kind: str) -> None:
    """The optimum at 0.25, all above 0.5 fails: less than 40 % of the last questions go there.

    A finite searcher has no say in where its questions lie.
    """
    asks, judged = (18, 9) if kind in SLOW else (80, 30)
    for failed in ({}, {1: math.nan}):
        asked = DECLARED[kind].build(Space.parse({"x": tune.uniform(0, 1)}), seed=0)
        for n in range(asks):
            config = asked.ask(n)
            x = config["x"]
            asked.born(n, config)
            asked.tell(n, {1: -((x - 0.25) ** 2)} if x <= 0.5 else failed, ended=True)
        last = [asked.configs[n]["x"] > 0.5 for n in range(asks - judged, asks)]
        assert sum(last) < 0.4 * judged


def best(declared: Declaration, seed: int, asks: int) -> float:
    """The best of so many questions about a smooth optimum inside a box of three."""
    space = Space.parse({name: tune.uniform(0, 1) for name in "abc"})
    asked = declared.build(space, seed=seed)
    for n in range(asks):
        config = asked.ask(n)
        asked.born(n, config)
        asked.tell(n, {1: -sum((config[name] - 0.3) ** 2 for name in "abc")}, ended=True)
    return max(scores[1] for scores in asked.scores.values())


@pytest.mark.parametrize("kind", [kind for kind in MODELLED if kind not in SLOW])
def test_learning_beats_random(kind: str) -> None:
    """In 12 or more of 16 seeds; a searcher no better than random passes with probability 0.038.

    Seeds are fixed, so the outcome is too: no test run fails by chance.
    """
    random_one = SEARCHERS["random"]()
    assert sum(best(DECLARED[kind], seed, 40) > best(random_one, seed, 40) for seed in range(16)) >= 12


@pytest.mark.parametrize(
    ("declared", "asks"),
    [
        (BayesOpt(n_initial_points=5), 22),
        (Optuna(sampler="gp", n_initial_points=5), 20),
    ],
    ids=["bayesopt", "optuna"],
)
def test_a_gaussian_process_beats_random_early(declared: Declaration, asks: int) -> None:
    """In all of 5 seeds; by chance with probability 0.031."""
    random_one = SEARCHERS["random"]()
    assert all(best(declared, seed, asks) > best(random_one, seed, asks) for seed in range(5))


@kinds
def test_a_value_at_one_epoch_never_beats_one_at_27(kind: str) -> None:
    asked = build(kind, ROOMY[kind])
    scores = [{1: 100.0}, {1: 0.1, 27: 0.2}, {27: 0.3}, {}, {1: 0.5, 2: math.nan}]
    for n, told in enumerate(scores):
        asked.born(n, asked.ask(n))
        asked.tell(n, told, ended=True)
    asked.tell(5, {30: 1.0}, ended=True)  # nobody asked this
    assert asked.losses() == {0: 2.0, 1: 1.0, 2: 0.0, 3: 2.0, 4: 2.0}
    assert list(losses({3: {1: 0.1}, 1: {}})) == [1, 3]


def test_where_trials_pause_the_largest_fidelity_with_enough_counts() -> None:
    trials = {
        0: {1: 0.1, 3: 0.3, 9: 0.2}, 1: {1: 0.5, 3: 0.4}, 2: {1: 0.2, 3: 0.25}, 3: {1: 0.9}, 4: {1: math.nan}, 5: {},
        6: {1: 0.1, 2: 0.15},
    }  # fmt: skip
    # three have reached 3 epochs; trial 4 diverged; trial 6 was over after two; 3 and 5 are still under way
    assert losses_at_fidelity(trials, {4, 6}, enough=3) == {0: -0.3, 1: -0.5, 2: -0.25, 4: -0.15, 6: -0.15}
    assert losses_at_fidelity(trials, {4, 6}, enough=1)[0] == -0.3
    assert losses_at_fidelity(trials, {4, 6}, enough=5).keys() == {0, 1, 2, 3, 4, 6}, "one epoch is what five have"
    assert losses_at_fidelity({4: {1: math.nan}}, {4}, enough=1) == {}


@pytest.mark.parametrize("kind", MODELLED)
def test_where_trials_pause_their_scores_are_learnt_from(kind: str) -> None:
    """None of them ends; told well, the questions still leave the bad half."""
    space = Space.parse({"x": tune.uniform(0, 1), "y": tune.uniform(0, 1)})
    asked = DECLARED[kind].build(space, seed=0, max_epochs=9, pauses=True)
    for n in range(40):
        config = asked.ask(n)
        asked.born(n, config)
        asked.tell(n, {1: -((config["x"] - 0.1) ** 2)}, ended=False)
    assert sum(asked.configs[n]["x"] > 0.5 for n in range(25, 40)) < 5


@kinds
def test_nothing_is_told_of_unfinished_or_only_failed_trials(kind: str) -> None:
    asked = build(kind, ROOMY[kind])
    for n, (told, ended) in enumerate([({}, True), ({1: math.inf}, True), ({1: 0.5}, False)]):
        asked.born(n, asked.ask(n))
        asked.tell(n, told, ended)
    assert asked.losses() == {}


def test_grid_asks_in_rays_order_and_counts_itself() -> None:
    spec = {"b": tune.grid_search([3, 1, 2]), "a": tune.grid_search(["x", "y"])}
    asked = Grid().build(Space.parse(spec))
    assert [asked.ask(n) for n in range(6)] == [config for _, config in generate_variants(spec)]
    assert asked.ask(6) == FINISHED


@pytest.mark.parametrize("name", SPACES)
def test_grid_counts_its_questions(name: str) -> None:
    grid = Grid(points=3)
    asked, count = grid.build(PARSED[name]), grid.count(PARSED[name])
    assert asked.ask(count - 1) != FINISHED
    assert asked.ask(count) == FINISHED
    assert len({json.dumps(asked.ask(n)) for n in range(count)}) == count


def test_grid_cuts_ranges() -> None:
    assert Grid(points=3).count(PARSED["when_equal"]) == 4  # three momenta for sgd, one adam
    ranges = {
        "uniform": (tune.uniform(0, 1), [0.0, 0.25, 0.5, 0.75, 1.0]),
        "loguniform": (tune.loguniform(1e-4, 1), [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        "randint": (tune.randint(0, 101), [0, 25, 50, 75, 100]),
        "lograndint": (tune.lograndint(1, 1001), [1, 6, 32, 178, 1000]),
        "small lograndint": (tune.lograndint(1, 7), [1, 2, 4, 6]),  # 1.6 and 2.4 are both 2
        "few steps": (tune.quniform(0, 1, 0.5), [0.0, 0.5, 1.0]),
        "many steps": (tune.quniform(0, 1, 0.1), [0.0, 0.2, 0.5, 0.8, 1.0]),
    }
    for domain, expected in ranges.values():
        asked = Grid().build(Space.parse({"x": domain}))
        assert [asked.ask(n)["x"] for n in range(len(expected))] == pytest.approx(expected)
        assert asked.ask(len(expected)) == FINISHED


def test_hyperopt_learns_from_what_lies_in_its_space() -> None:
    """A run's narrowed space meets trials from before: they are remembered, and not modeled."""
    asked = HyperOpt(n_initial_points=1).build(Space.parse({"x": tune.uniform(0, 1)}))
    asked.born(0, {"x": 0.5})
    asked.tell(0, {1: 0.5}, ended=True)
    alone = asked.ask(2)
    asked.born(1, {"x": 7.0})
    asked.tell(1, {1: 0.9}, ended=True)
    assert asked.ask(2) == alone
    assert set(asked.configs) == {0, 1}


@pytest.mark.parametrize(
    ("declaration", "fields", "sentence"),
    [
        (Grid, {"points": 1}, "points is a whole number from 2 on"),
        (HyperOpt, {"n_initial_points": 0}, "n_initial_points is a whole number from 1 on, got 0"),
        (HyperOpt, {"n_ei_candidates": 2.5}, "n_ei_candidates is a whole number from 1 on, got 2.5"),
        (HyperOpt, {"gamma": math.nan}, "gamma is above 0 and at most 1, got nan"),
    ],
)
def test_impossible_settings_are_named(declaration: Any, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        declaration(**fields)


@kinds
def test_ray_may_pickle_a_searcher_half_way(kind: str) -> None:
    asked = build(kind, ROOMY[kind])
    for n in range(ASKED[kind] // 2 + 5):
        asked.born(n, asked.ask(n))
        asked.tell(n, {1: float(n)}, ended=True)
        if asked.ask(n + 1) == FINISHED:
            break
    assert cloudpickle.loads(cloudpickle.dumps(asked)).ask(n + 1) == asked.ask(n + 1)


@kinds
def test_mistakes_are_named(kind: str) -> None:
    with pytest.raises(ValueError, match="mode is 'min' or 'max', got 'maximum'"):
        DECLARED[kind].build(PARSED[ROOMY[kind]], mode="maximum")
    with pytest.raises(ValueError, match="seed is a whole number from 0 on, got -1"):
        DECLARED[kind].build(PARSED[ROOMY[kind]], seed=-1)
    with pytest.raises(ValueError, match="contradicts"):
        build(kind, ROOMY[kind]).set_search_properties("loss", "min", {})


def test_names_are_a_closed_set() -> None:
    assert [SEARCHERS[name].name for name in SEARCHERS] == list(SEARCHERS)
    with pytest.raises(UnknownName, match="Did you mean 'hyperopt'"):
        searcher("hyperot")
