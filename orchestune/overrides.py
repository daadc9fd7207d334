"""What the command line changes of an experiment, as text: kept with the run and applied again at `resume`."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from orchestune.define_by_run.discovery import is_build_model, lines
from orchestune.errors import ExperimentError, OrchestuneError, UnknownName
from orchestune.experiment import Experiment
from orchestune.pairs import AUTO
from orchestune.schedulers import Plateau, scheduler
from orchestune.searchers import searcher
from orchestune.space import Space
from orchestune.space.expression import parse_call, parse_expression
from orchestune.training.needs import name_of
from orchestune.training.resources import Resources

SET = "set "  # an override of one parameter of the space is called `set NAME`


def _whole(text: str) -> int:
    return int(text)


def _optional(text: str) -> int | None:
    return None if text.lower() == "none" else int(text)


_AMOUNT = re.compile(r"(\d+\.?\d*|\.\d+)(?:e(\d+))?\s*(?:([kmgt]?)(i?)b)?", re.IGNORECASE)


def _bytes(text: str) -> int:
    """`2GB` is 2 * 10**9, `2GiB` is 2 * 2**30; what is left of a byte goes."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    number, exponent, prefix, binary = found.groups()
    unit = (1024 if binary else 1000) ** " kmgt".index((prefix or " ").lower())
    return int(float(number) * 10 ** int(exponent or 0) * unit)


def _declaration(find: Callable[[str], Any]) -> Callable[[str], Any]:
    def declare(text: str) -> Any:
        name, args, kwargs = parse_call(text)
        if name == AUTO and not args and not kwargs:
            return AUTO
        declaration = find(name)
        known = [f.name for f in dataclasses.fields(declaration)]
        if args:
            raise OrchestuneError(f"{text}: settings are given by name. Known: {', '.join(known) or 'none'}.")
        for key in kwargs:
            if key not in known:
                raise UnknownName(f"setting of {name}", key, known)
        return declaration(**kwargs)

    return declare


def _plateau(text: str) -> Any:
    def find(name: str) -> Any:
        if name != Plateau.name:
            raise UnknownName("early stopping", name, [Plateau.name])
        return Plateau

    return None if text.lower() == "none" else _declaration(find)(text)


# Setting -> how its text is read, and the words for what is legal.
SETTINGS: dict[str, tuple[Callable[[str], Any], str]] = {
    "searcher": (_declaration(searcher), "a searcher's name, or random, hyperopt(gamma=0.3)"),
    "scheduler": (_declaration(scheduler), "a scheduler's name, or fifo, asha(grace_period=2)"),
    "num_samples": (_optional, "a whole number of trials, or none"),
    "max_epochs": (_whole, "a whole number of epochs"),
    "total_epochs": (_optional, "a whole number of epochs, or none"),
    "early_stopping": (_plateau, "a plateau, as plateau(patience=5), or none"),
    "executions_per_trial": (_whole, "a whole number"),
    "time_budget_s": (float, "a number of seconds"),
    "stop_at_score": (float, "a number"),
    "max_concurrent_trials": (_whole, "a whole number"),
    "cpus_per_trial": (float, "a number of CPUs"),
    "gpus_per_trial": (float, "a number of GPUs"),
    "memory_per_trial": (_bytes, "a number of bytes, or one with a unit, as 2GB or 512MiB"),
    "seed": (_whole, "a whole number"),
    "checkpoint_every": (_whole, "a whole number of epochs"),
    "max_retries": (_whole, "a whole number"),
}

AMOUNTS = {"cpus_per_trial": "cpu", "gpus_per_trial": "gpu", "memory_per_trial": "memory"}  # of the resources


def apply_overrides(experiment: Experiment, overrides: Mapping[str, str]) -> Experiment:
    """The experiment with these settings. Raises UnknownName, and ExperimentError with all that is wrong."""
    changes: dict[str, Any] = {}
    mistakes = []
    resources, space = experiment.resources, experiment.space
    for name, text in overrides.items():
        try:
            if name.startswith(SET):
                space = _placed(_mapping(space), name.removeprefix(SET).split("/"), parse_expression(text))
                changes["space"] = space
                continue
            if name not in SETTINGS:
                raise UnknownName("setting", name, SETTINGS)
            value = _read(name, text)
            if name in AMOUNTS:
                resources = changes["resources"] = _with_amount(resources, AMOUNTS[name], value)
            else:
                changes[name] = value
        except OrchestuneError as wrong:
            mistakes.append(f"--{'set' if name.startswith(SET) else name.replace('_', '-')}: {wrong}")
    if mistakes:
        raise ExperimentError(mistakes, "the command line")
    return dataclasses.replace(experiment, **changes)


def _mapping(space: Any) -> Any:
    """The lines of a space that is written as a build_model, which can be replaced one by one."""
    if isinstance(space, Space):
        raise OrchestuneError(
            "the experiment's space is typed already: give it as a dictionary, or the build_model itself"
        )
    return lines(space) if is_build_model(space) else space


def _read(name: str, text: str) -> Any:
    read, legal = SETTINGS[name]
    try:
        return read(text)
    except ValueError as wrong:
        detail = f" ({wrong})" if read not in (float, _whole, _optional, _bytes) else ""
        raise OrchestuneError(f"{text!r} is not {legal}{detail}") from wrong


def _with_amount(resources: Any, field: str, value: float) -> Resources:
    if inspect.isfunction(resources):
        raise OrchestuneError(
            f"what a trial of this experiment occupies depends on its configuration: {name_of(resources)} says it. "
            "Change it there, or make the experiment's resources fixed"
        )
    changed: Resources = dataclasses.replace(resources, **{field: value})
    return changed


def _placed(node: Any, path: list[str], value: Any) -> Any:
    """`node` with `value` at `path`; only what lies on the way is copied."""
    key, rest = path[0], path[1:]
    if isinstance(node, list | tuple):
        known = [str(index) for index in range(len(node))]
        if key not in known:
            raise UnknownName("element", key, known)
        items = list(node)
        items[int(key)] = _placed(items[int(key)], rest, value) if rest else value
        return items
    if not isinstance(node, Mapping) or (rest and key not in node):
        raise UnknownName("parameter", key, node if isinstance(node, Mapping) else ())
    return {**node, key: _placed(node[key], rest, value) if rest else value}
