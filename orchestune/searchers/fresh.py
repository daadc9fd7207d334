"""A configuration that was not asked before, as long as there is one."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from orchestune.searchers.base import Config
from orchestune.searchers.grid import combinations
from orchestune.space.plain import form

if TYPE_CHECKING:
    from orchestune.space import Space

DRAWS = 64  # before a space counts as so small that it is better walked through


def draw(space: Space, chance: np.random.Generator) -> Config:
    """A configuration drawn evenly from the unit cube."""
    return space.from_unit(chance.random(space.dimensions).tolist())


def unasked(space: Space, asked: Collection[str], chance: np.random.Generator) -> Config | None:
    """One whose JSON text is not in `asked`; None where every configuration has been asked.

    Drawn; and where draws meet only known ones, the first new one of the grid that is fine enough to hold one.
    """
    for _ in range(DRAWS):
        config = draw(space, chance)
        if form(config) not in asked:
            return config
    points = 16 + 4 * len(asked)  # of each range: more different values than were asked, also of logarithmic ones
    return next((config for config in combinations(space, points) if form(config) not in asked), None)
