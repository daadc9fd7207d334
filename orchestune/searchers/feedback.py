"""Honest feedback for searchers without epochs: one number a trial, comparable across unequal training."""

from __future__ import annotations

import math
from collections.abc import Mapping


def losses(trials: Mapping[int, Mapping[int, float]]) -> dict[int, float]:
    """n -> place in the order of all ended `trials` (n -> epoch -> score), 0 the best, equals sharing a
    place.

    Who trained longer is better, for a scheduler stopped the others because they were worse; among equally
    long ones the last score decides. So a value at 1 epoch is never taken for one at 27. A trial that
    diverged or failed (a non-finite score, or none at all) shares the last place with the worst finite one:
    without an answer, samplers go back to where trials fail. Nothing is told before there is a finite one.
    """
    healthy: dict[int, tuple[int, float]] = {}
    for n, scores in trials.items():
        if scores and all(math.isfinite(score) for score in scores.values()):
            last = max(scores)
            healthy[n] = (last, scores[last])
    if not healthy:
        return {}
    order = {key: place for place, key in enumerate(sorted(set(healthy.values()), reverse=True))}
    worst = len(order) - 1
    return {n: float(order[healthy[n]] if n in healthy else worst) for n in sorted(trials)}
