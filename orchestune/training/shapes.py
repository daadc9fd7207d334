"""What may not change while a trial trains: what gives the model's weights their shape."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from orchestune.space import Parameter, Space
from orchestune.training.params import parse_params

DRAWS = 32  # configurations, to find one in which a conditional parameter exists
MOST = 9  # values of one parameter that are compared

Shapes = dict[str, tuple[int, ...]]


def shape_mistakes(trainable: type, space: Space) -> list[str]:
    """A sentence for each parameter marked with `perturb(...)` that changes the shape of the model's weights.

    Models are built on torch's meta device, which holds no numbers. Says nothing where the model cannot be built
    without its data, or is no TorchTrainable's: then such a trial fails when it takes weights over.
    """
    marked = [parameter for parameter in space.parameters if parameter.perturb]
    if not marked:
        return []
    from orchestune.training.torch_trainable import TorchTrainable  # torch: two seconds, for those who mark something

    if not issubclass(trainable, TorchTrainable):
        return []
    mistakes = []
    for parameter in marked:
        found: list[tuple[Any, Shapes]] = []
        for value, config in _variants(space, parameter):
            shapes = _shapes(trainable, config)
            if shapes is not None:
                found.append((value, shapes))
        for value, shapes in found[1:]:
            if shapes != found[0][1]:
                mistakes.append(_sentence(parameter.name, found[0], (value, shapes)))
                break
    return mistakes


def _variants(space: Space, parameter: Parameter) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Values of `parameter`, each in the same configuration, one in which it exists."""
    for n in range(DRAWS):
        chance = random.Random(n)
        values = space.values(space.from_unit([chance.random() for _ in range(space.dimensions)]))
        if parameter.name in values:
            for value in parameter.grid(MOST):
                yield value, space.config({**values, parameter.name: value})
            return


def _shapes(trainable: Any, config: dict[str, Any]) -> Shapes | None:
    """Of each weight and buffer of the model; None where it cannot be built from its parameters alone."""
    import torch

    built = trainable.__new__(trainable)  # without setup(), which loads the data
    try:
        built.params, built.epoch, built.device = parse_params(trainable.Params, config), 0, torch.device("meta")
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            return {name: tuple(weight.shape) for name, weight in built.make_model().state_dict().items()}
    except Exception:  # whatever a user's model needs beyond its parameters: it is not known to be wrong
        return None


def _sentence(name: str, one: tuple[Any, Shapes], other: tuple[Any, Shapes]) -> str:
    differing = [key for key in {**one[1], **other[1]} if one[1].get(key) != other[1].get(key)]
    weight = differing[0]
    first, second = (shapes.get(weight, "absent") for _, shapes in (one, other))
    return (
        f"{name!r} is marked with perturb(...) and gives the model its shape: {weight} is {first} at {one[0]!r} and "
        f"{second} at {other[0]!r}, so that no trial could go on from another's weights; take the mark away"
    )
