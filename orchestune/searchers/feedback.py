"""Honest feedback for searchers without epochs: one number a trial, comparable across unequal training."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping


def losses(trials: Mapping[int, Mapping[int, float]]) -> dict[int, float]:
    """n -> place in the order of all ended `trials` (n -> epoch -> score), 0 the best, equals sharing a
    place.

    Who trained longer is better, for a scheduler stopped the others because they were worse; among equally
    long ones the best epoch decides. So a value at 1 epoch is never taken for one at 27. A trial that
    diverged or failed (a non-finite score, or none at all) shares the last place with the worst finite one:
    without an answer, samplers go back to where trials fail. Nothing is told before there is a finite one.
    """
    healthy: dict[int, tuple[int, float]] = {}
    for n, scores in trials.items():
        if scores and all(math.isfinite(score) for score in scores.values()):
            healthy[n] = (max(scores), max(scores.values()))
    if not healthy:
        return {}
    order = {key: place for place, key in enumerate(sorted(set(healthy.values()), reverse=True))}
    worst = len(order) - 1
    return {n: float(order[healthy[n]] if n in healthy else worst) for n in sorted(trials)}


def losses_at_fidelity(
    trials: Mapping[int, Mapping[int, float]], ended: Collection[int], enough: int
) -> dict[int, float]:
    """n -> loss at the most epochs that `enough` trials have reached, for schedulers that pause trials at rungs.

    There most trials never end before the run, so that places among the ended ones would tell nothing. The model is
    that of the largest fidelity with enough observations (Falkner et al. 2018, BOHB, Algorithm 2), made anew as
    trials advance. A trial counts with its best score up to there, one that ended by itself with its best of all, one
    that diverged or failed as the worst of the others.
    """
    healthy = {n: s for n, s in trials.items() if s and all(math.isfinite(score) for score in s.values())}
    if not healthy:
        return {}
    reached = sorted((max(scores) for scores in healthy.values()), reverse=True)
    fidelity = reached[min(enough, len(reached)) - 1]
    found = {
        n: -max(score for epoch, score in scores.items() if epoch <= fidelity or n in ended)
        for n, scores in healthy.items()
        if max(scores) >= fidelity or n in ended
    }
    worst = max(found.values())
    found |= {n: worst for n in trials if n in ended and n not in healthy}
    return dict(sorted(found.items()))
