"""Which parameters may change while a trial trains, as population based training does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Perturb:
    """What `perturb(...)` returns: a range of a space that carries the mark, not yet checked."""

    range: Any


def perturb(range: Any) -> Perturb:
    """`range`, whose value may also change in the middle of a training.

    `range` is one of Ray Tune's functions: `perturb(tune.loguniform(1e-4, 1e-1))`; under a condition the mark is
    inside, `when("optimizer", "sgd", perturb(tune.uniform(0, 1)))`. Mark nothing that gives the model's weights their
    shape: they are taken over from another trial.
    """
    return Perturb(range)
