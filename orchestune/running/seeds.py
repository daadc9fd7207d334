"""Where a trial's chance comes from."""

from __future__ import annotations

import numpy as np


def trial_seed(seed: int, number: int) -> int:
    """The seed of the `number`-th trial of an experiment with this seed."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def fresh_seed(seed: int, number: int) -> int:
    """The `number`-th seed that no trial of an experiment with this seed has had, to train some of them again with."""
    return int(np.random.SeedSequence([seed, number, 1]).generate_state(1)[0])
