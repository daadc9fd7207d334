"""NumPy's percentile of numbers that are in order already: two of them are looked at, however many there are."""

from __future__ import annotations

from collections.abc import Sequence


def percentile(ascending: Sequence[float], percent: float) -> float:
    """What `np.percentile(ascending, percent)` says, to the last bit; NaN between infinities, as there.

    `ascending`: at least one number, none of them NaN. NumPy's default rule, "linear": Hyndman and Fan's 7th.
    """
    rank = (len(ascending) - 1) * (percent / 100)
    below = int(rank)
    low, high = ascending[below], ascending[min(below + 1, len(ascending) - 1)]
    share = rank - below
    # from the nearer neighbor, as NumPy's `_lerp`
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share
