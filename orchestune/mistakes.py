"""Everything that can be wrong with an experiment, told at once and before anything starts."""

from __future__ import annotations

import dataclasses
import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ray.tune import Trainable

from orchestune.define_by_run.discovery import is_build_model
from orchestune.errors import ResourcesError, SpaceError, UnknownName
from orchestune.pairs import AUTO
from orchestune.schedulers import Plateau, scheduler
from orchestune.searchers import searcher
from orchestune.space import Space
from orchestune.training.params import is_number, parse_params
from orchestune.training.resources import Resources
from orchestune.training.shapes import shape_mistakes

if TYPE_CHECKING:
    from orchestune.experiment import Experiment

MODES = ("min", "max")
DRAWS = 16  # configurations that the trainable's parameters are tried with beforehand
TRIED = (0.5, 0.001, 0.999)  # where in the space's unit cube a function of the configuration is tried beforehand


def mistakes_in(e: Experiment) -> list[str]:
    """A sentence for each; the searcher and the scheduler are asked once there is something sound to ask about."""
    found = [*_trainable_mistakes(e), *_space_mistakes(e), *_limit_mistakes(e), *_wrong_kinds(e)]
    return found or [*_search_mistakes(e), *_params_mistakes(e), *_resources_mistakes(e)]


def _search_mistakes(e: Experiment) -> list[str]:
    pair, space = e.pair, e.typed_space
    found = [*pair.refusals(), *pair.searcher.refuse(space), *_point_mistakes(e)]
    found += pair.scheduler.refuse(space, e.max_epochs, e.num_samples)
    if pair.scheduler.chooses:
        found += shape_mistakes(e.trainable, space)
    ends = (e.num_samples, e.time_budget_s, e.stop_at_score, e.total_epochs)
    if all(limit is None for limit in ends) and not pair.searcher.finite and not hasattr(pair.scheduler, "trials"):
        found.append(
            "num_samples is None: the run would never end; give it, total_epochs, time_budget_s or stop_at_score"
        )
    return found


def _point_mistakes(e: Experiment) -> list[str]:
    try:
        _ = e.points
    except SpaceError as wrong:
        return [f"points_to_evaluate: {wrong}"]
    return []


def _trainable_mistakes(e: Experiment) -> list[str]:
    t = e.trainable
    if inspect.isfunction(t):
        return [
            f"trainable {t.__name__} is a function: write a class with setup(config), step(), save_checkpoint(dir) "
            "and load_checkpoint(dir) (ray.tune.Trainable), or a TorchTrainable; a function cannot be resumed"
        ]
    if not (inspect.isclass(t) and issubclass(t, Trainable)):
        return [f"trainable is {t!r}: it must be a class derived from TorchTrainable or ray.tune.Trainable"]
    mistakes = [
        f"trainable {t.__name__} has no {name}: without it no trial could be resumed"
        for name in ("step", "save_checkpoint", "load_checkpoint")
        if getattr(t, name) is getattr(Trainable, name)
    ]
    reported = getattr(t, "metrics", None)
    for kind, name in (("metric", e.metric), ("metric for the x axis", e.x_axis)):
        if not (reported is None or name is None or name in reported):
            mistakes.append(str(UnknownName(kind, name, reported)))
    return mistakes


def _space_mistakes(e: Experiment) -> list[str]:
    if not isinstance(e.space, Mapping | Space) and not is_build_model(e.space):
        return [f"space is a {type(e.space).__name__}: it must be a dictionary from parameter to domain, or a "
                "function build_model(hp)"]  # fmt: skip
    mistakes = list(Space.mistakes(e.space)) if isinstance(e.space, Mapping) else []
    try:
        keys = e.space if isinstance(e.space, Mapping) else e.typed_space.top_level_keys
        settings = _settings(e, dict.fromkeys(keys))
    except (SpaceError, ValueError) as wrong:  # of a build_model, which is called for it; of two names for one setting
        return [*mistakes, str(wrong)]
    params = getattr(e.trainable, "Params", None)
    if params is not None and dataclasses.is_dataclass(params):
        known = [f.name for f in dataclasses.fields(params)]
        mistakes += [str(UnknownName("parameter", str(key), known)) for key in settings if key not in known]
    return mistakes


def _params_mistakes(e: Experiment) -> list[str]:
    """What the trainable's `Params` says to some configurations: a wrong name in one, or no value right in any."""
    params = getattr(e.trainable, "Params", None)
    if not (inspect.isclass(params) and dataclasses.is_dataclass(params)):
        return []
    wrong = []
    for n in range(DRAWS):
        chance = random.Random(n)
        place = [chance.random() for _ in range(e.typed_space.dimensions)]
        try:
            parse_params(params, _settings(e, e.typed_space.from_unit(place)))
        except UnknownName as unknown:
            return [str(unknown)]
        except (ValueError, TypeError) as refused:
            wrong.append(str(refused))
    return wrong[:1] if len(wrong) == DRAWS else []


def _settings(e: Experiment, config: dict[str, Any]) -> dict[str, Any]:
    """What of a configuration is for the trainable's `Params`: all, or what it says itself."""
    settings: Callable[[dict[str, Any]], dict[str, Any]] = getattr(e.trainable, "settings", dict)
    return settings(config)


def _wrong_kinds(e: Experiment) -> list[str]:
    kinds = (
        ("searcher", e.searcher, "HyperOpt(), or a name"),
        ("scheduler", e.scheduler, "Asha(grace_period=2), or a name"),
    )
    found = [
        f"{kind} is {given!r}: it must be a declaration such as {like}"
        for kind, given, like in kinds
        if inspect.isclass(given) or not (isinstance(given, str) or hasattr(given, "build"))
    ]
    if e.early_stopping is not None and not isinstance(e.early_stopping, Plateau):
        found.append(f"early_stopping is {e.early_stopping!r}: it must be Plateau(patience=5), or None")
    functions = (("prepare", e.prepare, "no arguments"), ("answer", e.answer, "the finished run's Record"))
    found += [
        f"{name} is {given!r}: it must be a function of {of}, or None"
        for name, given, of in functions
        if not (given is None or callable(given))
    ]
    for find, given in ((searcher, e.searcher), (scheduler, e.scheduler)):
        try:
            _ = isinstance(given, str) and given != AUTO and find(given)
        except UnknownName as unknown:
            found.append(str(unknown))
    return found


def _limit_mistakes(e: Experiment) -> list[str]:
    mistakes = []
    if e.mode not in MODES:
        mistakes.append(f"mode is {e.mode!r}: it must be 'min' or 'max'")
    mistakes += _counts(e, ("max_epochs", "checkpoint_every", "executions_per_trial"), least=1)
    mistakes += _counts(e, ("num_samples", "max_concurrent_trials", "total_epochs"), least=1, optional=True)
    mistakes += _counts(e, ("seed", "max_retries"), least=0)
    if e.seed.__class__ is int and e.seed >= 2**32:
        mistakes.append(f"seed is {e.seed}: it must be below 2**32")
    if e.time_budget_s is not None and not (is_number(e.time_budget_s) and e.time_budget_s > 0):
        mistakes.append(f"time_budget_s is {e.time_budget_s!r}: it must be a number of seconds above 0")
    if e.stop_at_score is not None and not is_number(e.stop_at_score):
        mistakes.append(f"stop_at_score is {e.stop_at_score!r}: it must be a finite number")
    if isinstance(e.resources, Resources):
        mistakes += e.resources.mistakes()
    elif not inspect.isfunction(e.resources):
        mistakes.append(
            f"resources is {e.resources!r}: it must be Resources(cpu=..., gpu=...), or a function that makes "
            "them from a configuration"
        )
    return mistakes


def _resources_mistakes(e: Experiment) -> list[str]:
    """The first that is wrong with a function's answers in the middle of the space and near its ends."""
    for place in TRIED:
        try:
            e.resources_for(e.typed_space.from_unit([place] * e.typed_space.dimensions))
        except ResourcesError as wrong:
            return [f"resources: {wrong}"]
    return []


def _counts(owner: Any, names: Sequence[str], *, least: int, optional: bool = False) -> list[str]:
    wrong = []
    for name in names:
        value = getattr(owner, name)
        if value is None and optional:
            continue
        if value.__class__ is not int or value < least:
            wrong.append(
                f"{name} is {value!r}: it must be a whole number, {least} or more" + (", or None" if optional else "")
            )
    return wrong
